"""Cutting a line out of a page."""

from __future__ import annotations

import cv2
import numpy as np

from ..utils.errors import InputError
from ..utils.image_utils import paper_color


def cut_line(page: np.ndarray, polygon: np.ndarray, angle: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Cut a line out of a page, on a background of the paper's colour, with a soft edge.

    Args:
        page: uint8 image, shape (height, width) or (height, width, 3).
        polygon: outline of the line, shape (points, 2), pixels.
        angle: degrees clockwise by which the line falls to the right; it is turned level.

    Returns:
        (uint8 image of the polygon's bounding box, its upper left, upper right and lower left corner on
        the page: pixels, shape (3, 2)).

    Raises:
        InputError: the polygon is outside the page, or too small to hold writing.
    """
    # the comparisons are false for NaN
    if not ((polygon.max(axis=0) > 0).all() and (polygon.min(axis=0) < page.shape[1::-1]).all()):
        raise InputError("the polygon is outside the page")
    sine, cosine = np.sin(np.radians(angle)), np.cos(np.radians(angle))
    level = np.array([[cosine, sine], [-sine, cosine]])
    points = polygon @ level.T
    low, high = np.floor(points.min(axis=0)), np.ceil(points.max(axis=0)) + 1
    if not angle:
        low, high = (np.clip(corner, 0, page.shape[1::-1]) for corner in (low, high))
    width, height = (high - low).astype(int)
    mask = np.zeros((max(height, 0), max(width, 0)), np.uint8)
    if min(mask.shape) >= 4 and np.isfinite(points).all():
        cv2.fillPoly(mask, [np.rint((points - low) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    if angle:
        matrix = np.hstack([level, -low[:, None]])
        line = cv2.warpAffine(page, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    else:
        left, top = low.astype(int)
        line = page[top : top + height, left : left + width]
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
    corners = low + np.array([[0, 0], [width, 0], [0, height]])
    return cut, corners @ level  # the inverse of a rotation is its transpose


def slope_of(baseline: np.ndarray) -> float:
    """Degrees clockwise by which a baseline, shape (points, 2), falls from its first to its last point."""
    along = baseline[-1] - baseline[0]
    return float(np.degrees(np.arctan2(along[1], max(along[0], 1))))
