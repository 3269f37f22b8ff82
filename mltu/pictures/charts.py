"""Charts of an evaluation: the heat map of confused characters and the reliability diagram."""

from __future__ import annotations

import io
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..calibration import calibration_error, reliability_bins

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_HEAT_MAP_CHARACTERS = 25
CALIBRATION_BINS = 15


def symbol(character: str) -> str:
    """A sign for a character that is visible on its own; ∅ for none."""
    if character in ("", " "):
        return "␣" if character else "∅"
    if unicodedata.category(character).startswith("M"):
        return "◌" + character  # a combining mark needs a base
    return character if character.isprintable() else f"U+{ord(character):04X}"


def draw_confusions(confusions: Counter[tuple[str, str]]) -> bytes:
    """Draw a heat map of the characters with most errors as PNG; there must be one at least."""
    from matplotlib.colors import PowerNorm

    involved: Counter[str] = Counter()
    for (true, read), count in confusions.items():
        involved.update({true: count, read: count})
    frequent = involved.most_common(MAX_HEAT_MAP_CHARACTERS)
    characters = sorted((character for character, _ in frequent), key=_letter_order)
    counts = np.array([[confusions[true, read] for read in characters] for true in characters])
    size = max(3.5, 2 + 0.26 * len(characters))  # inches, with room for the axis labels
    figure = _figure(size, size)
    axes = figure.subplots()
    highest = counts.max()
    # A linear scale would leave all but a few frequent confusions pale.
    norm = PowerNorm(0.5, 0, highest)
    axes.imshow(np.ma.masked_equal(counts, 0), cmap="Blues", norm=norm, aspect="equal")
    axes.imshow(np.ma.masked_equal(np.eye(len(characters)), 0), cmap="Greys", vmin=0, vmax=6)
    points = 7.5 if highest < 1000 else 5.5
    for row, column in zip(*counts.nonzero(), strict=True):
        color = "white" if counts[row, column] > 0.5 * highest else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", fontsize=points, color=color)
    labels, ticks = _labels(characters), range(len(characters))
    axes.set_xticks(ticks, labels, parse_math=False, rotation=90 if max(map(len, labels)) > 2 else 0)
    axes.set_yticks(ticks, labels, parse_math=False)
    edges = np.arange(len(characters) + 1) - 0.5
    for lines in (axes.hlines, axes.vlines):
        lines(edges, edges[0], edges[-1], color="0.9", linewidth=0.5)
    axes.tick_params(length=0)
    axes.set(xlabel="read as (∅: nothing, ␣: space)", ylabel="true character (∅: nothing)")
    return _png(figure)


def draw_calibration(scores: Mapping[str, tuple[Sequence[float], Sequence[bool]]]) -> bytes:
    """Draw a reliability diagram as PNG: accuracy over confidence, and below it the distribution of confidences.

    Scores are name -> (confidences, whether correct), as from :func:`.score_characters`, of one to three kinds.
    """
    figure = _figure(5, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 100), (0, 100), ":", color="0.4", label="calibrated")
    edges = np.linspace(0, 100, CALIBRATION_BINS + 1)
    styles = (("o-", "C0"), ("s--", "C1"), ("^:", "C2"))
    for (name, (confidences, correct)), (style, color) in zip(scores.items(), styles, strict=False):
        if not correct:
            continue
        counts, sums, hits = reliability_bins(confidences, correct, CALIBRATION_BINS)
        filled = counts > 0
        x, y = 100 * sums[filled] / counts[filled], 100 * hits[filled] / counts[filled]
        label = f"{name}, error {100 * calibration_error(confidences, correct, CALIBRATION_BINS):.1f} %"
        upper.plot(x, y, style, color=color, label=label, markersize=4, clip_on=False)
        lower.stairs(100 * counts / counts.sum(), edges, color=color, linestyle=style[1:], label=name)
    upper.set(ylabel="right, %", xlim=(0, 100), ylim=(0, 100))
    lower.set(xlabel="confidence, %", ylabel="share of all, %", ylim=(0, None))
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    upper.legend(loc="upper left")
    return _png(figure)


def _figure(width: float, height: float) -> Figure:
    """An empty figure; the sides are in inches."""
    from matplotlib.figure import Figure  # not pyplot, which keeps global state and looks for a screen

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def _png(figure: Figure) -> bytes:
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _letter_order(character: str) -> tuple:
    """Sort key: a character next to its accented forms and its capital, after everything that is not a letter."""
    plain = unicodedata.normalize("NFD", character)[:1].casefold()
    return plain.isalnum(), plain, character


def _labels(characters: Iterable[str]) -> list[str]:
    """Symbols of the characters; their code points where matplotlib's font lacks the glyph."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    symbols = {character: symbol(character) for character in characters}
    return [
        label if all(font.get_char_index(ord(part)) for part in label) else f"U+{ord(character):04X}"
        for character, label in symbols.items()
    ]
