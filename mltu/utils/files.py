"""Writing files."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock

from .errors import InputError

LOCK = ".lock"  # file in a folder that a process has reserved
MIN_FREE = 65_536  # bytes; a disk with less free space counts as full


@contextmanager
def atomic_path(path: str | Path, durable: bool = False, ending: str = "") -> Iterator[Path]:
    """A path beside `path` to write to, which takes the place of `path` at the end of the block.

    So `path` is either as before or complete, whenever the program is stopped.

    Args:
        path: the file.
        durable: wait until the disk has stored it, so that this holds for power cuts too.
        ending: of the temporary name, `path` + `.part` + this, for libraries that look at it.

    Raises:
        OSError: the file cannot be written; the unfinished one is removed.
    """
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.part{ending}")
    try:
        yield unfinished
        if durable:
            _flush(unfinished)
        os.replace(unfinished, path)
    except BaseException as error:
        full = path.parent.is_dir() and shutil.disk_usage(path.parent).free < MIN_FREE
        unfinished.unlink(missing_ok=True)
        if full and isinstance(error, Exception):  # libraries report a full disk in many ways
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from None
        raise
    if durable and os.name == "posix":  # elsewhere a folder cannot be flushed
        _flush(path.parent)


@contextmanager
def one_at_a_time(folder: str | Path) -> Iterator[None]:
    """Let processes that fill the same folder wait for each other; in a read-only folder nobody has to."""
    with FileLock(Path(folder) / LOCK) if os.access(folder, os.W_OK) else nullcontext():
        yield


def _flush(path: Path) -> None:
    file = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def write_atomic(path: str | Path, content: bytes, durable: bool = False) -> None:
    """Write a file by :func:`atomic_path`.

    Raises:
        OSError: the file cannot be written.
    """
    with atomic_path(path, durable) as unfinished:
        unfinished.write_bytes(content)


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def as_utf8(text: str) -> bytes:
    """Encode a text as UTF-8; surrogates, which stand for undecodable bytes of a file name, become \\udc.. ."""
    return text.encode("utf-8", "backslashreplace")


def refuse_inputs(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Refuse to write an output over one of the inputs.

    Raises:
        InputError: the output is an input.
    """
    if os.path.realpath(output) in map(os.path.realpath, inputs):
        raise InputError(f"{output}: is an input too, and would be lost; choose another --output")
