"""Cutting a line out of a page, straightened along its baseline."""

from __future__ import annotations

import cv2
import numpy as np

from ..utils.errors import InputError
from ..utils.image_utils import paper_color

LEVEL = 0.06  # of the line's height; a baseline that strays less from a level one is not straightened
SMOOTHNESS = 0.7  # line heights over which a baseline is smoothed, because drawn ones have corners
STEEPEST = 2.0  # slope of a baseline towards the line from its first to its last point
MAX_FRAME_POINTS = 65  # of each edge
MAX_WEBP_SIDE = 16_383  # pixels
MAX_KEPT_HEIGHT = 128  # pixels of lines that are kept, as networks read them smaller still


def cut_line(
    page: np.ndarray, polygon: np.ndarray, baseline: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a line out of a page, level, on a background of the paper's colour, with a soft edge.

    A line that slopes, bends or runs upwards, downwards or upside down is straightened along its baseline.

    Args:
        page: uint8 image, shape (height, width) or (height, width, 3).
        polygon: outline of the line, shape (points, 2), pixels.
        baseline: what the letters stand on, in writing direction, shape (points, 2), pixels; without it, the line
            is taken for a level one.

    Returns:
        (uint8 image of the line, its upper and its lower edge on the page: points at equal steps in writing
        direction, pixels, shape (2, points, 2)).

    Raises:
        InputError: the polygon is outside the page, or too small to hold writing.
    """
    # the comparisons are false for NaN
    if not ((polygon.max(axis=0) > 0).all() and (polygon.min(axis=0) < page.shape[1::-1]).all()):
        raise InputError("the polygon is outside the page")
    curve = None if baseline is None else _Curve.along(baseline, polygon, page.shape[1::-1])
    if curve is None:
        points = np.asarray(polygon, np.float64)
        low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0)) + 1
        low, high = (np.clip(corner, 0, page.shape[1::-1]) for corner in (low, high))
    else:
        points = curve.straightened(_densified(np.clip(polygon, 0, page.shape[1::-1]), curve.height / 4))
        low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0)) + 1
    width, height = (high - low).astype(int)
    mask = np.zeros((max(height, 0), max(width, 0)), np.uint8)
    if min(mask.shape) >= 4 and np.isfinite(points).all():
        cv2.fillPoly(mask, [np.rint((points - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    if curve is None:
        left, top = low.astype(int)
        line = page[top : top + height, left : left + width]
        steps = low[0] + np.array([0.0, width])
        frame = np.stack([np.stack([steps, np.full(2, y)], axis=1) for y in (low[1], low[1] + height)])
    else:
        line = curve.cut(page, low, mask.shape)
        steps = low[0] + np.linspace(0, width, min(MAX_FRAME_POINTS, 2 + int(width / curve.height)))
        frame = np.stack([curve.on_page(steps, np.full(len(steps), y)) for y in (low[1], low[1] + height)])
    inside = line[mask > 127]
    if not len(inside):
        raise InputError("the polygon is outside the page or too small")
    edge = max(1.0, height / 40)
    part = cv2.GaussianBlur(mask, (0, 0), edge).astype(np.float32) / 255
    # outwards only: the inside of the polygon stays as it is
    part = np.maximum(part, mask > 127)
    if line.ndim == 3:
        part = part[..., None]
    background = np.array(paper_color(inside[:, None]), np.float32)
    cut = np.rint(line * part + background * (1 - part)).astype(np.uint8)
    return cut, frame


def encode_line(line: np.ndarray, quality: int) -> tuple[bytes, tuple[int, int]]:
    """A cut line as WebP, shrunk to `MAX_KEPT_HEIGHT` and to what WebP holds; and its width and height, pixels."""
    height, width = line.shape[:2]
    scale = min(MAX_KEPT_HEIGHT / height, MAX_WEBP_SIDE / width)
    if scale < 1:
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        line = cv2.resize(line, (width, height), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".webp", line, [cv2.IMWRITE_WEBP_QUALITY, quality])[1].tobytes(), (width, height)


class _Curve:
    """A smooth baseline: a height for each place along the line from its first to its last point.

    Places on the straightened line are (distance along the curve, distance below it), in pixels of the page.

    Args:
        origin: of the coordinates along and across the line, on the page, pixels.
        along: unit vector of the writing direction.
        x: places along it, ascending, in equal steps.
        y: of the curve there, downwards.
        height: of the line, pixels.
    """

    def __init__(self, origin: np.ndarray, along: np.ndarray, x: np.ndarray, y: np.ndarray, height: float) -> None:
        self.origin, self.x, self.y, self.height = origin, x, y, height
        self.axes = np.array([along, [-along[1], along[0]]])
        self.slope = np.gradient(y, x)
        length = np.diff(x) * np.hypot(1, np.diff(y) / np.diff(x))
        self.distance = np.concatenate([[0.0], np.cumsum(length)])

    @classmethod
    def along(cls, baseline: np.ndarray, polygon: np.ndarray, size: tuple[int, int]) -> _Curve | None:
        """The curve of a baseline; None if it is level and straight, or no direction can be told.

        Args:
            baseline, polygon: as in :func:`cut_line`.
            size: width and height of the page.
        """
        if len(baseline) < 2 or not np.isfinite(baseline).all():
            return None
        points = np.clip(np.asarray(baseline, np.float64), 0, size)
        outline = np.clip(np.asarray(polygon, np.float64), 0, size)
        chord = points[-1] - points[0]
        length = float(np.hypot(*chord))
        height = cv2.contourArea(outline.astype(np.float32)) / max(length, 1.0)
        if length < 1 or height < 1:
            return None
        height = min(height, length)
        if chord[0] > 0 and np.abs(points[:, 1] - np.median(points[:, 1])).max() <= LEVEL * height:
            return None
        along = chord / length
        axes = np.array([along, [-along[1], along[0]]])
        points, outline = (points - points[0]) @ axes.T, (outline - points[0]) @ axes.T
        # only points that go forward, so that each place along the line has one height
        forward = points[:, 0] > np.concatenate([[-1.0], np.maximum.accumulate(points[:, 0])[:-1]])
        points = points[forward]
        step = max(1.0, height / 8)
        x = np.arange(outline[:, 0].min() - step, outline[:, 0].max() + 2 * step, step)
        y = _smoothed(np.interp(x, *points.T), x, points, SMOOTHNESS * height / step)
        origin = np.clip(np.asarray(baseline[0], np.float64), 0, size)
        return cls(origin, along, x, y, height)

    def straightened(self, points: np.ndarray) -> np.ndarray:
        """Places of points of the page, shape (points, 2), on the straightened line."""
        x, y = ((points - self.origin) @ self.axes.T).T
        below = y - np.interp(x, self.x, self.y)
        slope = np.interp(x, self.x, self.slope)
        # the foot of the perpendicular, to first order
        foot = x + below * slope / (1 + slope**2)
        slope = np.interp(foot, self.x, self.slope)
        below = (y - np.interp(foot, self.x, self.y)) / np.hypot(1, slope) + (x - foot) * slope / np.hypot(1, slope)
        return np.stack([np.interp(foot, self.x, self.distance), below], axis=1)

    def on_page(self, distance: np.ndarray, below: np.ndarray) -> np.ndarray:
        """Points on the page, shape (..., 2), of places on the straightened line."""
        x = np.interp(distance, self.distance, self.x)
        y, slope = np.interp(x, self.x, self.y), np.interp(x, self.x, self.slope)
        long = np.hypot(1, slope)
        places = np.stack([x - below * slope / long, y + below / long], axis=-1)
        return places @ self.axes + self.origin

    def cut(self, page: np.ndarray, low: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """The straightened line from the place `low` on, of a shape (height, width)."""
        across = low[0] + np.arange(shape[1])
        top, unit = (self.on_page(across, np.full(shape[1], low[1] + down)) for down in (0, 1))
        rows = np.arange(shape[0])[:, None, None]
        places = (top + rows * (unit - top)).astype(np.float32)
        return cv2.remap(page, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _smoothed(y: np.ndarray, x: np.ndarray, points: np.ndarray, sigma: float) -> np.ndarray:
    """A baseline without its corners; beyond its ends it goes on in the direction of its outer parts.

    Args:
        y: the baseline at `x`, level beyond its ends.
        x: places along it, ascending.
        points: its first and last are its ends.
        sigma: of the smoothing, in steps of `x`.
    """
    # straight lines through the outer parts, so that neither smoothing nor a corner bends the ends
    first, last = np.searchsorted(x, points[[0, -1], 0])
    first = min(first, len(x) - 2)
    last = max(last, first + 2)
    reach = int(np.clip(2 * sigma, 2, last - first))
    pad = int(4 * sigma) + 1
    inner = y[first:last]
    steps = np.arange(reach)
    start, end = np.polyfit(steps, inner[:reach], 1), np.polyfit(steps, inner[-reach:], 1)
    before = np.polyval(start, np.arange(-first - pad, 0))
    after = np.polyval(end, reach + np.arange(len(y) - last + pad))
    whole = np.concatenate([before, inner, after])
    smooth = cv2.GaussianBlur(whole[None], (2 * pad - 1, 1), sigma, borderType=cv2.BORDER_REPLICATE)[0]
    smooth = smooth[pad : pad + len(y)]
    steepest = STEEPEST * (x[1] - x[0])
    rise = np.clip(np.diff(smooth), -steepest, steepest)
    return smooth[0] + np.concatenate([[0.0], np.cumsum(rise)])


def _densified(polygon: np.ndarray, step: float) -> np.ndarray:
    """A polygon with points at most `step` apart, so that its edges may bend."""
    closed = np.concatenate([polygon, polygon[:1]]).astype(np.float64)
    lengths = np.hypot(*np.diff(closed, axis=0).T)
    places = np.concatenate([[0.0], np.cumsum(lengths)])
    if not places[-1]:
        return np.asarray(polygon, np.float64)
    between = np.arange(0, places[-1], max(step, places[-1] / 4096))
    at = np.unique(np.concatenate([between, places[:-1]]))
    return np.stack([np.interp(at, places, closed[:, axis]) for axis in (0, 1)], axis=1)


def slope_of(baseline: np.ndarray) -> float:
    """Degrees clockwise, -180 to 180, from level writing to the direction from a baseline's first to last point."""
    along = baseline[-1] - baseline[0]
    return float(np.degrees(np.arctan2(along[1], along[0])))
