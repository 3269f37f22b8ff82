"""Where results go: the screen, a file that a stopped run is continued in, or a folder with a file for each page."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from .formats import FORMATS, UTC, marked_text
from .inputs import STDIN
from .readings import PageReading
from .utils.errors import InputError
from .utils.files import as_utf8, refuse_inputs, write_atomic


def format_for(output: str | None, name: str | None) -> str:
    """The format that was named, or that an output's ending tells, or text.

    Raises:
        InputError: the ending is of no format.
    """
    if name is not None:
        return name
    ending = Path(output).suffix.lower() if output else ""
    known = {"": "text", ".txt": "text", ".csv": "csv", ".json": "json", ".jsonl": "json", ".xml": "alto"}
    if ending not in known:
        raise InputError(f"{output}: no format has the ending {ending}; choose {', '.join(known)[2:]} or add --format")
    return known[ending]


def page_targets(sources: Sequence[str], folder: str | Path, ending: str) -> dict[str, Path]:
    """A file in a folder for each source: named after it, in folders as the sources are.

    Where two sources differ in their endings only, these are kept.
    """
    outer = [os.path.dirname(os.path.abspath(source)) for source in sources if source != STDIN]
    base = os.path.commonpath(outer) if outer else ""

    def stem(source: str) -> str:
        return "stdin" if source == STDIN else os.path.splitext(os.path.relpath(source, base))[0]

    shared = Counter(map(stem, sources))

    def name(source: str) -> str:
        return stem(source) if shared[stem(source)] == 1 or source == STDIN else os.path.relpath(source, base)

    return {source: Path(folder) / f"{name(source)}{ending}" for source in sources}


def page_path(first: Path, page: int) -> Path:
    """The file of a page, counted from 1, beside that of the first."""
    return first if page == 1 else first.with_stem(f"{first.stem}_{page}")


class Results:
    """Takes what was read of each source, in order, and writes it. A context manager.

    In a file, the sources that an earlier run finished stay and are named in `done`; of the last one there it is
    not known whether all of its pages were written, so if it is among `sources` it is removed and due again. In a
    folder, a source is done when the file of its first page is there, which is written last.

    Args:
        output: file, or folder for a format with one page a file; None for the screen.
        format_name: one of `FORMATS`.
        sources: all that are going to be read.
        show: prints a text without adding a line end.
        min_confidence: below which a word is marked as doubtful.

    Attributes:
        done: sources that need not be read.

    Raises:
        InputError: the output cannot be written, is one of the sources, or is a file that holds something else.
    """

    def __init__(
        self,
        output: str | None,
        format_name: str,
        sources: Sequence[str],
        show: Callable[[str], None],
        min_confidence: float = 0.0,
    ) -> None:
        self.format_name = format_name
        self.format = FORMATS[format_name]
        self.min_confidence = min_confidence
        self.show = show
        self.tagged = len(sources) > 1  # lines of several files are told apart
        self.done: frozenset[str] = frozenset()
        self._file: BinaryIO | None = None
        self._targets: dict[str, Path] = {}
        self._begun = False
        if output is None:
            return
        refuse_inputs(output, sources)
        try:
            to_file = len(sources) == 1 and Path(output).suffix and not Path(output).is_dir()
            if self.format.one_page and not to_file:
                self._targets = page_targets(sources, output, self.format.ending)
                self.done = frozenset(source for source, path in self._targets.items() if path.exists())
                Path(output).mkdir(parents=True, exist_ok=True)
            elif self.format.one_page:
                self._targets = {sources[0]: Path(output)}
            else:
                self._file = open(output, "r+b" if os.path.exists(output) else "w+b")
                self._continue(output, sources)
        except OSError as error:
            raise InputError(f"{output}: cannot be written ({error.strerror})") from None

    def __enter__(self) -> Results:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def write(self, source: str, pages: Sequence[PageReading]) -> None:
        """Write the pages of a source."""
        if self._targets:
            for page in reversed(pages):
                path = page_path(self._targets[source], page.page)
                path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(path, as_utf8(self._written(page)))
            return
        text = "".join(map(self._written, pages))
        if not self._begun:
            text = self.format.header + text
            self._begun = True
        if self._file is None:
            self.show(text)
        else:
            # in one piece, so that little can be cut in two
            self._file.write(as_utf8(text))
            self._file.flush()

    def _written(self, page: PageReading) -> str:
        if self.format_name == "text" and self.tagged:
            lines = (f"{page.source}\t{marked_text(line, self.min_confidence)}\n" for line in page.lines)
            return "".join(lines)
        return self.format.write(page, self.min_confidence, datetime.now(UTC))

    def _continue(self, output: str, sources: Sequence[str]) -> None:
        """Keep what an earlier run finished, and remove the rest."""
        if self.format_name == "text" and not self.tagged:
            self._file.truncate()  # the text of one file, which is soon read again
            return
        header = as_utf8(self.format.header)
        named = {as_utf8(source).decode(): source for source in sources}  # as a file can hold them
        done: dict[str, int] = {}  # source -> where its first row begins
        end = 0  # of the rows that are whole
        for row in self._file:
            whole = row.endswith(b"\n")
            if header and not end:
                ours = row == header or (not whole and header.startswith(row))
            elif whole:
                source = self._source(row)
                ours = source is not None
                done.setdefault(named.get(source, source), end)
            else:  # cut off
                ours = end > 0 or any(self._may_begin(row, source) for source in sources)
            if not ours:
                raise InputError(f"{output}: holds something else; choose another --output, or delete it")
            end += len(row) * whole
        last = next(reversed(done), None)
        if last in sources:
            end = done.pop(last)
        self._file.seek(end)
        self._file.truncate()
        self._begun = end > 0
        self.done = frozenset(done)

    def _may_begin(self, row: bytes, source: str) -> bool:
        """Whether a row of which the end is missing may be the first about a source."""
        start = as_utf8('{"source": ' if self.format_name == "json" else f"{source}\t")
        return start.startswith(row) or row.startswith(start)

    def _source(self, row: bytes) -> str | None:
        """The source that a row of a file is about; None if it is no row of ours."""
        try:
            text = row.decode("utf-8")
            if self.format_name == "json":
                return str(json.loads(text)["source"])
            fields = text.split("\t") if self.format_name == "text" else next(csv.reader([text]))
        except (ValueError, KeyError, TypeError, csv.Error):
            return None
        return fields[0] if len(fields) > 1 else None
