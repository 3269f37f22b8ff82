"""Sheets of paper for pages: blank ones of every kind, what is printed on them, and what they lie on.

Images are grey, float32, shape (height, width). What darkens a sheet is a factor for each of its pixels, 1 where it
changes nothing, so that several go together by multiplication. Sizes are in pixels of pages with a long side of about
1,000 pixels.
"""

from __future__ import annotations

import cv2
import numpy as np

from .paper import coarse_noise

Rng = np.random.Generator
Shape = tuple[int, int]


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """A number whose logarithm is uniformly distributed."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def draw_sheet(shape: Shape, rng: Rng) -> np.ndarray:
    """A blank sheet with uneven light and, at times, stains; values 0 to 255."""
    sheet = np.full(shape, rng.choice((rng.uniform(215, 253), rng.uniform(120, 215)), p=(0.75, 0.25)), np.float32)
    sheet *= 1 + rng.uniform(0, 0.05) * coarse_noise(rng, shape, 90)
    if rng.random() < 0.3:
        sheet *= draw_stains(shape, rng)
    return sheet


def draw_stains(shape: Shape, rng: Rng) -> np.ndarray:
    """Blots with soft or hard edges, and rings of cups."""
    small = np.ones((shape[0] // 2, shape[1] // 2), np.float32)
    for _ in range(rng.integers(1, 5)):
        axes = rng.uniform(4, 70, 2)
        center = tuple(int(rng.uniform(0, side)) for side in small.shape[::-1])
        blot = np.zeros_like(small)
        width = -1 if rng.random() < 0.7 else int(rng.integers(1, 5))
        cv2.ellipse(blot, center, tuple(axes.astype(int)), rng.uniform(0, 180), 0, 360, 1.0, width, cv2.LINE_AA)
        small *= 1 - rng.uniform(0.03, 0.35) * cv2.GaussianBlur(blot, (0, 0), log_uniform(rng, 0.5, 12))
    return cv2.resize(small, shape[::-1])


def draw_grain(shape: Shape, rng: Rng) -> np.ndarray:
    """Grain of the paper, from fine to as coarse as small letters, and long as fibres at times."""
    size, strength = log_uniform(rng, 1.0, 12.0), rng.uniform(0.01, 0.12)
    stretch = log_uniform(rng, 1, 4) if rng.random() < 0.3 else 1.0
    small = [max(8, int(side / size / factor)) for side, factor in zip(shape, (1, stretch), strict=True)]
    grain = cv2.resize(rng.standard_normal(small, np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.4:  # dark specks alone
        grain = np.minimum(0.0, grain + rng.uniform(0, 1.5))
    return np.clip(1 + strength * grain, 0.2, 1.3).astype(np.float32)


class _Grid:
    """Distances of pixels from parallel lines of a sheet that lies at an angle."""

    def __init__(self, shape: Shape, degrees: float) -> None:
        y, x = np.ogrid[: shape[0], : shape[1]]
        cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        self.across = (x * cos + y * sin).astype(np.float32)
        self.down = (y * cos - x * sin).astype(np.float32)

    @staticmethod
    def lines(place: np.ndarray, pitch: float, first: float, width: float) -> np.ndarray:
        """How far each pixel is covered by lines at `first`, `first + pitch` and so on; 0 to 1."""
        distance = np.abs((place - first + pitch / 2) % pitch - pitch / 2)
        return np.clip((width + 1) / 2 - distance, 0, min(1.0, width))


def draw_ruling(shape: Shape, rng: Rng, degrees: float = 0.0, pitch: float = 0.0, kind: str = "") -> np.ndarray:
    """Factors of printed rules: lines, squares, dots, Seyès, or frames.

    Args:
        shape: of the image.
        rng: random numbers.
        degrees: clockwise angle of the rules.
        pitch: pixels between lines that the writing stands on; 0: any.
        kind: "lines", "squares", "dots", "seyes" or "frames"; empty: any.
    """
    kind = kind or rng.choice(("lines", "squares", "dots", "seyes", "frames"), p=(0.28, 0.3, 0.14, 0.13, 0.15))
    grid = _Grid(shape, degrees)
    width = log_uniform(rng, 0.4, 3.0) if rng.random() < 0.85 else rng.uniform(3, 6)
    first, left = rng.uniform(0, 1000, 2)
    if kind == "lines":
        cover = grid.lines(grid.down, pitch or log_uniform(rng, 9, 80), first, width)
        if rng.random() < 0.2:  # dashed
            dash = log_uniform(rng, 3, 30)
            cover = cover * (grid.across % dash < rng.uniform(0.3, 0.7) * dash)
    elif kind == "squares":
        step = log_uniform(rng, 6, 60)
        cover = np.maximum(*(grid.lines(place, step, first, width) for place in (grid.down, grid.across)))
        if rng.random() < 0.15:  # stronger ones between, as on millimetre paper
            for place in (grid.down, grid.across):
                cover = np.maximum(0.5 * cover, grid.lines(place, 5 * step, first, width))
    elif kind == "dots":
        step, width = log_uniform(rng, 7, 50), max(1.0, 1.5 * width)
        cover = grid.lines(grid.down, step, first, width) * grid.lines(grid.across, step, left, width)
    elif kind == "seyes":
        step = pitch or log_uniform(rng, 14, 72)
        strong = np.maximum(*(grid.lines(place, step, first, width) for place in (grid.down, grid.across)))
        cover = np.maximum(rng.uniform(0.3, 0.8) * grid.lines(grid.down, step / 4, first, 0.7 * width), strong)
    else:
        cover = _draw_frames(grid, rng, width)
    if kind in ("lines", "squares", "seyes") and rng.random() < 0.4:  # the margin
        cover = np.maximum(cover, grid.lines(grid.across, 4000, rng.uniform(0, shape[1]), 1.5 * width))
    return 1 - rng.uniform(0.06, 0.8) * cover.astype(np.float32)


def _draw_frames(grid: _Grid, rng: Rng, width: float) -> np.ndarray:
    """Coverage of the rules of a form or a table, some of them double."""
    cover = np.zeros(grid.down.shape, np.float32)
    for place, side in ((grid.down, cover.shape[0]), (grid.across, cover.shape[1])):
        for position in rng.uniform(0, side, rng.integers(1, 9)):
            line = grid.lines(place, 4000, position, width)
            if rng.random() < 0.2:
                line = np.maximum(line, grid.lines(place, 4000, position + rng.uniform(2, 8), width))
            if rng.random() < 0.4:  # ends at another rule
                other = grid.across if place is grid.down else grid.down
                line = line * (rng.choice((-1, 1)) * (other - rng.uniform(0, side)) > 0)
            cover = np.maximum(cover, line)
    return cover


def draw_scribbles(shape: Shape, rng: Rng) -> np.ndarray:
    """Factors of pen strokes that are not writing: long curves, rings around something, crosses, hatching."""
    mask = np.zeros(shape, np.uint8)
    for _ in range(rng.integers(1, 5)):
        start = rng.uniform(0, shape[1], 2)
        kind, width = rng.integers(5), int(rng.integers(1, 4))
        if kind == 0:  # a long curve
            steps = rng.normal(0, 0.25, 40).cumsum() + rng.uniform(0, 2 * np.pi)
            moves = rng.uniform(2, 18) * np.stack([np.cos(steps), np.sin(steps)], axis=1)
            pieces = [start + moves.cumsum(axis=0)]
        elif kind == 1:  # a ring, or two
            turn = np.linspace(0, rng.uniform(4, 2 * np.pi), 60)
            ring = rng.uniform(8, 120, 2) * np.stack([np.cos(turn), np.sin(turn)], axis=1)
            pieces = [start + ring, start + 0.85 * ring][: rng.integers(1, 3)]
        elif kind == 2:  # a cross
            size = rng.uniform(5, 80) * np.array([[1, rng.uniform(0.3, 2)], [1, -rng.uniform(0.3, 2)]])
            pieces = [np.array([start - side, start + side]) for side in size]
        elif kind == 3:  # a straight stroke
            angle, length = rng.uniform(0, np.pi), log_uniform(rng, 20, 500)
            pieces = [np.array([start, start + length * np.array([np.cos(angle), np.sin(angle)])])]
        else:  # hatching
            angle, step = rng.uniform(0, np.pi), rng.uniform(4, 20)
            along, across = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            length = rng.uniform(15, 120) * along
            pieces = [start + index * step * across + np.array([[0, 0], length]) for index in range(rng.integers(3, 9))]
        points = [np.rint(piece * 16).astype(np.int32) for piece in pieces]
        cv2.polylines(mask, points, False, int(rng.uniform(60, 255)), width, cv2.LINE_AA, 4)
    return 1 - rng.uniform(0.2, 0.9) * mask.astype(np.float32) / 255


def draw_table_top(shape: Shape, rng: Rng) -> np.ndarray:
    """What a sheet lies on, from black to light, plain, grained like wood, or woven; values 0 to 255."""
    top = np.full(shape, rng.uniform(5, 210), np.float32)
    stretch = log_uniform(rng, 1, 60)
    small = max(4, int(shape[0] / log_uniform(rng, 1, 12))), max(4, int(shape[1] / stretch))
    veins = cv2.resize(rng.standard_normal(small, np.float32), shape[::-1], interpolation=cv2.INTER_LINEAR)
    top *= np.clip(1 + rng.uniform(0, 0.3) * veins + rng.uniform(0, 0.3) * coarse_noise(rng, shape, 80), 0.1, 2)
    return np.ascontiguousarray(top.T if rng.random() < 0.5 and shape[0] == shape[1] else top)
