"""The slope of a line that fills an image much longer than high, where a small tilt shrinks the writing."""

from __future__ import annotations

import cv2
import numpy as np

from ..utils.image_utils import dark_on_light, paper_color, to_gray
from .crop import cut_line
from .finder import TextLine

MIN_RATIO = 12  # times as long as high that images are which may be tilted
BLOCKS = 96  # parts of the line, whose ink tells how high the writing is there
MIN_HEIGHT = BLOCKS // MIN_RATIO  # pixels; lower images may have fewer columns than blocks
INK = 0.4  # share of the contrast above which a pixel is ink
FAR = 2.5  # median distances from the line through all blocks, beyond which a block does not count
OUTSIDE = 0.01  # share of the ink above and below the line, which may be dirt
MIN_DRIFT = 0.25  # share of the height of the writing; less tilt does no harm


def level_line(image: np.ndarray) -> tuple[np.ndarray, TextLine | None, np.ndarray | None]:
    """An image of one line, levelled if it is long and tilted; every way of reading a line begins with this.

    Args:
        image: of any number type and channels, as for :func:`.to_gray`.

    Returns:
        (the image as it is, None, None), or (the levelled line, its place, its edges as of :func:`.cut_line`).
    """
    place = None
    if image.shape[1] >= MIN_RATIO * image.shape[0]:  # others need not be made grey here
        gray = to_gray(image)
        place = find_tilted_line(gray)
    if place is None:
        return image, None, None
    line, frame = cut_line(gray, place.polygon, place.baseline)
    return line, place, frame


def find_tilted_line(image: np.ndarray) -> TextLine | None:
    """The writing on an image of one long line.

    A straight line is fitted to the mean heights of the ink in blocks of columns, and again to those near it.

    Args:
        image: uint8, shape (height, width).

    Returns:
        Its place; None where it is as good as level, the image is not long, or there is no writing.
    """
    height, width = image.shape
    if width < MIN_RATIO * height or height < MIN_HEIGHT:
        return None
    image = dark_on_light(image)
    darkness = np.clip(paper_color(image)[0] - cv2.GaussianBlur(image, (5, 5), 0).astype(np.int16), 0, None)
    ink = darkness > max(1, INK * np.quantile(darkness[:, :: 1 + width // 4096], 0.995))
    blocks = np.array_split(np.arange(width), BLOCKS)
    counts = np.stack([ink[:, block].sum(axis=1) for block in blocks])
    used = counts.any(axis=1)
    if used.sum() < BLOCKS / 4:
        return None
    x = np.array([block.mean() for block in blocks])[used]
    y = counts[used] @ np.arange(height) / counts[used].sum(axis=1)
    near = np.ones(len(x), bool)
    for _ in range(3):
        fit = np.polyfit(x[near], y[near], 1)
        distance = np.abs(y - np.polyval(fit, x))
        near = distance <= FAR * np.median(distance)
    rows, columns = np.nonzero(ink)
    top, bottom = np.quantile(rows - np.polyval(fit, columns), [OUTSIDE, 1 - OUTSIDE])
    if abs(fit[0]) * width < MIN_DRIFT * (bottom - top):
        return None
    margin = (bottom - top) / 8
    ends = np.array([0, width])
    middle = np.polyval(fit, ends)
    upper, lower = (np.stack([ends, middle + edge], axis=1) for edge in (top - margin, bottom + margin))
    polygon = np.concatenate([upper, lower[::-1]])
    polygon, baseline = (np.rint(points).astype(int) for points in (polygon, np.stack([ends, middle], axis=1)))
    polygon[:, 1] = polygon[:, 1].clip(0, height)
    return TextLine(polygon, baseline, 0)
