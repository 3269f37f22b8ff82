"""From the image of a page to ink: surroundings and shadows removed, writing turned level, ruling removed."""

from __future__ import annotations

import cv2
import numpy as np

from .components import find_components


def find_ink(gray: np.ndarray) -> np.ndarray:
    """Ink of a page as 1, all else as 0.

    Args:
        gray: uint8, shape (height, width).

    Returns:
        uint8 of the same shape.
    """
    sheet_image, sheet = without_surroundings(gray)
    return _within(binarize(flatten(sheet_image)), sheet)


def flatten(gray: np.ndarray) -> np.ndarray:
    """Even paper: shadows and tints divided out, dark ink on white, whichever way the page was.

    Args:
        gray: uint8, shape (height, width).

    Returns:
        uint8 of the same shape.
    """
    scale = limit_scale(256 / max(gray.shape), gray)
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else gray
    side = max(3, round(min(small.shape) / 16) | 1)
    # light writing: most of the page is dark, and the rest lighter than its surroundings, as no shadow is
    if np.median(small) < 110 and small.mean() > cv2.medianBlur(small, min(3 * side | 1, 255)).mean():
        return flatten(255 - gray)
    background = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    background = cv2.GaussianBlur(cv2.medianBlur(background, min(side | 1, 255)), (0, 0), side / 3)
    background = cv2.resize(background, gray.shape[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32)
    return np.clip(gray.astype(np.float32) / np.maximum(background, 1) * 255, 0, 255).astype(np.uint8)


def without_surroundings(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A photograph of a sheet with paper in place of the table around it.

    Args:
        gray: uint8, shape (height, width).

    Returns:
        (the image, mask of the sheet without its edge: 1 and 0, all 1 if the sheet fills the image); uint8, of
        the same shape.
    """
    whole = np.ones_like(gray)
    scale = limit_scale(256 / max(gray.shape), gray)
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    background = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((13, 13), np.uint8))
    _, bright = cv2.threshold(background, 0, 1, cv2.THRESH_OTSU)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(bright, connectivity=4)
    if count == 1:
        return gray, whole
    largest = 1 + int(stats[1:count, cv2.CC_STAT_AREA].argmax())
    outline, _ = cv2.findContours((labels == largest).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    sheet = np.zeros_like(small)
    cv2.fillPoly(sheet, [cv2.convexHull(outline[0])], 1)
    kernel = np.ones((3, 3), np.uint8)
    inside = sheet & ~cv2.erode(sheet, kernel, iterations=4)
    around = cv2.dilate(sheet, kernel, iterations=4) & ~sheet
    if not 0.3 < sheet.mean() < 0.98 or not around.any():
        return gray, whole
    jump = float(np.median(background[inside > 0])) - float(np.median(background[around > 0]))
    contrast = float(np.median(background[sheet > 0])) - float(np.median(background[sheet == 0]))
    # the light on a sheet changes slowly, at its edge it changes at once
    if contrast < 40 or jump < 0.6 * contrast:
        return gray, whole
    sheet = cv2.erode(sheet, kernel, iterations=4, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    # the paper goes on in the nearest light, so that neither the table nor the sheet's edge looks like ink
    paper = cv2.GaussianBlur(background * sheet.astype(np.float32), (0, 0), 16)
    paper = paper / np.maximum(cv2.GaussianBlur(sheet.astype(np.float32), (0, 0), 16), 1e-6)
    sheet, paper = (cv2.resize(part, gray.shape[::-1], interpolation=cv2.INTER_LINEAR) for part in (sheet, paper))
    return np.where(sheet > 0, gray, np.clip(np.rint(paper), 0, 255).astype(np.uint8)), sheet


def binarize(flat: np.ndarray) -> np.ndarray:
    """Ink as 1, paper as 0: pixels darker than a share of the darkest nearby, and than the paper's grain.

    So pencil beside ink is found, and thin strokes do not break.

    Args:
        flat: even paper, as :func:`flatten` gives it; uint8, shape (height, width).

    Returns:
        uint8 of the same shape.
    """
    dark = 255 - flat
    window = max(15, min(flat.shape) // 24 | 1)
    nearby = cv2.blur(cv2.dilate(cv2.medianBlur(dark, 3), np.ones((window, window), np.uint8)), (window, window))
    grain = (
        1.48 * float(np.median(cv2.absdiff(flat, cv2.GaussianBlur(flat, (0, 0), 1.5))[dark > 0])) if dark.any() else 0
    )
    floor = max(6 * grain, 0.1 * float(np.percentile(dark, 99.5)), 8)
    return ((dark > 0.3 * nearby) & (dark > floor)).astype(np.uint8)


def _within(ink: np.ndarray, sheet: np.ndarray) -> np.ndarray:
    """Ink without pieces that touch the edge of the sheet, which are shadow."""
    if sheet.all():
        return ink
    labels, pieces = find_components(ink & sheet)
    inner = cv2.erode(sheet, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    inside = np.ones(len(pieces), np.uint8)
    inside[np.unique(labels[(sheet > 0) & (inner == 0)])] = 0
    inside[0] = 0  # the paper
    return inside[labels]


def level(ink: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn ink so that its lines are level.

    Returns:
        (the turned ink, which may be larger, affine matrix that brings points back).
    """
    turn, size = _turn(skew_of(ink), ink.shape[1], ink.shape[0])
    turned = cv2.warpAffine(ink * 255, turn, size, flags=cv2.INTER_LINEAR) > 127
    return turned.astype(np.uint8), cv2.invertAffineTransform(turn)


def skew_of(ink: np.ndarray, largest: float = 6.0) -> float:
    """Degrees, anticlockwise, by which the writing rises: the turn that makes the row sums most uneven."""
    scale = limit_scale(600 / max(ink.shape), ink)
    small = cv2.resize(ink * 255, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)

    def unevenness(angle: float) -> float:
        shear = np.tan(np.radians(angle))
        height, width = small.shape
        # a shear is enough for small angles, and quicker than a rotation
        matrix = np.float32([[1, 0, 0], [shear, 1, -shear * width / 2]])
        rows = cv2.warpAffine(small, matrix, (width, height)).sum(axis=1)
        return float(np.square(np.diff(rows)).sum())

    best = 0.0
    for step, reach in ((1.0, largest), (0.25, 1.0), (0.05, 0.25)):
        angles = best + np.arange(-reach, reach + step / 2, step)
        best = float(max(angles, key=unevenness))
    return best


def _turn(angle: float, width: int, height: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Affine matrix that turns a page by degrees clockwise, and the (width, height) that hold all of it."""
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = int(width * cos + height * sin) + 1, int(width * sin + height * cos) + 1
    turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return turn, size


def without_ruling(ink: np.ndarray) -> np.ndarray:
    """Ink without ruled, squared and margin lines: thin runs that fill most of a long window, gaps and all."""
    result = ink.copy()
    for turned in (False, True):
        part = ink.T if turned else ink
        thin = part & ~cv2.morphologyEx(part, cv2.MORPH_OPEN, np.ones((max(4, max(ink.shape) // 320), 1), np.uint8))
        beside = cv2.dilate(thin, np.ones((3, 1), np.uint8)).astype(np.float32)
        window = max(40, part.shape[1] // 6)
        filled = cv2.boxFilter(beside, -1, (window, 1), borderType=cv2.BORDER_REPLICATE)
        # half a window further than it is full, because there the line ends
        lines = cv2.dilate((filled > 0.65).astype(np.uint8), np.ones((3, window), np.uint8)) & thin
        result[(lines.T if turned else lines) > 0] = 0
    specks = np.ones((2, 1), np.uint8)
    return cv2.morphologyEx(result, cv2.MORPH_OPEN, specks) | cv2.morphologyEx(result, cv2.MORPH_OPEN, specks.T)


def limit_scale(scale: float, image: np.ndarray) -> float:
    """A scale, but at least the one at which an image keeps a pixel of its shorter side."""
    return max(scale, 1 / min(image.shape[:2]))
