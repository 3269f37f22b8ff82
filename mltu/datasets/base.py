"""What every reader gives."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Sample(NamedTuple):
    """One line (or sentence, or word) of handwriting; writer and form are empty where unknown."""

    image: str
    text: str
    writer: str = ""
    form: str = ""


class Skipped(NamedTuple):
    """Something that could not be used: an image or a row (file:line), and why."""

    source: str
    reason: str


def normalize_text(text: str) -> str:
    """Text as it is compared: composed characters (Unicode NFC), single spaces, none at the ends."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def write_skipped(path: str | Path, skipped: Iterable[Skipped]) -> None:
    """Write `source,reason` rows."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(Skipped._fields)
        writer.writerows(skipped)
