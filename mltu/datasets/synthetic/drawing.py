"""Drawing a line or a page of handwriting: strokes or a font, in ink, on paper."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from .fonts import draw_font, is_stroke_font
from .hand import Hand, draw_hand
from .paper import apply_ink, draw_paper
from .strokes import draw_strokes


def draw_line(text: str, seed: int = 0, number: int = 0, writer: int = 0, font: Path | None = None) -> np.ndarray:
    """Draw a line of handwriting: a uint8 BGR image about 50 to 120 pixels high, the writing with margins.

    Args:
        text: what to write; printable ASCII unless a font is given.
        seed: of everything random.
        number: of the line: the same writer writes the same text differently each time.
        writer: whose hand.
        font: font file to write with, instead of strokes; InputError if it cannot be opened.
    """
    rng = np.random.default_rng([seed, 4, number])
    hand = draw_hand(seed, writer, font if font and is_stroke_font(font) else None)
    coverage, baseline = _write(text, hand, seed, writer, font, rng)
    top, bottom = rng.integers(3, 16, 2)
    left, right = rng.integers(4, 30, 2)
    coverage = cv2.copyMakeBorder(coverage, int(top), int(bottom), int(left), int(right), cv2.BORDER_CONSTANT, value=0)
    paper = draw_paper(coverage.shape, baseline + top, hand.height, rng)
    return apply_ink(coverage, paper, hand, rng)


def draw_page(
    texts: Sequence[str], seed: int = 0, number: int = 0, writer: int = 0, font: Path | None = None
) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """Draw a page with a line for each text in one hand; arguments and errors as :func:`draw_line`.

    Returns:
        (uint8 BGR image, box of the ink of each line as left, top, right, bottom in pixels).
    """
    rng = np.random.default_rng([seed, 7, number])
    hand = draw_hand(seed, writer, font if font and is_stroke_font(font) else None)
    lines = [_write(text, hand, seed, writer, font, rng) for text in texts]
    distance = hand.height * rng.uniform(1.9, 2.3)
    margin = round(2 * hand.height)
    page_width = 2 * margin + max(coverage.shape[1] for coverage, _ in lines) + round(hand.height)
    page = np.zeros((2 * margin + round(distance * len(lines)), page_width), np.float32)
    boxes = []
    first = margin + hand.height
    for index, (coverage, baseline) in enumerate(lines):
        left = margin + int(rng.integers(0, round(hand.height / 2)))
        top = max(0, round(first + index * distance - baseline))
        area = page[top : top + coverage.shape[0], left : left + coverage.shape[1]]
        np.maximum(area, coverage[: area.shape[0], : area.shape[1]], out=area)
        x, y, width, height = cv2.boundingRect((coverage > 0.2).astype(np.uint8))
        boxes.append((left + x, top + y, left + x + width, top + y + height))
    paper = draw_paper(page.shape, first, hand.height, rng, distance)
    return apply_ink(page, paper, hand, rng), boxes


def _write(
    text: str, hand: Hand, seed: int, writer: int, font: Path | None, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A line in a font, or in strokes without one; returns what :func:`.strokes.draw_strokes` does."""
    if font is None or is_stroke_font(font):
        return draw_strokes(text, hand, seed, writer, rng)
    return draw_font(text, font, hand.height, rng)
