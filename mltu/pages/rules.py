"""Drawn rules: those between the columns of tables, which writing does not cross, and those that it stands on."""

from __future__ import annotations

import cv2
import numpy as np

from .maps import STRIDE

MIN_LENGTH = 4.0  # line heights, of a rule between columns
LONG = 12.0  # line heights, of faint rules and of folds
MIN_RULED = 3.0  # likewise, of any rule
MAX_WIDTH = 9  # pixels
MAX_SLANT = 3  # pixels that a rule may leave a straight column within `MIN_LENGTH`
FAINT, STRONG = 0.12, 0.3  # of the darkness of ink, of what may be a rule and of what is one
MIN_DARKNESS = 8.0  # grey levels
GRID, DOUBLE = 1.8, 0.4  # line heights: rules closer than the first are squares, and than the second a double rule
BESIDE = 0.2  # line heights to both sides of a rule where writing that crosses it has ink
PAPER = 41  # pixels, wider than any stroke of a pen


def find_rules(image: np.ndarray, height: float) -> np.ndarray | None:
    """Upright rules, except where writing crosses them.

    Upright lines of squared paper are none, because writing crosses them everywhere.

    Args:
        image: grey, uint8, shape (height, width).
        height: of lines of writing, pixels.

    Returns:
        bool, shape (height / STRIDE, width / STRIDE), rounded up; None if there are none.
    """
    length = max(3, round(MIN_LENGTH * height))
    dark = cv2.subtract(_paper(image), image)
    ink = _darkness(dark)
    thin = _thin(image)
    turned = np.ascontiguousarray(image.T)
    level = _upright(_thin(turned), STRONG * ink, length)
    level = cv2.dilate(np.ascontiguousarray(level.T), np.ones((MAX_WIDTH, 1), np.uint8))
    strong = _upright(thin, STRONG * ink, length, level) | _upright(thin, FAINT * ink, round(LONG * height))
    if not strong.any():
        return None
    strong[_squares(_upright(thin, FAINT * ink, length), height) > 0] = 0
    rules = cv2.dilate(strong, np.ones((1, 3), np.uint8))
    # where ink stands close to both sides, writing crosses
    reach = max(2, round(BESIDE * height))
    writing = ((dark > STRONG * ink) & (rules == 0)).astype(np.uint8)
    writing = cv2.dilate(writing, np.ones((max(1, round(0.3 * height)), 1), np.uint8))
    before = cv2.dilate(writing, np.ones((1, reach), np.uint8), anchor=(reach - 1, 0))
    after = cv2.dilate(writing, np.ones((1, reach), np.uint8), anchor=(0, 0))
    rules[(before > 0) & (after > 0)] = 0
    size = -(-image.shape[1] // STRIDE), -(-image.shape[0] // STRIDE)
    padded = cv2.copyMakeBorder(rules, 0, -image.shape[0] % STRIDE, 0, -image.shape[1] % STRIDE, cv2.BORDER_REPLICATE)
    return padded.reshape(size[1], STRIDE, size[0], STRIDE).max(axis=(1, 3)) > 0


def erase_rules(image: np.ndarray, height: float) -> np.ndarray:
    """An image without thin straight lines, level or upright.

    Args:
        image: grey, uint8, shape (height, width).
        height: of lines of writing, pixels.
    """
    paper = _paper(image)
    threshold = FAINT * _darkness(cv2.subtract(paper, image))
    length = max(3, round(MIN_RULED * height))
    rules = np.zeros_like(image)
    for turned, target in ((image, rules), (image.T, rules.T)):
        turned = np.ascontiguousarray(turned)
        target |= cv2.dilate(_upright(_thin(turned), threshold, length), np.ones((1, 3), np.uint8))
    return np.where(rules > 0, paper, image)


def _paper(image: np.ndarray) -> np.ndarray:
    return cv2.morphologyEx(image, cv2.MORPH_CLOSE, np.ones((PAPER, PAPER), np.uint8))


def _darkness(dark: np.ndarray) -> float:
    """That of ink, from how much darker than the paper each pixel is."""
    return float(np.percentile(dark[::4, ::4], 98))


def _thin(image: np.ndarray) -> np.ndarray:
    """How much darker than what is left and right of it each pixel is, where no more than `MAX_WIDTH` are dark."""
    return cv2.morphologyEx(image, cv2.MORPH_BLACKHAT, np.ones((1, MAX_WIDTH), np.uint8))


def _upright(thin: np.ndarray, threshold: float, length: int, crossing: np.ndarray | None = None) -> np.ndarray:
    """1 in upright lines of at least a length, uint8.

    Args:
        thin: how much darker than what is beside it a pixel is, where it is thin.
        threshold: the least of that.
        length: pixels.
        crossing: 1 where level rules may hide the lines, uint8.
    """
    if length >= thin.shape[0]:  # beyond its edges, OpenCV takes the image for lines
        return np.zeros_like(thin)
    mask = (thin > max(MIN_DARKNESS, threshold)).astype(np.uint8)
    if crossing is not None:
        mask |= crossing
    wide = cv2.dilate(mask, np.ones((3, MAX_SLANT), np.uint8))
    lines = cv2.morphologyEx(wide, cv2.MORPH_OPEN, np.ones((length, 1), np.uint8))
    # grain may fill whole areas
    return lines & ~cv2.morphologyEx(lines, cv2.MORPH_OPEN, np.ones((1, MAX_WIDTH + 2 * MAX_SLANT), np.uint8))


def _squares(mask: np.ndarray, height: float) -> np.ndarray:
    """The upright lines of a mask that have another too close beside them, with some room around."""
    near, double = round(GRID * height), max(2, round(DOUBLE * height))
    # lines that make one rule
    whole = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((1, double), np.uint8))
    edges = np.diff(whole, axis=1, prepend=0) == 1  # where a line begins
    beside = cv2.boxFilter(edges.astype(np.float32), -1, (2 * near + 1, 1), normalize=False)
    # several rows, because lines have gaps
    rows = max(3, round(height)) | 1
    share = cv2.blur((beside > 1.5).astype(np.float32), (1, rows))
    return cv2.dilate((share > 0.5).astype(np.uint8), np.ones((1, 5), np.uint8))
