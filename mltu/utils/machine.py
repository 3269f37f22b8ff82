"""Facts about the machine."""

from __future__ import annotations

from pathlib import Path


def processor_field(*names: str) -> str:
    """A field of the first processor in Linux's /proc/cpuinfo, such as "flags", by its various names; else empty."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return ""
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in fields if name.strip() in names), "")
