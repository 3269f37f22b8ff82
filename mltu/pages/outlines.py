"""The outline and the baseline of a line of writing."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np

STRIP = 0.5  # width of the strips that a line's outline follows, in heights of small letters


class Outline(NamedTuple):
    """A line of level writing, in pixels."""

    polygon: np.ndarray  # float, shape (points, 2)
    baseline: np.ndarray  # float, shape (2, 2)
    ink: int  # pixels
    height: float  # of the ink, typically


def outline_of(owner: np.ndarray, number: int, height: float) -> Outline | None:
    """The outline of a line; None if there is next to no ink.

    The polygon holds the line's ink and, where no other line's ink is in the way, the band from its usual
    ascenders to its usual descenders.

    Args:
        owner: number of the line that each pixel belongs to, 0 for paper; shape (height, width).
        number: of the line.
        height: of small letters, pixels.
    """
    rows = np.flatnonzero((owner == number).any(axis=1))
    if not len(rows):
        return None
    above = max(0, int(rows[0] - 3 * height))
    near = owner[above : int(rows[-1] + 3 * height) + 1]
    ink, others = near == number, (near != number) & (near > 0)
    columns = _without_specks(ink, np.flatnonzero(ink.any(axis=0)), height)
    left, right = int(columns[0]), int(columns[-1]) + 1
    if right - left < height / 2:
        return None
    ink = ink & ((np.arange(ink.shape[1]) >= left) & (np.arange(ink.shape[1]) < right))
    feet = np.stack([columns, ink.shape[0] - 1 - ink[::-1, columns].argmax(axis=0)], axis=1).astype(np.float64)
    slope = _baseline(feet, height)
    strips = max(2, round((right - left) / (STRIP * height)))
    edges = np.linspace(left, right, strips + 1).astype(int)
    x = (edges[:-1] + edges[1:]) / 2
    foot = np.polyval(slope, x)
    tops, bottoms = np.full(strips, np.nan), np.full(strips, np.nan)
    for index, (start, end) in enumerate(pairwise(edges)):
        inked = np.flatnonzero(ink[:, start:end].any(axis=1))
        if len(inked):
            tops[index], bottoms[index] = inked[0], inked[-1] + 1
    known = np.flatnonzero(~np.isnan(tops))
    tops, bottoms = (np.interp(np.arange(strips), known, side[known]) for side in (tops, bottoms))
    usual = float(np.median(bottoms - tops))
    margin = 0.25 * height
    ascent = max(float(np.quantile(foot - tops, 0.8)), height) + margin
    descent = max(float(np.quantile(bottoms - foot, 0.8)), 0.3 * height) + margin
    for index, (start, end) in enumerate(pairwise(edges)):
        other = others[:, start:end].any(axis=1)
        upper = max(0, int(min(tops[index] - margin, foot[index] - ascent)))
        lower = int(max(bottoms[index] + margin, foot[index] + descent))
        over = np.flatnonzero(other[upper : max(0, int(tops[index]))])
        under = np.flatnonzero(other[int(bottoms[index]) : lower])
        tops[index] = upper + over[-1] + 1 if len(over) else upper
        bottoms[index] = bottoms[index] + under[0] if len(under) else lower
    x[0], x[-1] = left - margin, right + margin
    polygon = np.concatenate([np.stack([x, tops], axis=1), np.stack([x, bottoms], axis=1)[::-1]])
    ends = np.array([left, right], np.float64)
    baseline = np.stack([ends, np.polyval(slope, ends) + above], axis=1)
    return Outline(polygon + np.array([0, above]), baseline, int(ink.sum()), usual)


def _baseline(feet: np.ndarray, height: float) -> np.ndarray:
    """Slope and height of the line that letters stand on, as coefficients for `np.polyval`.

    Args:
        feet: lowest ink of each column: x and y, shape (columns, 2).
        height: of small letters, pixels.
    """
    enough = 4 * height
    slope = np.polyfit(*feet.T, 1) if len(feet) > enough else np.array([0.0, np.median(feet[:, 1])])
    for _ in range(3):  # descenders and points above the line leave the fit
        off = feet[:, 1] - np.polyval(slope, feet[:, 0])
        near = feet[np.abs(off - np.median(off)) < 0.25 * height]
        if len(near) > enough:
            slope = np.polyfit(*near.T, 1)
        elif len(near):
            slope = np.array([0.0, np.median(near[:, 1])])
    return slope


def _without_specks(ink: np.ndarray, columns: np.ndarray, height: float) -> np.ndarray:
    """The columns of a line's ink without specks far off at its ends."""
    words = np.split(columns, np.flatnonzero(np.diff(columns) > 2 * height) + 1)
    min_ink = 0.12 * height**2
    while len(words) > 1 and ink[:, words[0]].sum() < min_ink:
        del words[0]
    while len(words) > 1 and ink[:, words[-1]].sum() < min_ink:
        del words[-1]
    return np.concatenate(words)
