"""What every reader gives."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ..utils.files import csv_bytes, write_atomic


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


def without_contradictions(samples: Iterable[Sample]) -> tuple[list[Sample], list[Skipped]]:
    """Leave out images that are named with different texts, of which one at most is right; gives both lists."""
    samples = list(samples)
    texts = Counter(image for image, _ in {sample[:2] for sample in samples})
    kept = [sample for sample in samples if texts[sample.image] == 1]
    return kept, [Skipped(sample.image, "named with different texts") for sample in samples if texts[sample.image] > 1]


def write_skipped(path: str | Path, skipped: Iterable[Skipped]) -> None:
    """Write `source,reason` rows."""
    write_atomic(path, csv_bytes(Skipped._fields, skipped))


def describe_skipped(skipped: Sequence[Skipped]) -> str:
    """How many entries were skipped, by reason, in one line."""
    reasons = Counter(entry.reason.split(":")[0][:60] for entry in skipped)  # a colon precedes what only one entry has
    shown = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    more = len(reasons) - 3
    return f"{len(skipped)} skipped: {shown}" + (f"; {more} other reasons" if more > 0 else "")
