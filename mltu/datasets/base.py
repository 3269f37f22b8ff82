"""What every reader gives."""

from __future__ import annotations

import re
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


KEPT = "kept, without characters that nobody can see"
# Default_Ignorable_Code_Point of Unicode but the joiners, and control characters that are not white space
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    # joiners change the form of letters in the scripts from Arabic on
    "|(?<![\u0600-\u1fff])[\u200c\u200d]"
)


_SOFT_HYPHEN_AT_END = re.compile(r"\u00ad\s*\Z")


class Skipped(NamedTuple):
    """Something that could not be used: an image or a row (file:line), and why."""

    source: str
    reason: str

    @property
    def kept(self) -> bool:
        """Whether only characters that nobody can see were left out, and the rest is used."""
        return self.reason.startswith(KEPT)


def normalize_text(text: str) -> str:
    """Text as it is compared: composed characters (Unicode NFC), single spaces, none at the ends.

    Characters that nobody can see are left out; a soft hyphen at the end is a hyphen, as it would be printed there.
    """
    text = _SOFT_HYPHEN_AT_END.sub("-", text)
    return " ".join(unicodedata.normalize("NFC", _INVISIBLE.sub("", text)).split())


def tell_invisible(source: str, text: str) -> list[Skipped]:
    """An entry for a label from which :func:`normalize_text` leaves out characters, else none."""
    found = sorted(set(_INVISIBLE.findall(_SOFT_HYPHEN_AT_END.sub("-", text))))
    names = ", ".join(f"U+{ord(character):04X}" for character in found[:5])
    return [Skipped(source, f"{KEPT}: {names}")] if found else []


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
    lost = [entry for entry in skipped if not entry.kept]
    kept = f"{len(skipped) - len(lost)} {KEPT}" if len(lost) < len(skipped) else ""
    reasons = Counter(entry.reason.split(":")[0][:60] for entry in lost)  # a colon precedes what only one entry has
    shown = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    more = f"; {len(reasons) - 3} other reasons" if len(reasons) > 3 else ""
    return "; ".join(filter(None, (f"{len(lost)} skipped: {shown}{more}" if lost else "", kept)))
