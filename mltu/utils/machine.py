"""What the system tells of the machine."""

from __future__ import annotations

from pathlib import Path


def processor_field(*names: str) -> str:
    """What Linux says of the first processor under the first of some names, such as "flags"; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return ""
    fields = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in fields if name.strip() in names), "")
