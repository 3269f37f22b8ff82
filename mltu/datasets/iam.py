"""The IAM Handwriting Database, as it is downloaded.

Marti and Bunke, "The IAM-database: an English sentence database for offline handwriting
recognition", IJDAR 5 (2002). Get it, after registration, from the FKI group's page.
"""

from __future__ import annotations

import os
from pathlib import Path

from ..utils.errors import InputError, escape_control_chars
from ..utils.image_utils import IMAGE_ENDINGS
from ..utils.progress import ProgressBar
from .base import Sample, Skipped, normalize_text

# fields of a row before the text, and the place of the ok|err remark among them
FIELDS = {"sentences": (9, 2), "lines": (8, 1), "words": (8, 1)}


def _how_to_get(unit: str) -> str:
    return (
        f"Register at https://fki.tic.heia-fr.ch/databases/iam-handwriting-database, download ascii.tgz and "
        f"{unit}.tgz and unpack them there, or try without it: --dataset synthetic"
    )


def _find_table(root: Path, name: str) -> Path | None:
    """A file in the folder that was named, in those in it, or in the one around it, or in `ascii` below any of them."""
    inner = sorted(path for path in root.iterdir() if path.is_dir())
    places = (place / name for folder in (root, *inner, root.resolve().parent) for place in (folder, folder / "ascii"))
    return next((place for place in places if place.is_file()), None)


def _index_images(root: Path, unit: str) -> dict[str, Path]:
    """Image name without its ending -> path: below the folder in any layout, and beside it.

    The unit's own folder comes first, so that copies elsewhere do not stand in for it. Links are followed.
    """
    around = root.resolve().parent
    images: dict[str, Path] = {}
    seen: set[str] = set()  # folders, by their real path: links may lead in circles
    for start, deep in ((root / unit, True), (root, True), (around / unit, True), (around, False)):
        for folder, inner, names in os.walk(start, followlinks=True):
            real = os.path.realpath(folder)
            inner[:] = sorted(inner) if deep and real not in seen else []
            if real not in seen:
                seen.add(real)
                for name in sorted(names):
                    stem, ending = os.path.splitext(name)
                    if ending.lower() in IMAGE_ENDINGS:
                        images.setdefault(stem, Path(folder, name))
    return images


def _text_rows(path: Path) -> list[tuple[int, str]]:
    """(line number, row) of what is neither blank nor a comment."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return [
        (number, row.rstrip())
        for number, row in enumerate(text.split("\n"), start=1)
        if row.strip() and not row.startswith("#")
    ]


def read_writers(root: str | Path) -> dict[str, str]:
    """Form id -> writer id from `forms.txt`; empty if the file is not there."""
    path = _find_table(Path(root), "forms.txt")
    if path is None:
        return {}
    fields = (row.split() for _, row in _text_rows(path))
    return {row[0]: row[1] for row in fields if len(row) > 1}


def form_group(sample: Sample) -> str:
    """The first part of a form's id, as a01 of a01-000u: texts of one kind, many of whose forms share a writer."""
    return sample.form.split("-")[0]


def read_iam(root: str | Path, unit: str = "sentences", keep_err: bool = False) -> tuple[list[Sample], list[Skipped]]:
    """Read one unit of IAM: "sentences", "lines" or "words".

    Looks for `<unit>.txt` and `forms.txt` in the folder, in `ascii` and one level away, and for
    the images in any layout below: nested as downloaded (`a01/a01-000u/a01-000u-00.png`) or flat.
    In rows marked `err`, which `keep_err` keeps, the segmentation into words is doubtful, the text is right.
    Whether the images can be read is not checked here.

    Returns:
        (samples with writer and form, rows that were skipped, as they are malformed or their image is missing).

    Raises:
        InputError: folder, table or images are not there or cannot be read, or no row is usable.
    """
    if unit not in FIELDS:
        raise InputError(f"IAM has no unit {unit!r}; there are {', '.join(FIELDS)}")
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; looked for the IAM database in it. {_how_to_get(unit)}")
    table = _find_table(root, f"{unit}.txt")
    if table is None:
        raise InputError(f"{root}: looked for {unit}.txt in it, in ascii and one level away. {_how_to_get(unit)}")
    images = _index_images(root, unit)
    if not images:
        wanted = f"{unit}/a01/..."
        raise InputError(f"{root}: {table} is there, but no image; looked for {wanted} in it. {_how_to_get(unit)}")
    writers = read_writers(root)
    before_text, remark = FIELDS[unit]
    samples: list[Sample] = []
    skipped: list[Skipped] = []
    for number, row in ProgressBar(_text_rows(table), desc=f"Reading {table.name}", unit="row"):
        # the text itself may hold spaces, so no more splits than there are fields before it
        fields = row.split(" ", before_text)
        source = f"{table}:{number}"
        if len(fields) <= before_text or fields[remark] not in ("ok", "err"):
            skipped.append(Skipped(source, f"malformed row: {escape_control_chars(row[:60])}"))
            continue
        name, text = fields[0], normalize_text(fields[-1].replace("|", " "))
        if fields[remark] == "err" and not keep_err:
            skipped.append(Skipped(source, "marked err (keep with --keep_err yes)"))
        elif not text:
            skipped.append(Skipped(source, "no text"))
        elif name not in images:
            skipped.append(Skipped(source, f"no image: {escape_control_chars(name[:60])}.png below {root}"))
        else:
            form = "-".join(name.split("-")[:2])
            samples.append(Sample(str(images[name]), text, writers.get(form, ""), form))
    if not samples:
        why = f"; the first, {skipped[0].source}: {skipped[0].reason}" if skipped else ""
        raise InputError(f"{table}: none of its {len(skipped)} rows can be used{why}. {_how_to_get(unit)}")
    return samples, skipped
