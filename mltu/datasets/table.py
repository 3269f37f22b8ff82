"""Datasets as a CSV or TSV file of image paths and texts."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..inputs import FILE_ENDINGS
from ..utils.errors import InputError, escape_control_chars
from ..utils.files import atomic_path
from .base import Sample, Skipped, normalize_text, tell_invisible
from .delimited import Field, read_rows

# names that a header may use, lower case; "0" and "1" head the tables of the mltu library
IMAGE_NAMES = ("image", "file", "path", "image_path", "filename", "file_name", "0")
TEXT_NAMES = ("text", "label", "transcription", "transcript", "sentence", "1")
WRITER_NAMES = ("writer", "writer_id", "author", "hand")
FORM_NAMES = ("form", "form_id", "page")


def _likeness(rows: Sequence[Sequence[Field]]) -> int:
    """How much the first rows of a table look like one of samples; the separator is chosen by it."""
    if rows and None not in _columns(rows[0])[:2]:
        return len(rows) + 1
    return sum(len(row) > 1 and row[0].text.strip().lower().endswith(FILE_ENDINGS) for row in rows)


def _names(header: Sequence[Field]) -> list[str]:
    return [normalize_text(field.text).lower().strip('"') for field in header]


def _columns(header: Sequence[Field]) -> list[int | None]:
    names = _names(header)
    return [_column(names, known) for known in (IMAGE_NAMES, TEXT_NAMES, WRITER_NAMES, FORM_NAMES)]


def _column(header: Sequence[str], names: Sequence[str]) -> int | None:
    return next((header.index(name) for name in names if name in header), None)


def read_table(path: str | Path) -> tuple[list[Sample], list[Skipped]]:
    """Read a table of samples.

    With a header, columns are found by name (`image` or `file` or `path`, `text` or `label`,
    optional `writer` and `form`); without one they are image, text and, if there, writer and form.
    An image path is looked for beside the table, from the current folder, and from the folders
    around the table. Relative paths with `..` are refused, so that a table that came with its images
    names no others; whole paths may lead anywhere. Whether the images can be read is not checked here.

    Args:
        path: a table whose fields are separated by commas, semicolons or tabs, UTF-8 or UTF-16; a first line such
            as `sep=;` names another separator.

    Returns:
        (samples, rows skipped for an empty text or image, a missing field, a text that seems to be cut at a
        separator or a path with `..`, and rows kept without characters that nobody can see).

    Raises:
        InputError: the file is missing, no table, or holds no usable row; or two columns have the same name.
    """
    path = Path(path)
    samples: list[Sample] = []
    skipped: list[Skipped] = []
    rows = read_rows(path, _likeness)
    width = len(rows[0][1]) if rows else 0
    columns = _columns(rows[0][1] if rows else [])
    if None in columns[:2]:
        columns = [0, 1, 2, 3]
    else:
        names = _names(rows[0][1])
        for name in (names[column] for column in columns if column is not None):
            if names.count(name) > 1:
                raise InputError(f"{path}: has {names.count(name)} columns named {name}; rename all but the right one")
        del rows[0]
    for number, fields in rows:
        source = f"{path}:{number}"
        if len(fields) > width or any("\n" in field.text for field in fields):
            skipped.append(Skipped(source, "more fields than the first row; put quotes round the text"))
            continue
        if _is_cut(fields, columns[1]):
            skipped.append(Skipped(source, "the text continues after a separator; put quotes round the text"))
            continue
        image, text, writer, form = (
            fields[i].text.strip() if i is not None and i < len(fields) else "" for i in columns
        )
        if not image or not normalize_text(text):
            skipped.append(Skipped(source, "no text" if image else "no image"))
            continue
        if _leads_out(image):
            shown = escape_control_chars(image[:60])
            skipped.append(Skipped(source, f"{shown}: leads out by ..; write the whole path"))
            continue
        skipped += tell_invisible(source, text)
        samples.append(Sample(_resolve(image, path.parent), normalize_text(text), writer, form))
    if not samples:
        why = f"; the first, {skipped[0].source}: {skipped[0].reason}" if skipped else ""
        raise InputError(f"{path}: no row with an image path and a text; expected columns image,text[,writer]{why}")
    return samples, skipped


def _is_cut(fields: Sequence[Field], column: int) -> bool:
    """Whether a text without quotes seems to continue in the next field: only there a blank follows the separator."""
    text, *after = fields[column : column + 2] or [Field("", False)]
    blanks = [field.text[:1].isspace() and not field.quoted for field in (text, *after)]
    return bool(after) and not text.quoted and column > 0 and blanks == [False, True] and bool(after[0].text.strip())


def _leads_out(image: str) -> bool:
    """Whether a path is relative and has `..` in it, however a system writes that."""
    return ".." in re.split(r"[/\\:]", image) and not os.path.isabs(image)


def _resolve(image: str, table_folder: Path) -> str:
    here = Path()
    around = table_folder.absolute().parents[:-1]  # not the root, from which every file could be named
    # as it is written, and as it is meant where Windows or a copied text wrote it
    names = dict.fromkeys((image, image.replace("\\", "/"), normalize_text(image).replace("\\", "/")))
    for folder in (table_folder, here, *around):
        for name in names:
            try:
                if (folder / name).exists():
                    return str(folder / name)
            except (OSError, ValueError):  # not a possible path: too long, or with a NUL
                break
    return str(table_folder / image)


def write_table(path: str | Path, samples: Iterable[Sequence], index: bool = False) -> None:
    """Write samples as CSV with the header `image,text,writer,form`, as :func:`read_table` reads it.

    Relative image paths with `..` are written in full.

    Args:
        path: the file; its folder is made.
        samples: (image, text, ...) each.
        index: put a column of row numbers first.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as unfinished, open(unfinished, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow((["index"] if index else []) + list(Sample._fields))
        for number, sample in enumerate(samples):
            image = os.path.abspath(sample[0]) if _leads_out(str(sample[0])) else sample[0]
            fields = [image, *sample[1:4], *[""] * (4 - len(sample))]
            writer.writerow(([number] if index else []) + fields)
