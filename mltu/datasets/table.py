"""Datasets as a CSV or TSV file of image paths and texts."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..utils.errors import InputError, escape_control_chars
from ..utils.files import atomic_path
from .base import Sample, Skipped, normalize_text

# names that a header may use, lower case; "0" and "1" head the tables of the mltu library
IMAGE_NAMES = ("image", "file", "path", "image_path", "filename", "file_name", "0")
TEXT_NAMES = ("text", "label", "transcription", "transcript", "sentence", "1")
WRITER_NAMES = ("writer", "writer_id", "author", "hand")
FORM_NAMES = ("form", "form_id", "page")


def _rows(path: Path) -> Iterable[tuple[int, list[str]]]:
    """(line number, fields) of every row that is not blank."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            first = file.readline()
            file.seek(0)
            tabs = path.suffix.lower() in (".tsv", ".tab") or ("\t" in first and path.suffix.lower() != ".csv")
            # in TSV files quotes are mostly plain text, so they are judged field by field
            reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(file, strict=True)
            for row in reader:
                if any(field.strip() for field in row):
                    yield reader.line_num, [_unquote(field) for field in row] if tabs else row
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; it should be a CSV or TSV table of image paths and texts") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name the CSV or TSV file in it") from None
    except OSError as error:
        raise InputError(f"{path}: the table cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8; save it as UTF-8 CSV") from None
    except ValueError as error:  # a NUL in the path
        raise InputError(f"{path}: the table cannot be read ({error})") from None
    except csv.Error as error:
        raise InputError(f"{path}: not a CSV or TSV table ({error} in line {reader.line_num})") from None


def _unquote(field: str) -> str:
    """Undo CSV quoting in a TSV field, which is certain only where a quote is doubled inside quotes."""
    inner = field[1:-1]
    if re.fullmatch(r'".*"', field) and '""' in inner and '"' not in inner.replace('""', ""):
        return inner.replace('""', '"')
    return field


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
        path: a .csv file (commas) or .tsv file (tabs), UTF-8.

    Returns:
        (samples, rows skipped for an empty text or image, a missing field or a path with `..`).

    Raises:
        InputError: the file is missing, no table, or holds no usable row.
    """
    path = Path(path)
    samples: list[Sample] = []
    skipped: list[Skipped] = []
    columns: list[int | None] | None = None
    width = 0
    for number, row in _rows(path):
        if columns is None:
            width = len(row)
            header = [field.strip().lower() for field in row]
            columns = [_column(header, names) for names in (IMAGE_NAMES, TEXT_NAMES, WRITER_NAMES, FORM_NAMES)]
            if columns[0] is not None and columns[1] is not None:
                continue
            columns = [0, 1, 2, 3]
        if len(row) > width or any("\n" in field for field in row):
            skipped.append(Skipped(f"{path}:{number}", "more fields than the first row; put quotes round the text"))
            continue
        image, text, writer, form = (row[i].strip() if i is not None and i < len(row) else "" for i in columns)
        text = normalize_text(text)
        if not image or not text:
            skipped.append(Skipped(f"{path}:{number}", "no text" if image else "no image"))
            continue
        if _leads_out(image):
            skipped.append(
                Skipped(
                    f"{path}:{number}", f"{escape_control_chars(image[:60])}: leads out by ..; write the whole path"
                )
            )
            continue
        samples.append(Sample(_resolve(image, path.parent), text, writer, form))
    if not samples:
        why = f"; the first, {skipped[0].source}: {skipped[0].reason}" if skipped else ""
        raise InputError(f"{path}: no row with an image path and a text; expected columns image,text[,writer]{why}")
    return samples, skipped


def _leads_out(image: str) -> bool:
    """Whether a path is relative and has `..` in it, however a system writes that."""
    return ".." in re.split(r"[/\\:]", image) and not os.path.isabs(image)


def _resolve(image: str, table_folder: Path) -> str:
    here = Path()
    around = table_folder.absolute().parents[:-1]  # not the root, from which every file could be named
    for folder in (table_folder, here, *around):
        try:
            if (folder / image).exists():
                return str(folder / image)
        except (OSError, ValueError):  # no possible path: too long, or with a NUL
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
