"""From ink to lines: ink gathered into runs, runs into lines, lines into columns in reading order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from ..utils.image_utils import to_gray
from .components import Component, find_components
from .finder import TextLine
from .outlines import Outline, outline_of
from .paper import find_ink, level, limit_scale, without_ruling

WORK_WIDTH = 1600  # pixels that a page is brought to for the search
SMALL_LETTER = 0.45  # height of small letters, as a share of a line from ascenders to descenders
MIN_COLUMN = 5  # lines of a column, so that a gap between words is not taken for one between columns


def find_lines(page: np.ndarray) -> list[TextLine]:
    """Find the lines of writing on a page.

    Args:
        page: uint8, shape (height, width) or (height, width, 3).

    Returns:
        Lines in reading order; empty if there is no writing.
    """
    gray = to_gray(page)
    scale = min(1.0, limit_scale(WORK_WIDTH / gray.shape[1], gray))
    work = cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else gray
    ink = find_ink(work)
    if not ink.any():
        return []
    ink, back = level(ink)

    def on_page(points: np.ndarray) -> np.ndarray:
        return np.clip(np.rint(cv2.transform(points[None], back)[0] / scale).astype(int), 0, gray.shape[::-1])

    lines = lines_of(without_ruling(ink))
    return [TextLine(on_page(line.polygon), on_page(line.baseline), region) for line, region in lines]


def lines_of(ink: np.ndarray) -> list[tuple[Outline, int]]:
    """The lines of level writing.

    Args:
        ink: 1 and 0, uint8, shape (height, width).

    Returns:
        (outline, block of writing from 0) of each line in reading order.
    """
    labels, pieces = find_components(ink)
    height = SMALL_LETTER * line_height(ink)
    is_writing = np.array([False] + [_is_writing(piece, ink.shape[1], height) for piece in pieces[1:]])
    found = []
    for region, (block, ridges) in enumerate(_blocks(is_writing[labels].astype(np.uint8), height)):
        runs = _joined(ridges, height)
        runs.sort(key=lambda run: float(np.median(run.middle)))
        owner = _owners(labels * block, pieces, runs, height)
        outlines = [outline_of(owner, number, height) for number in range(1, len(runs) + 1)]
        found += [(outline, region) for outline in outlines if outline is not None]
    if not found:
        return []
    # a line both faint and low is the rest of a ruled line, or dots and strokes that found no letter
    min_ink = 0.15 * np.median([line.ink for line, _ in found])
    min_height = 0.5 * np.median([line.height for line, _ in found])
    return [(line, region) for line, region in found if line.ink > min_ink or line.height > min_height]


def _is_writing(piece: Component, page_width: int, height: float) -> bool:
    """Whether a piece may be writing: not a speck, the shadow of the page's edge, or the rest of a ruled line."""
    return (
        piece.area >= max(4, (height / 12) ** 2)
        and piece.height < 8 * height
        and piece.width < 0.7 * page_width
        and not _is_rule(piece, height)
    )


def _is_rule(piece: Component, height: float) -> bool:
    """Whether a piece is the rest of a ruled line: longer than a dash, and low or thin."""
    thin = piece.height < 0.4 * height and piece.area < 0.15 * height * piece.width
    return piece.width > 1.5 * height and (piece.width > 10 * piece.height or thin)


def line_height(ink: np.ndarray) -> float:
    """Typical height of a line of writing, from ascenders to descenders, in pixels.

    Letters are joined to words along the lines, by steps that begin at the size of the letters.
    """

    def typical(pieces: list[Component]) -> float:
        usual = [
            piece
            for piece in pieces
            if max(6, piece.width / 30) <= piece.height <= ink.shape[0] / 4 and piece.area > 12
        ]
        if not usual:
            return ink.shape[0] / 30
        heights = np.array([piece.height for piece in usual], np.float64)
        widths = np.array([piece.width for piece in usual], np.float64)
        order = np.argsort(heights)
        total = np.cumsum(widths[order])
        return float(heights[order][np.searchsorted(total, total[-1] * 0.5)])

    letters = height = typical(find_components(ink)[1][1:])
    for _ in range(2):
        words = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, np.ones((1, max(3, round(1.2 * height))), np.uint8))
        # lines that touch each other would make one high piece
        height = min(typical(find_components(words)[1][1:]), 2.5 * letters)
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
    numbers = labels[rows, columns]
    order = np.argsort(numbers, kind="stable")
    rows, columns, numbers = rows[order], columns[order], numbers[order]
    borders = np.flatnonzero(np.diff(numbers)) + 1
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
    for ridge in sorted(ridges, key=lambda ridge: -ridge.weight):
        double = False
        for other in kept:
            left, right = max(ridge.left, other.left), min(ridge.right, other.right)
            if right - left > 0.5 * (ridge.right - ridge.left):
                distance = np.median([abs(ridge.at(x) - other.at(x)) for x in np.linspace(left, right - 1, 9)])
                density = (ridge.weight / len(ridge.middle)) / (other.weight / len(other.middle))
                double |= bool(distance < 0.7 * height or (distance < 1.6 * height and density < 0.4))
        if not double:
            kept.append(ridge)
    return kept


def _joined(ridges: list[_Ridge], height: float) -> list[_Ridge]:
    """Join ridges that follow each other on one line."""
    rest = sorted(ridges, key=lambda ridge: ridge.left)
    joined: list[_Ridge] = []
    near = round(2 * height)
    while rest:
        run = rest.pop(0)
        while True:
            end = np.median(run.middle[-near:])
            follows = [
                (ridge.left - run.right, index)
                for index, ridge in enumerate(rest)
                if -height < ridge.left - run.right and abs(np.median(ridge.middle[:near]) - end) < 0.6 * height
            ]
            if not follows:
                break
            ridge = rest.pop(min(follows)[1])
            start = max(ridge.left, run.right)
            between = np.linspace(run.middle[-1], ridge.at(start), start - run.right + 2)[1:-1]
            middle = np.concatenate([run.middle, between, ridge.middle[start - ridge.left :]])
            run = _Ridge(run.left, middle.astype(np.float32), run.weight + ridge.weight)
        joined.append(run)
    return joined


def _blocks(ink: np.ndarray, height: float) -> Iterator[tuple[np.ndarray, list[_Ridge]]]:
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
    beside = (centres[:, 1] >= top) & (centres[:, 1] < bottom)
    above = ~beside & (centres[:, 1] < top)
    parts = above, beside & (centres[:, 0] < x), beside & (centres[:, 0] >= x), ~beside & ~above
    if not (parts[1][1:].any() and parts[2][1:].any()):  # large pieces reach beyond the strip
        yield ink, runs
        return
    for chosen in parts:
        chosen[0] = False  # the paper
        yield from _blocks(chosen[labels].astype(np.uint8), height)


def _gutter(ink: np.ndarray, runs: list[_Ridge], height: float) -> tuple[int, int, int] | None:
    """Where to cut writing into columns: x, and the top and bottom of a white strip with writing on both sides.

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
        across = [run for run in runs if top < run.at(x) < bottom]
        beside = sum(run.left < x - height for run in across), sum(run.right > x + height for run in across)
        if min(beside) < 2 or max(beside) < MIN_COLUMN:
            continue
        # numbers of a list belong to the lines beside them
        if all(_extent(side.any(axis=0)) > 4 * height for side in (ink[top:bottom, :x], ink[top:bottom, x:])):
            return x, top, bottom
    return None


def _extent(inked: np.ndarray) -> int:
    """Columns from the first to the last with ink."""
    columns = np.flatnonzero(inked)
    return int(columns[-1] - columns[0]) + 1 if len(columns) else 0


def _owners(labels: np.ndarray, pieces: list[Component], lines: list[_Ridge], height: float) -> np.ndarray:
    """The line, from 1, that each pixel of ink belongs to; 0 where there is none."""
    owner = np.zeros(len(pieces), np.int32)
    touching: list[int] = []  # pieces of two lines
    for number in np.unique(labels[labels > 0]):
        piece = pieces[number]
        x, y = (piece.left + piece.right) / 2, (piece.top + piece.bottom) / 2
        near = []
        for index, line in enumerate(lines):
            beside = max(line.left - x, x - line.right, 0)
            if beside < 2 * height:
                near.append((abs(line.at(x) - y) + 0.5 * beside, index, line.at(x)))
        crossing = sum(piece.top < row < piece.bottom for _, _, row in near)
        if crossing > 1 and piece.height > 1.5 * height:
            touching.append(number)
        elif near and min(near)[0] < 1.6 * height:
            owner[number] = min(near)[1] + 1
    result = owner[labels]
    for number in touching:  # each pixel goes to the nearer line
        piece = pieces[number]
        place = slice(piece.top, piece.bottom), slice(piece.left, piece.right)
        columns, rows = np.arange(piece.left, piece.right), np.arange(piece.top, piece.bottom)
        middles = np.stack([np.interp(columns, np.arange(line.left, line.right), line.middle) for line in lines])
        closest = np.abs(rows[None, :, None] - middles[:, None]).argmin(axis=0) + 1
        inked = labels[place] == number
        result[place][inked] = closest[inked]
    return result
