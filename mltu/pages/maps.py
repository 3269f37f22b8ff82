"""What the line finder predicts of a page, and how the truth for it is drawn from lines.

Maps of lines in the manner of Oliveira et al., "dhSegment" (ICFHR 2018), and Kiessling, "A Modular Region and Text
Line Layout Analysis System" (ICFHR 2020), with heights and directions besides.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np

MAPS = ("core", "ends", "above", "below", "cos", "sin")  # channels of the network's output, in this order
STRIDE = 2  # pixels of the network's input for each pixel of the maps
MIN_HEIGHT, MAX_HEIGHT = 4.0, 200.0  # pixels of the network's input, above and below the baseline

CORE_ABOVE, CORE_BELOW = 0.5, 0.1  # shares of the heights above and below the baseline that the core covers
SHORTENED = 0.3  # of the height above the baseline: how much shorter the core is at each end
LONGEST_CUT = 0.2  # of the line's length: at most so much is cut at each end, and an end reaches no farther
END_RADIUS = 0.25  # of the whole height: how far an end reaches along the baseline, to both sides
BASELINE_AT = 0.28  # of the height of a line without baseline, from its bottom
SUBPIXEL_BITS = 4  # of coordinates that OpenCV fills polygons with


class Line(NamedTuple):
    """Where a line of writing stands, in pixels of an image."""

    baseline: np.ndarray  # float, shape (points, 2): x and y, in the direction of writing; no two neighbours the same
    above: float  # height of the writing above the baseline
    below: float  # depth below it

    @classmethod
    def measured(cls, baseline: np.ndarray | None, polygon: np.ndarray) -> Line:
        """The line of a baseline and an outline, shapes (points, 2), pixels.

        Args:
            baseline: in the direction of writing; None: it is estimated.
            polygon: around the writing; where it has fewer than three points, heights are the smallest.
        """
        if baseline is None:
            baseline = estimate_baseline(polygon)
        baseline = np.asarray(baseline, np.float64)
        moves = np.abs(np.diff(baseline, axis=0)).max(axis=1) > 1e-3
        baseline = baseline[np.concatenate([[True], moves])]
        if len(baseline) < 2:
            baseline = baseline[:1] + np.array([[-1, 0], [1, 0]])
        return cls(baseline, *_heights(baseline, polygon))

    @property
    def length(self) -> float:
        """Of the baseline."""
        return float(np.linalg.norm(np.diff(self.baseline, axis=0), axis=1).sum())

    def moved(self, matrix: np.ndarray) -> Line:
        """The line after an affine map, shape (2, 3), of the image."""
        line = self._replace(baseline=self.baseline @ matrix[:, :2].T + matrix[:, 2])
        # areas grow by the determinant, so heights grow by what the lengths leave of it
        growth = abs(np.linalg.det(matrix[:, :2])) * self.length / max(line.length, 1e-6)
        return line._replace(above=self.above * growth, below=self.below * growth)

    def part(self, start: float, end: float) -> Line:
        """The stretch between two distances from the line's beginning, straight on beyond its ends."""
        steps = np.maximum(np.linalg.norm(np.diff(self.baseline, axis=0), axis=1), 1e-6)
        places = np.concatenate([[0], np.cumsum(steps)])
        inside = (places > start) & (places < end)
        wanted = np.concatenate([[start], places[inside], [end]])
        points = np.stack([np.interp(wanted, places, self.baseline[:, axis]) for axis in (0, 1)], axis=1)
        points[0] += min(start, 0.0) * (self.baseline[1] - self.baseline[0]) / steps[0]
        points[-1] += max(end - places[-1], 0.0) * (self.baseline[-1] - self.baseline[-2]) / steps[-1]
        return self._replace(baseline=points)

    def band(self, up: float, down: float) -> np.ndarray:
        """Polygon from `up` pixels above the baseline to `down` pixels below it, shape (2 points, 2).

        Point `i` of the baseline has the corners `i` and `-1 - i`.
        """
        along = np.diff(self.baseline, axis=0)
        along /= np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-6)[:, None]
        mean = np.concatenate([along[:1], along[1:] + along[:-1], along[-1:]])
        mean /= np.maximum(np.hypot(mean[:, 0], mean[:, 1]), 1e-6)[:, None]
        normals = mean[:, ::-1] * (1, -1)
        return np.concatenate([self.baseline + up * normals, (self.baseline - down * normals)[::-1]])


def draw_maps(lines: Iterable[Line], shape: tuple[int, int]) -> np.ndarray:
    """The maps that a perfect network would predict.

    `core` and `ends` are 1 in cores and ends, else 0. Between cores of different lines that touch, a seam is 0.
    `above` and `below` are the line's heights in pixels of the image, `cos` and `sin` the local direction of writing,
    x to the right and y down; these four are 0 outside cores.

    Args:
        lines: in pixels of the image; they may reach beyond it. Heights count as between `MIN_HEIGHT` and `MAX_HEIGHT`.
        shape: height and width of the image, multiples of `STRIDE`.

    Returns:
        float32, shape (height / STRIDE, width / STRIDE, 6). Pixel (row, column) stands for those of the image from
        (STRIDE row, STRIDE column) on.
    """
    height, width = shape[0] // STRIDE, shape[1] // STRIDE
    labels = np.zeros((height, width), np.int32)
    ends = np.zeros((height, width), np.float32)
    # the pieces of all lines, whose numbers are drawn in place of their values
    numbers, values = np.zeros((height, width), np.int32), [(0.0, 0.0, 0.0, 0.0)]
    for label, line in enumerate(lines, start=1):
        low, high = line.baseline.min(axis=0), line.baseline.max(axis=0)
        reach = line.above + line.below
        if (high < -reach).any() or (low > np.array(shape[::-1]) + reach).any():
            continue
        above, below = np.clip([line.above, line.below], MIN_HEIGHT, MAX_HEIGHT)
        # even the core of a small line is two pixels of the maps high
        up, down = max(CORE_ABOVE * above, 3.0), max(CORE_BELOW * below, 1.0)
        length = line.length
        radius = np.clip(END_RADIUS * (above + below), 2.0, max(2.0, LONGEST_CUT * length))
        for end in (line.part(-radius, radius), line.part(length - radius, length + radius)):
            cv2.fillPoly(ends, [_fixed(end.band(up, down))], 1.0, shift=SUBPIXEL_BITS)
        cut = min(SHORTENED * above, LONGEST_CUT * length)
        inner = line.part(cut, length - cut)
        band = _fixed(inner.band(up, down))
        cv2.fillPoly(labels, [band], label, shift=SUBPIXEL_BITS)
        for piece, (x, y) in enumerate(np.diff(inner.baseline, axis=0).tolist()):
            quad = band[[piece, piece + 1, -2 - piece, -1 - piece]]
            cv2.fillPoly(numbers, [quad], len(values), shift=SUBPIXEL_BITS)
            size = max(math.hypot(x, y), 1e-6)
            values.append((above, below, x / size, y / size))
    numbers[labels == 0] = 0
    core = (labels > 0) & ~_seams(labels)
    return np.dstack([core, ends, np.array(values)[numbers]]).astype(np.float32)


def _heights(points: np.ndarray, polygon: np.ndarray) -> tuple[float, float]:
    """Height of an outline above a baseline and its depth below it, pixels: the medians along the line."""
    edge = _dense(polygon)
    if not len(edge):
        return MIN_HEIGHT, MIN_HEIGHT
    starts, along = points[:-1], np.diff(points, axis=0)
    lengths = np.maximum(np.linalg.norm(along, axis=1), 1e-6)
    along = along / lengths[:, None]
    offsets = edge[:, None] - starts  # of each point of the outline from each piece of the baseline
    run = (offsets * along).sum(axis=2)
    clipped = np.clip(run, 0, lengths)
    nearest = np.argmin(np.square(offsets - clipped[..., None] * along).sum(axis=2), axis=1)
    rows = np.arange(len(edge))
    up = (offsets[rows, nearest] * np.stack([along[:, 1], -along[:, 0]], axis=1)[nearest]).sum(axis=1)
    place = (np.cumsum(lengths) - lengths)[nearest] + clipped[rows, nearest]
    bins = np.minimum((place / max(lengths.sum(), 1e-6) * 24).astype(int), 23)
    highest, lowest = np.full(24, -np.inf), np.full(24, -np.inf)
    np.maximum.at(highest, bins, up)
    np.maximum.at(lowest, bins, -up)
    seen = np.isfinite(highest)
    above, below = np.median(highest[seen]), np.median(lowest[seen])
    return max(1.0, float(above)), max(1.0, float(below))  # a wrong outline may lie on one side of it


def estimate_baseline(polygon: np.ndarray) -> np.ndarray:
    """A straight baseline for a line of which only the outline is known, shape (2, 2).

    It runs along the longer side of the smallest rectangle around it: to the right, or downwards where it is upright.
    """
    (x, y), (width, height), degrees = cv2.minAreaRect(polygon.astype(np.float32))
    if width < height:
        width, height, degrees = height, width, degrees + 90
    along = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
    if along[0] < -1e-3 or (abs(along[0]) <= 1e-3 and along[1] < 0):
        along = -along
    middle = np.array([x, y]) + (0.5 - BASELINE_AT) * height * np.array([-along[1], along[0]])
    return np.stack([middle - along * width / 2, middle + along * width / 2])


def _fixed(polygon: np.ndarray) -> np.ndarray:
    """A polygon in the fixed-point pixels of the maps that OpenCV draws with."""
    scaled = (polygon - (STRIDE - 1) / 2) / STRIDE * (1 << SUBPIXEL_BITS)
    return np.rint(np.clip(scaled, -(1 << 19), 1 << 19)).astype(np.int32)


def _seams(labels: np.ndarray) -> np.ndarray:
    """Where the next pixel below or to the right belongs to another line."""
    seams = np.zeros(labels.shape, bool)
    for one, other, target in (
        (labels[:-1], labels[1:], seams[:-1]),
        (labels[:, :-1], labels[:, 1:], seams[:, :-1]),
    ):
        target |= (one != other) & (one > 0) & (other > 0)
    return seams


def _dense(polygon: np.ndarray) -> np.ndarray:
    """Points on the outline of a polygon, so near to each other that none of its long sides is left out."""
    if len(polygon) < 3:
        return np.zeros((0, 2))
    closed = np.concatenate([polygon, polygon[:1]])
    places = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    wanted = np.linspace(0, places[-1], int(np.clip(places[-1] / 4, 16, 400)))
    return np.stack([np.interp(wanted, places, closed[:, axis]) for axis in (0, 1)], axis=1)
