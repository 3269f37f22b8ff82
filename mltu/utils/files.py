"""Writing files."""

from __future__ import annotations

import csv
import errno
import hashlib
import io
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from filelock import FileLock

from .errors import InputError

LOCK = ".lock"  # file in a folder that a process has reserved
MACOS_FOLDER, MACOS_FILE = "__MACOSX", "._"  # names of what macOS keeps beside files on other systems
MIN_FREE = 65_536  # bytes; a disk with less free space counts as full


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Let an error of writing to an open file, which names none, name this one."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


@contextmanager
def atomic_path(path: str | Path, durable: bool = False, ending: str = "") -> Iterator[Path]:
    """A path beside `path` to write to, which takes the place of `path` at the end of the block.

    So `path` is either as before or complete, whenever the program is stopped; `durable`: in power cuts too. The
    temporary name is `path` + `.part` + `ending`, for libraries that look at it.

    Raises:
        OSError: the file cannot be written; the unfinished one is removed.
    """
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.part{ending}")
    try:
        with naming(path):
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


def make_folder(folder: str | Path, option: str) -> None:
    """Make the folder that an option names, before the work whose results it is for.

    Raises:
        InputError: it cannot be made.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror}); choose another folder with {option}") from None


def files_below(folder: str | Path) -> Iterator[str]:
    """The paths of the files in a folder and below it, sorted, those of a folder before those of the folders in it.

    Links to folders are followed, each folder once. What macOS puts beside files (`._name`, `__MACOSX`) is passed over.
    """
    seen = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        place = os.path.realpath(parent)
        if place in seen:
            folders.clear()  # in place, which is how os.walk takes directions
            continue
        seen.add(place)
        folders[:] = sorted(name for name in folders if not is_of_macos(name))
        yield from (os.path.join(parent, name) for name in sorted(files) if not is_of_macos(name))


def is_of_macos(path: str) -> bool:
    """Whether a file or folder is one that macOS keeps beside others on foreign disks and in archives."""
    names = Path(path).parts
    return MACOS_FOLDER in names or names[-1].startswith(MACOS_FILE)


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
    """Write a file by :func:`atomic_path`."""
    with atomic_path(path, durable) as unfinished:
        unfinished.write_bytes(content)


def file_digest(path: str | Path) -> str:
    """SHA-256 of a file, in hexadecimal digits.

    Raises:
        OSError: the file cannot be read.
    """
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def shipped(name: str) -> Path:
    """The path of a file or folder that comes with the project, whatever the current folder is.

    It is beside the scripts, or in the package where the reading half was installed with pip.
    """
    package = Path(__file__).parents[1]
    beside_scripts = package.parent / name
    return beside_scripts if beside_scripts.exists() else package / name


def csv_bytes(header: Iterable, rows: Iterable[Iterable]) -> bytes:
    """A table as CSV, encoded by :func:`as_utf8`."""
    table = io.StringIO(newline="")
    csv.writer(table).writerows([header, *rows])
    return as_utf8(table.getvalue())


def as_utf8(text: str) -> bytes:
    """Encode a text as UTF-8; surrogates, which stand for undecodable bytes of a file name, become \\udc.. ."""
    return text.encode("utf-8", "backslashreplace")


def refuse_inputs(output: str | Path, inputs: Iterable[str | Path]) -> None:
    """Raise InputError if an output would be written over one of the inputs."""
    if os.path.realpath(output) in map(os.path.realpath, inputs):
        raise InputError(f"{output}: is an input too, and would be lost; choose another --output")
