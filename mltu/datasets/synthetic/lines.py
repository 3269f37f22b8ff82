"""A dataset of generated lines, as a folder of pictures and a table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ...utils.errors import InputError
from ...utils.files import one_at_a_time
from ...utils.image_utils import write_png
from ...utils.progress import ProgressBar
from ..base import Sample, Skipped
from ..table import write_table
from .drawing import draw_line
from .fonts import font_digest, has_character, usable_fonts
from .strokes import can_draw
from .text import PLAIN_QUOTES, english_sentences, read_sentences, shorten

VERSION = 1  # part of the pictures' names; raise it when the drawing changes
LINES_PER_WRITER = 8


def generate_lines(
    folder: str | Path,
    count: int,
    seed: int = 0,
    text_file: str | Path | None = None,
    fonts: str | Path | None = None,
    max_chars: int = 60,
    workers: int = 1,
    skip_fonts: Collection[str] = (),
    plain_quotes: bool = False,
) -> tuple[list[Sample], list[Skipped]]:
    """Generate a dataset of lines, or read it again if it is already there.

    The pictures go to a folder named after the settings, beside a `lines.csv` that
    :func:`mltu.datasets.read_table` reads. Line k is the same whatever the count. An interrupted
    run continues where it was. Shows a progress bar. Texts longer than `max_chars` are cut between words.

    Args:
        text_file: UTF-8 file, one sentence per line, used in random order and again if too few;
            else English is made up.
        fonts: folder of TTF, OTF, WOFF, WOFF2 or single-line SVG files; else pen strokes. Every font is a
            writer; without fonts every eight lines are.
        skip_fonts: families not to use, as their files are named; those that are not there are reported.
        plain_quotes: write typographic quotes as ' and ", which hands do not tell apart.

    Returns:
        (samples, fonts and sentences that cannot be used); InputError if all are unusable.
    """
    if count < 1 or max_chars < 1:
        raise InputError("generated handwriting needs at least one line of at least one character")
    texts = read_sentences(Path(text_file)) if text_file else english_sentences(count, seed)
    if plain_quotes:
        texts = [text.translate(PLAIN_QUOTES) for text in texts]
    files, skipped = usable_fonts(fonts, skip_fonts) if fonts else ([], [])
    order = np.random.default_rng([seed, 5]).permutation(len(texts)) if text_file else np.arange(len(texts))
    usable: list[tuple[str, list[Path | None]]] = []  # text and the fonts that have its characters
    for text in (shorten(texts[index], max_chars) for index in order):
        possible = _fonts_for(text, files)
        if possible:
            usable.append((text, possible))
        else:
            what = "no font has" if files else "pen strokes (ASCII; see --fonts) lack some of"
            skipped.append(Skipped(f"{text_file}: {text[:60]}", f"{what} its characters"))
        if len(usable) == count:
            break
    if not usable:
        raise InputError(f"{text_file}: no sentence can be drawn; {skipped[-1].reason}")
    lines = [(number, *usable[number % len(usable)]) for number in range(count)]

    target = Path(folder) / _digest(seed, max_chars, [path.name for path in files], texts if text_file else None)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: generated lines cannot be put there ({error.strerror})") from None
    with one_at_a_time(target), ThreadPoolExecutor(max(1, workers)) as pool:
        drawn = pool.map(partial(_draw, target, seed), lines)
        samples = list(ProgressBar(drawn, total=count, desc="Writing lines", unit="line"))
        write_table(target / "lines.csv", samples)
    return samples, skipped


def _fonts_for(text: str, fonts: list[Path]) -> list[Path | None]:
    """The fonts that have all characters of a text; without fonts [None], if strokes have them."""
    if not fonts:
        return [None] if can_draw(text) else []
    return [font for font in fonts if all(has_character(font, character) for character in text)]


def _digest(*values: object) -> str:
    """A short name for some values."""
    return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).hexdigest()[:12]


def _draw(folder: Path, seed: int, line: tuple[int, str, Sequence[Path | None]]) -> Sample:
    """Draw a line with (number, text, fonts that have its characters), unless its picture is already there."""
    number, text, fonts = line
    font = fonts[np.random.default_rng([seed, 6, number]).integers(len(fonts))]
    # strokes change hands every few lines; of fonts, pen, ink and paper change from line to line
    hand = number if font else number // LINES_PER_WRITER
    # named after everything that it depends on, so that a picture never stands for another text
    path = folder / f"{number:06d}-{_digest(VERSION, text, seed, hand, font and font_digest(font))}.png"
    if not path.exists():
        write_png(path, draw_line(text, seed, number, hand, font))
    return Sample(str(path), text, font.stem if font else f"hand{hand}")
