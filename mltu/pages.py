"""Finding the lines of a page: paper flattened, ruling removed, ink gathered into lines in reading order."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from .utils.errors import InputError
from .utils.image_utils import paper_color, to_gray

WORK_WIDTH = 1600  # pixels that a page is brought to for the search
SMALL_LETTER = 0.45  # height of small letters, as a share of a line from ascenders to descenders
LEAST_COLUMN = 5  # lines that a column has, so that a gap between words is none between columns
STRIP = 0.5  # width of the strips that a line's outline follows, in text heights


class TextLine(NamedTuple):
    """A line of a page, in pixels of the page."""

    polygon: np.ndarray  # outline, shape (points, 2), int, clockwise from the upper left
    baseline: np.ndarray  # shape (points, 2), int, from left to right
    region: int  # block of writing, from 0


def _scale(scale: float, image: np.ndarray) -> float:
    """A scale, or the least at which an image keeps a pixel of its shorter side."""
    return max(scale, 1 / min(image.shape[:2]))


def flatten(gray: np.ndarray) -> np.ndarray:
    """Even paper: shadows and tints divided out, dark ink on white, whichever way the page was.

    Args:
        gray: uint8, shape (height, width).

    Returns:
        uint8 of the same shape.
    """
    scale = _scale(256 / max(gray.shape), gray)
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else gray
    side = max(3, round(min(small.shape) / 16) | 1)
    # most of it is dark, and the rest is lighter than what is around it, which no shadow is: light writing
    if np.median(small) < 110 and small.mean() > cv2.medianBlur(small, min(3 * side | 1, 255)).mean():
        return flatten(255 - gray)
    ground = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((side, side), np.uint8))
    ground = cv2.GaussianBlur(cv2.medianBlur(ground, min(side | 1, 255)), (0, 0), side / 3)
    ground = cv2.resize(ground, gray.shape[::-1], interpolation=cv2.INTER_LINEAR).astype(np.float32)
    return np.clip(gray.astype(np.float32) / np.maximum(ground, 1) * 255, 0, 255).astype(np.uint8)


def without_surroundings(gray: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A photograph of a sheet with paper in place of the table around it.

    Args:
        gray: uint8, shape (height, width).

    Returns:
        (the image, mask of the sheet without its edge: 1 and 0, all 1 if the sheet fills the image); uint8, of
        the same shape.
    """
    whole = np.ones_like(gray)
    scale = _scale(256 / max(gray.shape), gray)
    small = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    ground = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((13, 13), np.uint8))
    _, bright = cv2.threshold(ground, 0, 1, cv2.THRESH_OTSU)
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
    jump = float(np.median(ground[inside > 0])) - float(np.median(ground[around > 0]))
    contrast = float(np.median(ground[sheet > 0])) - float(np.median(ground[sheet == 0]))
    # the light on a sheet changes slowly, at its edge it changes at once
    if contrast < 40 or jump < 0.6 * contrast:
        return gray, whole
    sheet = cv2.erode(sheet, kernel, iterations=4, borderType=cv2.BORDER_CONSTANT, borderValue=1)
    # so that neither the table nor the sheet's edge looks like ink: the paper goes on, in the light that is nearest
    paper = cv2.GaussianBlur(ground * sheet.astype(np.float32), (0, 0), 16)
    paper = paper / np.maximum(cv2.GaussianBlur(sheet.astype(np.float32), (0, 0), 16), 1e-6)
    sheet, paper = (cv2.resize(one, gray.shape[::-1], interpolation=cv2.INTER_LINEAR) for one in (sheet, paper))
    return np.where(sheet > 0, gray, np.clip(np.rint(paper), 0, 255).astype(np.uint8)), sheet


def ink_of(flat: np.ndarray) -> np.ndarray:
    """Ink as 1, paper as 0: what is darker than a share of the darkest nearby, and than the paper's grain.

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
    """Ink without what touches the edge of the sheet, which is shadow."""
    if sheet.all():
        return ink
    labels, pieces = _components(ink & sheet)
    inner = cv2.erode(sheet, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=1)
    inside = np.ones(len(pieces), np.uint8)
    inside[np.unique(labels[(sheet > 0) & (inner == 0)])] = 0
    inside[0] = 0  # the paper
    return inside[labels]


def skew_of(ink: np.ndarray, largest: float = 6.0) -> float:
    """Degrees, anticlockwise, by which the writing rises: the turn that makes the row sums most uneven."""
    scale = _scale(600 / max(ink.shape), ink)
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


class _Component(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int
    area: int


def _components(ink: np.ndarray) -> tuple[np.ndarray, list[_Component]]:
    """Label image and the connected pieces of ink."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    pieces = [_Component(int(x), int(y), int(x + w), int(y + h), int(area)) for x, y, w, h, area in stats[:count]]
    return labels, pieces


def line_height(ink: np.ndarray) -> float:
    """Typical height of a line of writing, from ascenders to descenders, in pixels.

    Letters are joined to words along the lines, by steps that begin at the size of the letters.
    """

    def typical(pieces: list[_Component]) -> float:
        usual = [
            one
            for one in pieces
            if max(6, (one.right - one.left) / 30) <= one.bottom - one.top <= ink.shape[0] / 4 and one.area > 12
        ]
        if not usual:
            return ink.shape[0] / 30
        heights = np.array([one.bottom - one.top for one in usual], np.float64)
        widths = np.array([one.right - one.left for one in usual], np.float64)
        order = np.argsort(heights)
        total = np.cumsum(widths[order])
        return float(heights[order][np.searchsorted(total, total[-1] * 0.5)])

    letters = height = typical(_components(ink)[1][1:])
    for _ in range(2):
        words = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, max(3, round(1.2 * height))), np.uint8))
        # lines that touch each other would make one high piece
        height = min(typical(_components(words)[1][1:]), 2.5 * letters)
    return height


class _Ridge(NamedTuple):
    """The middle of a run of writing: height of each column from `left` on."""

    left: int
    middle: np.ndarray
    weight: float  # ink along it

    @property
    def right(self) -> int:
        return self.left + len(self.middle)

    def at(self, x: float) -> float:
        return float(self.middle[int(np.clip(x - self.left, 0, len(self.middle) - 1))])


def _ridges(ink: np.ndarray, height: float) -> list[_Ridge]:
    """Where smeared ink is highest among its neighbours above and below."""
    smeared = cv2.GaussianBlur(ink.astype(np.float32), (0, 0), sigmaX=2.2 * height, sigmaY=0.28 * height)
    reach = max(3, round(1.1 * height) | 1)
    highest = cv2.dilate(smeared, np.ones((reach, 1), np.uint8))
    enough = 0.3 * float(np.percentile(highest[highest > 0.01], 60)) if (highest > 0.01).any() else 1.0
    on = ((smeared >= highest) & (smeared > enough)).astype(np.uint8)
    _, labels = cv2.connectedComponents(cv2.dilate(on, np.ones((5, 3), np.uint8)), connectivity=8)
    labels = labels * on
    rows, columns = np.nonzero(labels)
    found = []
    names = labels[rows, columns]
    order = np.argsort(names, kind="stable")
    rows, columns, names = rows[order], columns[order], names[order]
    borders = np.flatnonzero(np.diff(names)) + 1
    for x, y in zip(np.split(columns, borders), np.split(rows, borders), strict=True):
        if not len(x):
            continue
        left, right = int(x.min()), int(x.max()) + 1
        if right - left < height:
            continue
        total = np.bincount(x - left, weights=y, minlength=right - left)
        count = np.bincount(x - left, minlength=right - left)
        known = np.flatnonzero(count)
        middle = np.interp(np.arange(right - left), known, total[known] / count[known])
        weight = float(smeared[np.rint(middle).astype(int), np.arange(left, right)].sum())
        found.append(_Ridge(left, middle.astype(np.float32), weight))
    return found


def _without_doubles(ridges: list[_Ridge], height: float) -> list[_Ridge]:
    """Leave out ridges of accents or descenders, which run close along a stronger one."""
    kept: list[_Ridge] = []
    for one in sorted(ridges, key=lambda ridge: -ridge.weight):
        double = False
        for other in kept:
            left, right = max(one.left, other.left), min(one.right, other.right)
            if right - left > 0.5 * (one.right - one.left):
                x = np.linspace(left, right - 1, 9)
                distance = np.median([abs(one.at(at) - other.at(at)) for at in x])
                density = (one.weight / len(one.middle)) / (other.weight / len(other.middle))
                double |= bool(distance < 0.7 * height or (distance < 1.6 * height and density < 0.4))
        if not double:
            kept.append(one)
    return kept


def _joined(ridges: list[_Ridge], height: float) -> list[_Ridge]:
    """Join ridges that follow each other on one line."""
    rest = sorted(ridges, key=lambda ridge: ridge.left)
    joined: list[_Ridge] = []
    while rest:
        one = rest.pop(0)
        while True:
            follows = [
                (other.left - one.right, index)
                for index, other in enumerate(rest)
                if -height < other.left - one.right
                and abs(np.median(other.middle[: round(2 * height)]) - np.median(one.middle[-round(2 * height) :]))
                < 0.6 * height
            ]
            if not follows:
                break
            other = rest.pop(min(follows)[1])
            start = max(other.left, one.right)
            between = np.linspace(one.middle[-1], other.at(start), start - one.right + 2)[1:-1]
            middle = np.concatenate([one.middle, between, other.middle[start - other.left :]])
            one = _Ridge(one.left, middle.astype(np.float32), one.weight + other.weight)
        joined.append(one)
    return joined


def _is_rule(one: _Component, height: float) -> bool:
    """Whether a piece is left of a ruled line: longer than a dash, and low or thin."""
    wide, high = one.right - one.left, one.bottom - one.top
    return wide > 1.5 * height and (wide > 10 * high or (high < 0.4 * height and one.area < 0.15 * height * wide))


def _gutter(ink: np.ndarray, runs: list[_Ridge], height: float) -> tuple[int, int, int] | None:
    """Where writing should be cut into columns: x, and the top and bottom of a white strip with writing on both sides.

    Args:
        ink: of a block of writing, shape (height, width).
        runs: of writing in it.
        height: of small letters, pixels.
    """
    word_gap, tall = round(2.5 * height), round(8 * height)
    closed = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, word_gap), np.uint8))
    inside = np.flatnonzero(ink.any(axis=0))
    strips = []
    for x in range(int(inside[0]) + 1, int(inside[-1]), max(1, round(height / 2))):
        edges = np.flatnonzero(np.diff(np.pad(closed[:, x], 1, constant_values=1)))
        strips += [(int(end - start), x, int(start), int(end)) for start, end in edges.reshape(-1, 2)]
    for length, x, top, bottom in sorted(strips, reverse=True):
        if length < tall:
            break
        level = [one for one in runs if top < one.at(x) < bottom]
        beside = [one for one in level if one.left < x - height], [one for one in level if one.right > x + height]
        if min(map(len, beside)) < 2 or max(map(len, beside)) < LEAST_COLUMN:
            continue
        # numbers of a list belong to the lines beside them
        if all(_extent(side.any(axis=0)) > 4 * height for side in (ink[top:bottom, :x], ink[top:bottom, x:])):
            return x, top, bottom
    return None


def _extent(there: np.ndarray) -> int:
    """From the first to the last that is there."""
    places = np.flatnonzero(there)
    return int(places[-1] - places[0]) + 1 if len(places) else 0


def _zones(ink: np.ndarray, height: float) -> Iterator[tuple[np.ndarray, list[_Ridge]]]:
    """Blocks of writing, as ink and runs, in reading order, cut at gutters: above, left, right, below.

    A recursive X-Y cut (Nagy and Seth, "Hierarchical representation of optically scanned documents", 1984)
    whose cuts need not go through the whole page.
    """
    if not ink.any():
        return
    runs = _without_doubles(_ridges(ink, height), height)
    gutter = _gutter(ink, runs, height)
    if gutter is None:
        yield ink, runs
        return
    x, top, bottom = gutter
    _, labels, _, centres = cv2.connectedComponentsWithStats(ink, connectivity=8)
    level = (centres[:, 1] >= top) & (centres[:, 1] < bottom)
    above = ~level & (centres[:, 1] < top)
    parts = above, level & (centres[:, 0] < x), level & (centres[:, 0] >= x), ~level & ~above
    if not (parts[1][1:].any() and parts[2][1:].any()):  # of large pieces that reach beyond the strip
        yield ink, runs
        return
    for chosen in parts:
        chosen[0] = False  # the paper
        yield from _zones(chosen[labels].astype(np.uint8), height)


def find_lines(page: np.ndarray) -> list[TextLine]:
    """Find the lines of writing on a page.

    Args:
        page: uint8, shape (height, width) or (height, width, 3).

    Returns:
        Lines in reading order; empty if there is no writing.
    """
    gray = to_gray(page)
    scale = min(1.0, _scale(WORK_WIDTH / gray.shape[1], gray))
    work = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else gray
    work, sheet = without_surroundings(work)
    ink = _within(ink_of(flatten(work)), sheet)
    if not ink.any():
        return []
    turn, size = _turn(skew_of(ink), ink.shape[1], ink.shape[0])
    ink = (cv2.warpAffine(ink * 255, turn, size, flags=cv2.INTER_LINEAR) > 127).astype(np.uint8)
    ink = without_ruling(ink)
    labels, pieces = _components(ink)
    height = SMALL_LETTER * line_height(ink)
    # specks, shadows of the page's edge, and what is left of ruled lines are no writing
    is_writing = np.array(
        [False]
        + [
            one.area >= max(4, (height / 12) ** 2)
            and one.bottom - one.top < 8 * height
            and one.right - one.left < 0.7 * ink.shape[1]
            and not _is_rule(one, height)
            for one in pieces[1:]
        ]
    )
    back = cv2.invertAffineTransform(turn)
    found = []
    for region, (zone, parts) in enumerate(_zones(is_writing[labels].astype(np.uint8), height)):
        runs = _joined(parts, height)
        runs.sort(key=lambda one: float(np.median(one.middle)))
        owner = _owners(labels * zone, pieces, runs, height)
        for index in range(len(runs)):
            line = _outline(owner, index + 1, height)
            if line is not None:
                found.append((line, region))
    if not found:
        return []
    least_ink = 0.15 * np.median([line.ink for line, _ in found])
    least_height = 0.5 * np.median([line.height for line, _ in found])

    def on_page(points: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(cv2.transform(points[None], back)[0] / scale).astype(int), 0, gray.shape[::-1])

    return [
        TextLine(on_page(line.polygon), on_page(line.baseline), region)
        for line, region in found
        # what is both faint and low is left of ruled lines, or dots and strokes that found no letter
        if line.ink > least_ink or line.height > least_height
    ]


def _turn(angle: float, width: int, height: int) -> tuple[np.ndarray, tuple[int, int]]:
    """Affine matrix that turns a page by degrees clockwise, and the (width, height) that hold all of it."""
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -angle, 1.0)
    cos, sin = abs(turn[0, 0]), abs(turn[0, 1])
    size = int(width * cos + height * sin) + 1, int(width * sin + height * cos) + 1
    turn[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
    return turn, size


def _owners(labels: np.ndarray, pieces: list[_Component], lines: list[_Ridge], height: float) -> np.ndarray:
    """The line, from 1, that each pixel of ink belongs to; 0 where there is none."""
    owner = np.zeros(len(pieces), np.int32)
    split: list[int] = []
    for name in np.unique(labels[labels > 0]):
        one = pieces[name]
        x, y = (one.left + one.right) / 2, (one.top + one.bottom) / 2
        near = []
        for index, line in enumerate(lines):
            beside = max(line.left - x, x - line.right, 0)
            if beside < 2 * height:
                near.append((abs(line.at(x) - y) + 0.5 * beside, index, line.at(x)))
        inside = [one_ for one_ in near if one.top < one_[2] < one.bottom]
        if len(inside) > 1 and one.bottom - one.top > 1.5 * height:
            split.append(name)
        elif near and min(near)[0] < 1.6 * height:
            owner[name] = min(near)[1] + 1
    result = owner[labels]
    for name in split:  # writing of two lines that touch: each pixel to the nearer line
        one = pieces[name]
        area = labels[one.top : one.bottom, one.left : one.right] == name
        middles = np.stack(
            [np.interp(np.arange(one.left, one.right), np.arange(line.left, line.right), line.middle) for line in lines]
        )
        rows = np.arange(one.top, one.bottom)[:, None]
        nearest = np.abs(rows[None] - middles[:, None]).argmin(axis=0) + 1
        target = result[one.top : one.bottom, one.left : one.right]
        target[area] = nearest[area]
    return result


def _baseline(feet: np.ndarray, height: float) -> np.ndarray:
    """Slope and height of the line that letters stand on: coefficients for `np.polyval`.

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
    """The columns of a line's ink without specks that stand far off at its ends."""
    words = np.split(columns, np.flatnonzero(np.diff(columns) > 2 * height) + 1)
    least = 0.12 * height**2
    while len(words) > 1 and ink[:, words[0]].sum() < least:
        del words[0]
    while len(words) > 1 and ink[:, words[-1]].sum() < least:
        del words[-1]
    return np.concatenate(words)


class _Outline(NamedTuple):
    polygon: np.ndarray  # float, shape (points, 2)
    baseline: np.ndarray  # float, shape (2, 2)
    ink: int  # pixels
    height: float  # of the ink, as a rule


def _outline(owner: np.ndarray, number: int, height: float) -> _Outline | None:
    """Where a line is; None if there is next to no ink.

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
    tops, bottoms = (np.interp(np.arange(strips), known, one[known]) for one in (tops, bottoms))
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
    return _Outline(polygon + np.array([0, above]), baseline, int(ink.sum()), usual)


def cut_line(page: np.ndarray, polygon: np.ndarray, angle: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Cut a line out of a page, on ground of the paper's colour, with a soft edge.

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
    # the comparisons are false for what is no number
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
    # outwards only: what the polygon holds stays as it is
    part = np.maximum(part, mask > 127)
    if line.ndim == 3:
        part = part[..., None]
    ground = np.array(paper_color(inside[:, None]), np.float32)
    cut = np.rint(line * part + ground * (1 - part)).astype(np.uint8)
    corners = low + np.array([[0, 0], [width, 0], [0, height]])
    return cut, corners @ level  # the inverse of a rotation is its transpose


def slope_of(baseline: np.ndarray) -> float:
    """Degrees clockwise by which a baseline, shape (points, 2), falls from its first to its last point."""
    along = baseline[-1] - baseline[0]
    return float(np.degrees(np.arctan2(along[1], max(along[0], 1))))
