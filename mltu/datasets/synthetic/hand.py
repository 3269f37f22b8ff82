"""The hand of a writer: everything that stays the same from line to line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Hershey font of the small letters, of capitals and figures, and their vertical stretch
LETTER_FORMS = (("futural", "futural", 1.0), ("scripts", "scripts", 1.25), ("scripts", "futural", 1.35))
INKS = ((40, 35, 35), (110, 50, 25), (140, 70, 35), (70, 65, 65), (95, 90, 95))  # BGR; the last is a pencil's


@dataclass(frozen=True)
class Hand:
    """A writer's letters, pen and ink. Lengths are in font units unless said otherwise."""

    small: str  # Hershey font of the small letters, or path of an SVG font
    large: str  # of capitals, figures and signs
    stretch: float  # vertical factor on the small letters
    height: float  # of a capital, pixels
    width: float  # horizontal factor
    slant: float  # horizontal shift per height, 0 is upright
    spacing: float  # extra advance between letters
    word_space: float  # factor on the space
    wobble: float  # how far letters deviate from their form
    bounce: float  # how far letters leave the baseline
    pen: float  # width of the pen, pixels
    pressure: float  # relative change of the pen's width
    ink: tuple[int, int, int]  # BGR
    grain: float  # how uneven the ink is, 0 to 1; high for pencils


def draw_hand(seed: int, writer: int, font: Path | None = None) -> Hand:
    """The hand of a writer, drawn at random; with an SVG font of single lines it has that font's letters."""
    rng = np.random.default_rng([seed, 2, writer])
    small, large, stretch = LETTER_FORMS[rng.integers(len(LETTER_FORMS))]
    if font:
        small, large, stretch = str(font), str(font), 1.0
    ink = INKS[rng.integers(len(INKS))]
    pencil = ink[0] > 90 and ink[2] > 90
    return Hand(
        small=small,
        large=large,
        stretch=stretch * rng.uniform(0.85, 1.15),
        height=rng.uniform(30, 46),
        width=rng.uniform(0.75, 1.1),
        slant=float(np.clip(rng.normal(0.15, 0.2), -0.3, 0.6)),
        spacing=rng.uniform(-3.5, 0.5) if small == "futural" else rng.uniform(-0.6, 0.8),
        word_space=rng.uniform(0.8, 1.4),
        wobble=rng.uniform(0.35, 0.9),
        bounce=rng.uniform(0.2, 0.8),
        pen=rng.uniform(1.6, 3.4),
        pressure=rng.uniform(0.1, 0.35),
        ink=ink,
        grain=rng.uniform(0.3, 0.6) if pencil else rng.uniform(0.02, 0.25),
    )
