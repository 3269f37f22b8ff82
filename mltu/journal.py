"""The record of what an output holds and what it was made from, so that a later run continues with nothing else.

It is a hidden file beside the output, or in it where that is a folder: a JSON object on each line, first the settings
that the readings depend on, then an entry for each source. An entry is on disk before what it is about is written, so
that it is known after a kill or a power cut what is whole, what was cut off, and what somebody else has written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple

from .utils.errors import InputError
from .utils.files import naming, write_atomic

REMEDY = "choose another --output, or replace it with --overwrite"


class Entry(NamedTuple):
    """A source and what was written of it."""

    source: str  # its path from the folder of the journal; empty for all sources of a document, or for a header
    state: list | None  # its size and time; None if it is to be read again in any case
    rows: Sequence[int] = ()  # check sum of each row in a file, in order
    files: Mapping[str, int] = MappingProxyType({})  # or of each file, by its path from the folder of the journal


def source_state(path: str | Path) -> list | None:
    """Size in bytes and time of change in nanoseconds of a file; None if it has none, as standard input."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return [status.st_size, status.st_mtime_ns]


class Journal:
    """The journal of an output.

    Args:
        output: a file or folder.
        folder: whether it is a folder.
        settings: what readings depend on besides their sources, as JSON has it.
    """

    def __init__(self, output: str | Path, folder: bool, settings: Mapping[str, Any]) -> None:
        self.output = output
        self.folder = Path(output) if folder else Path(output).parent
        self.path = self.folder / (".journal" if folder else f".{Path(output).name}.journal")
        self.settings = dict(settings)
        self._earlier: dict[str, Any] = {}
        self._file: BinaryIO | None = None
        self._size = 0

    def read(self) -> list[Entry]:
        """The entries, in the order in which they were written; none if there is no journal.

        Raises:
            InputError: not a journal.
        """
        if not self.path.exists():
            return []
        try:
            rows = self.path.read_bytes().split(b"\n")[:-1]  # a row without its end was cut off, and nothing followed
            settings, *entries = map(json.loads, rows)
            self._earlier, entries = dict(settings), [Entry(**entry) for entry in entries]
            if not all(isinstance(entry.rows, list) and isinstance(entry.files, dict) for entry in entries):
                raise ValueError
            names = [PurePath(name) for entry in entries for name in entry.files]
            if any(name.is_absolute() or ".." in name.parts for name in names):
                raise ValueError
        except (ValueError, TypeError):
            raise InputError(f"{self.path}: is damaged, so {self.output} cannot be continued; {REMEDY}") from None
        return entries

    def check_settings(self) -> None:
        """Refuse to continue what was read with others.

        Raises:
            InputError: the settings that were read differ.
        """
        names = {*self._earlier, *self.settings}
        others = sorted(name for name in names if self._earlier.get(name) != self.settings.get(name))
        if others:
            raise InputError(f"{self.output}: was read with other settings ({', '.join(others)}); {REMEDY}")

    def begin(self, entries: Iterable[Entry]) -> None:
        """Replace the journal by these entries, to be continued."""
        content = _row(self.settings) + b"".join(map(_entry_row, entries))
        write_atomic(self.path, content, durable=True)
        self._file, self._size = open(self.path, "ab"), len(content)

    def append(self, entry: Entry) -> None:
        """Add an entry, which is on disk at the return.

        Raises:
            InputError: somebody else has added to the journal, or replaced it.
        """
        ours, present = os.fstat(self._file.fileno()), os.stat(self.path)
        if (present.st_ino, present.st_size) != (ours.st_ino, self._size):
            raise InputError(f"{self.output}: another run is writing to it; start this one again with another --output")
        row = _entry_row(entry)
        with naming(self.path):
            self._file.write(row)
            self._file.flush()
            os.fsync(self._file.fileno())
        self._size += len(row)

    def name(self, path: str | Path) -> str:
        """A path from the folder of the journal, so that both may move together."""
        try:
            return os.path.relpath(path, self.folder)
        except ValueError:  # another drive of Windows
            return os.path.abspath(path)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()


def _entry_row(entry: Entry) -> bytes:
    return _row(entry._asdict() | {"files": dict(entry.files)})


def _row(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
