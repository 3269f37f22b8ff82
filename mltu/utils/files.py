"""Writing files and streams."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from .errors import InputError


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it appears whole or not at all, whenever the program is stopped.

    Raises:
        OSError: the file cannot be written.
    """
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


def as_utf8(text: str) -> bytes:
    """A text as UTF-8; what stands for bytes of a file name that are none stays visible, as \\udc.. ."""
    return text.encode("utf-8", "backslashreplace")


def print_utf8() -> None:
    """Let standard output and error take any text, whatever the system's encoding is."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def refuse_inputs(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """See to it that an output is none of the inputs.

    Raises:
        InputError: it is.
    """
    if os.path.realpath(output) in map(os.path.realpath, inputs):
        raise InputError(f"{output}: is an input too, and would be lost; choose another --output")
