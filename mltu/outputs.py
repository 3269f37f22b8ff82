"""Where results go: the screen, a file that a stopped run is continued in, or a folder of files."""

from __future__ import annotations

import io
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

from .formats import FORMATS, UTC, marked_text
from .inputs import STDIN
from .journal import REMEDY, Entry, Journal, source_state
from .readings import PageReading
from .utils.errors import InputError, escape_control_chars
from .utils.files import as_utf8, atomic_path, naming, refuse_inputs, write_atomic


def format_for(output: str | None, name: str | None) -> str:
    """The format that was named, or that an output's ending tells, or text.

    Raises:
        InputError: the ending is of no format.
    """
    if name is not None:
        return name
    ending = Path(output).suffix.lower() if output else ""
    known = {"": "text", ".txt": "text", ".csv": "csv", ".json": "json", ".jsonl": "json", ".xml": "alto"}
    known |= {".hocr": "hocr", ".pdf": "pdf", ".html": "html"}
    if ending not in known:
        raise InputError(f"{output}: no format has the ending {ending}; choose {', '.join(known)[2:]} or add --format")
    return known[ending]


def page_targets(sources: Sequence[str], folder: str | Path, ending: str) -> dict[str, Path]:
    """A file in a folder for each source: named after it, in folders as the sources are.

    Where two sources differ in their endings only, or one is named as a further page of the other, these are kept.
    """
    outer = [os.path.dirname(os.path.abspath(source)) for source in sources if source != STDIN]
    base = os.path.commonpath(outer) if outer else ""
    whole = {source: "stdin" if source == STDIN else os.path.relpath(source, base) for source in sources}
    stems = {source: "stdin" if source == STDIN else os.path.splitext(whole[source])[0] for source in sources}
    shared = Counter(stems.values())
    taken = {*whole.values(), *stems.values()}
    for stem in stems.values():
        first, _, number = stem.rpartition("_")
        if number.isdecimal() and first in taken:
            shared.update((first, stem))

    def name(source: str) -> str:
        return stems[source] if shared[stems[source]] == 1 or source == STDIN else whole[source]

    return {source: Path(folder) / f"{name(source)}{ending}" for source in sources}


def page_path(first: Path, page: int) -> Path:
    """The file of a page, counted from 1, beside that of the first."""
    return first if page == 1 else first.with_stem(f"{first.stem}_{page}")


class Results:
    """Takes what was read of each source, in order, and writes it. A context manager.

    What earlier runs wrote stays, as the :class:`.Journal` beside it tells, and those sources are named in `done`: if
    they were read whole and have not changed since, with the same settings. What was written of others of `sources`
    is replaced. A document of several sources is written when all are read, and kept or replaced as a whole.

    Args:
        output: file, or folder for a file for each page or document; None for the screen.
        format_name: one of `FORMATS`.
        sources: all that are going to be read.
        show: prints a text without adding a line end.
        min_confidence: below which a word is marked as doubtful.
        settings: what readings depend on besides, as JSON has it.
        overwrite: remove what earlier runs wrote, and replace anything else that is there.
        redo: sources that are to be read again.

    Attributes:
        done: sources that need not be read.
        changed: those that were written by an earlier run, but are to be read again.

    Raises:
        InputError: the output cannot be written, is one of the sources, was read with other settings, or would
            replace something that this class has not written.
    """

    def __init__(
        self,
        output: str | None,
        format_name: str,
        sources: Sequence[str],
        show: Callable[[str], None],
        min_confidence: float = 0.0,
        settings: Mapping[str, Any] | None = None,
        overwrite: bool = False,
        redo: Collection[str] = (),
    ) -> None:
        self.format = FORMATS[format_name]
        self.min_confidence = min_confidence
        self.show = show
        self.tagged = len(sources) > 1 and format_name == "text"  # lines of several files are told apart
        self.overwrite = overwrite
        self.done: frozenset[str] = frozenset()
        self.changed: frozenset[str] = frozenset()
        self._states = {source: None if source == STDIN else source_state(source) for source in sources}
        self._journal: Journal | None = None
        self._file: BinaryIO | None = None
        self._targets: dict[str, Path] = {}  # first file of each source, by the source's name in the journal
        self._document: list[PageReading] | None = None  # pages of a document with several sources
        self._begun = False
        if output is None:
            if self.format.with_pictures:
                raise InputError(f"{format_name} is not for the screen; name a file or folder with --output")
            return
        refuse_inputs(output, sources)
        to_file = bool(Path(output).suffix) and not os.path.isdir(output)
        if self.format.holds == "page":
            to_file = to_file and len(sources) == 1
        in_folder = self.format.holds != "rows" and not to_file
        own = {"format": format_name, "file names": self.tagged, "min_confidence": min_confidence}
        journal = self._journal = Journal(output, in_folder, own | dict(settings or {}))
        try:
            journal.folder.mkdir(parents=True, exist_ok=True)
            if self.format.holds == "rows":
                self._continue_file(Path(output), redo)
                return
            if in_folder:
                targets = page_targets(sources, output, self.format.ending)
                self._targets = {journal.name(source): path for source, path in targets.items()}
            elif len(sources) == 1:
                self._targets = {journal.name(sources[0]): Path(output)}
            else:
                self._targets, self._document = {"": Path(output)}, []
            self._continue_files(redo)
        except OSError as error:
            raise InputError(f"{output}: cannot be written ({error.strerror or error})") from None

    def __enter__(self) -> Results:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if self._document and kind is None:
                self._write_files("", self._state(""), self._document)
        finally:
            for file in (self._file, self._journal):
                if file:
                    file.close()

    def write(self, source: str, pages: Sequence[PageReading], complete: bool = True) -> None:
        """Write the pages of a source; where they are not complete, the next run reads it again."""
        if not complete:
            self._states[source] = None
        if self._document is not None:
            self._document += pages
        elif self._targets:
            self._write_files(self._journal.name(source), self._states[source], pages)
        elif self._file:
            content = as_utf8(self._written(pages))
            self._journal.append(Entry(self._journal.name(source), self._states[source], rows=_check_sums(content)))
            with naming(self._file.name):
                self._file.write(content)  # in one piece, so that little can be cut in two
                self._file.flush()
        else:
            self.show(self.format.header * (not self._begun) + self._written(pages))
            self._begun = True

    def _written(self, pages: Sequence[PageReading]) -> str | bytes:
        if self.tagged:
            return "".join(
                f"{escape_control_chars(page.source)}\t{marked_text(line, self.min_confidence)}\n"
                for page in pages
                for line in page.lines
            )
        return self.format.write(pages, self.min_confidence, datetime.now(UTC))

    def _state(self, source: str) -> list | None:
        """The state of a source, or of all with their names if they make one document; None if one has none."""
        if self._document is None:
            return self._states[source]
        states = [[self._journal.name(source), state] for source, state in self._states.items()]
        return states if all(state for _, state in states) else None

    def _sort_out(self, entries: Mapping[str, Entry], redo: Collection[str]) -> set[str]:
        """Tell which sources are done and which have changed, from the entries of what is there.

        Returns:
            The names of those that are done, as entries have them.
        """
        names = {source: "" if self._document is not None else self._journal.name(source) for source in self._states}
        written = {source for source, name in names.items() if name in entries}
        self.done = frozenset(
            source
            for source in written
            if entries[names[source]].state == self._state(source) is not None and source not in redo
        )
        self.changed = frozenset(written - self.done)
        return {names[source] for source in self.done}

    # --- rows in a file ---------------------------------------------------------------------

    def _continue_file(self, output: Path, redo: Collection[str]) -> None:
        """Keep what an earlier run finished, and remove the rest."""
        self._file = open(output, "r+b" if output.exists() else "w+b")
        header = as_utf8(self.format.header)
        kept, end = [], 0
        if os.path.getsize(output) and not self.overwrite:
            found, end = self._find_rows(output, self._journal.read())
            self._journal.check_settings()
            self._sort_out({entry.source: entry for entry, *_ in found}, redo)
            again = {self._journal.name(source) for source in self.changed}
            kept = [span for span in found if span[0].source not in again]
            if len(kept) < len(found):
                with atomic_path(output.resolve()) as unfinished, open(unfinished, "wb") as copy:
                    for _, start, stop in kept:
                        self._file.seek(start)
                        copy.write(self._file.read(stop - start))
                    end = copy.tell()
                    self._file.close()  # before its place is taken, as Windows asks for
                self._file = open(output, "r+b")
        self._file.truncate(end)
        self._file.seek(end)
        entries = [entry for entry, *_ in kept]
        self._journal.begin([Entry("", None, rows=_check_sums(header))] if header and not end else entries)
        if not end:
            self._file.write(header)
            self._file.flush()

    def _find_rows(self, output: Path, entries: Iterable[Entry]) -> tuple[list[tuple[Entry, int, int]], int]:
        """The entries of which all rows are in the file, each with the span of these; and the end of the last.

        Raises:
            InputError: the file holds something else.
        """
        found, end, missing = [], 0, []
        for entry in entries:
            self._file.seek(end)
            rows = list(islice(self._file, len(entry.rows)))
            if [*map(crc32, rows)] == entry.rows:
                start, end = end, end + sum(map(len, rows))
                found.append((entry, start, end))
            else:  # replaced by a later one, or cut off
                missing.append(entry.rows)
        self._file.seek(end)
        rest = list(islice(self._file, max(map(len, missing), default=0) + 1))
        whole = [crc32(row) for row in rest if row.endswith(b"\n")]
        if rest and not any(whole == rows[: len(whole)] and len(rest) <= len(rows) for rows in missing):
            raise InputError(f"{output}: holds something else, or was changed since it was written; {REMEDY}")
        return found, end

    # --- a file for each page or document ---------------------------------------------------

    def _continue_files(self, redo: Collection[str]) -> None:
        """Find what earlier runs wrote, and refuse to replace anything else."""
        journal = self._journal
        try:
            entries = journal.read()
        except InputError:
            if not self.overwrite:
                raise
            entries = []
        self._latest = {entry.source: entry for entry in entries}
        self._sources: dict[str, dict[int, str]] = defaultdict(dict)  # written files: file -> check sum -> source
        for entry in entries:
            for file, check_sum in entry.files.items():
                self._sources[file][check_sum] = entry.source
        if self.overwrite:
            for file in self._sources:
                if self._source_of(journal.folder / file) is not None:
                    (journal.folder / file).unlink()
            entries, self._latest = [], {}
        elif any((journal.folder / file).exists() for file in self._sources):
            journal.check_settings()
        for source, entry in self._latest.items():
            if source in self._targets and entry.files:
                # the name that it has got, whatever those of other sources are now
                self._targets[source] = journal.folder / next(iter(entry.files))
        whole = {
            source: entry
            for source, entry in self._latest.items()
            if all((journal.folder / file).exists() for file in entry.files)
        }
        done = self._sort_out(whole, redo)
        for source, path in self._targets.items():
            if source not in done:
                self._refuse_others(path, source)
        journal.begin(entries)

    def _source_of(self, path: Path) -> str | None:
        """The source that a file was written of; None if it is not there, was changed since or is another program's."""
        written = self._sources.get(self._journal.name(path))
        return written.get(crc32(path.read_bytes())) if written and path.is_file() else None

    def _refuse_others(self, path: Path, source: str) -> None:
        if path.exists() and not self.overwrite and self._source_of(path) != source:
            reason = "holds something else, or was changed since it was written"
            raise InputError(f"{path}: {reason}; {REMEDY}")

    def _write_files(self, source: str, state: list | None, pages: Sequence[PageReading]) -> None:
        first = self._targets[source]
        if self.format.holds == "page":
            contents = {page_path(first, page.page): as_utf8(self._written([page])) for page in pages}
        else:
            written = self._written(pages)
            contents = {first: written if isinstance(written, bytes) else as_utf8(written)}
        for path in contents:
            self._refuse_others(path, source)
        earlier = self._latest.get(source)
        files = {self._journal.name(path): crc32(content) for path, content in contents.items()}
        self._journal.append(Entry(source, state, files=files))
        for file, check_sum in files.items():
            self._sources[file][check_sum] = source
        for path in reversed(contents):  # so that a source whose first page is there is whole
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, contents[path])
        for file in {*(earlier.files if earlier else ())} - {*files}:  # pages that no longer exist
            if self._source_of(self._journal.folder / file) == source:
                (self._journal.folder / file).unlink()


def _check_sums(content: bytes) -> list[int]:
    """Check sum of each row, with its line feed."""
    return [crc32(row) for row in io.BytesIO(content)]
