"""Tables of fields as people and spreadsheets write them: CSV with commas or semicolons, and TSV."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import islice, zip_longest
from pathlib import Path
from typing import NamedTuple

from ..utils.errors import InputError

MAX_TABLE = 1 << 27  # bytes; a million lines
MAX_FIELD = 1 << 17  # characters
IN_QUOTES = re.compile('".*"', re.DOTALL)


class Field(NamedTuple):
    """A field of a row."""

    text: str  # without the quotes around it
    quoted: bool


Row = tuple[int, list[Field]]  # with the number of its line


def read_rows(path: Path, likeness: Callable[[list[list[Field]]], float]) -> list[Row]:
    """Read a table whose fields are separated by commas, semicolons or tabs, or by what a first line `sep=` names.

    Args:
        path: the table, UTF-8 or UTF-16.
        likeness: how much its first rows, read with some separator, look like what they should be.

    Returns:
        The rows that are not blank.

    Raises:
        InputError: the file cannot be read, or is not a table.
    """
    content = _content(path)
    told = re.match(r'"?sep=([^\w"\r\n])"?[^\S\r\n]*(?:\r\n?|\n)', content, re.IGNORECASE)  # Excel's
    if told:
        separator = told[1]
    else:
        first = content[: 1 + content.find("\n")] or content
        tabs = path.suffix.lower() in (".tsv", ".tab") or ("\t" in first and path.suffix.lower() != ".csv")

        def fit(separator: str) -> float:
            try:
                return likeness([fields for _, fields in _unquoted(list(islice(_parse(path, content, separator), 20)))])
            except InputError:
                return 0

        separator = max(("\t", ",", ";") if tabs else (",", ";", "\t"), key=fit)
    rows = list(_parse(path, content, separator, told.end() if told else 0))
    return _unquoted(rows) if separator == "\t" else rows


def _content(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_TABLE:
            raise InputError(f"{path}: larger than {MAX_TABLE >> 20} MB, so not a table of lines; divide it")
        content = path.read_bytes()
        # Excel saves "Unicode text" in UTF-16
        return content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8").lstrip("\ufeff")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; it should be a CSV or TSV table of image paths and texts") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name the CSV or TSV file in it") from None
    except OSError as error:
        raise InputError(f"{path}: the table cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8; save it as UTF-8 CSV") from None
    except InputError:
        raise
    except ValueError as error:  # a NUL in the path
        raise InputError(f"{path}: the table cannot be read ({error})") from None


def _parse(path: Path, content: str, separator: str, start: int = 0) -> Iterator[Row]:
    """The rows that are not blank.

    As RFC 4180 says, and with blanks around fields. Quotes that do not go round a whole field are text; in tables
    with tabs all quotes are mostly text, so `_unquoted` judges them.

    Raises:
        InputError: a quoted field has no end, or a field is too long.
    """
    mark = re.escape(separator)
    quoted = r"(?!)()" if separator == "\t" else rf'[^\S\r\n]*"([^"]*(?:""[^"]*)*)"[^\S\r\n]*(?=[{mark}\r\n]|\Z)'
    field = re.compile(rf"{quoted}|([^{mark}\r\n]*)")
    end = re.compile(r"\r\n|\r|\n")
    fields: list[Field] = []
    line = row_line = content.count("\n", 0, start) + 1
    place = start
    while place < len(content) or fields:
        found = field.match(content, place)
        text, plain = found[1], found[2]
        if len(found[0]) > MAX_FIELD:
            raise InputError(
                f"{path}: not a CSV or TSV table (more than {MAX_FIELD} characters in a field of line {line})"
            )
        if plain and separator != "\t" and plain.lstrip().startswith('"') and _is_open(content, place):
            raise InputError(f"{path}: not a CSV or TSV table (a quote is opened but not closed in line {line})")
        fields.append(Field(plain, False) if text is None else Field(text.replace('""', '"'), True))
        line += (text or "").count("\n")
        place = found.end()
        if content.startswith(separator, place):
            place += len(separator)
            continue
        if any(field.text.strip() for field in fields):
            yield row_line, fields
        fields = []
        broken = end.match(content, place)
        place = broken.end() if broken else len(content)
        line += 1
        row_line = line


def _is_open(content: str, start: int) -> bool:
    """Whether a quote that begins a field has no partner in the same line."""
    first = content.index('"', start) + 1
    second = content.find('"', first)
    return second < 0 or re.search(r"[\r\n]", content[first:second]) is not None


def _unquoted(rows: list[Row]) -> list[Row]:
    """Rows of a table with tabs without the quotes that are not text.

    Certain are quotes round a text in which quotes are doubled, and those round all texts of a column of two or more.
    """
    width = len(rows[0][1]) if rows else 0
    quoted = [len(rows) > 2] * width  # columns; the first row may be a header
    for _, fields in rows[1:]:
        for column, field in enumerate(fields[:width]):
            quoted[column] = quoted[column] and IN_QUOTES.fullmatch(field.text.strip()) is not None

    def unquoted(field: Field, certain: bool) -> Field:
        text = field.text.strip()
        inner = text[1:-1]
        if IN_QUOTES.fullmatch(text) and (certain or '""' in inner) and '"' not in inner.replace('""', ""):
            return Field(inner.replace('""', '"'), True)
        return field

    return [
        (line, [unquoted(*pair) for pair in zip_longest(fields, quoted[: len(fields)], fillvalue=False)])
        for line, fields in rows
    ]
