"""From the line finder's maps to lines: pieces of cores, their centres column by column, pieces joined to lines.

Pieces are followed along their own direction, so that level, steep, vertical and upside-down writing are one case.
All steps work on all pieces at once, and the number of pieces is bounded.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from .maps import CORE_ABOVE, CORE_BELOW, END_RADIUS, LONGEST_CUT, MAX_HEIGHT, MIN_HEIGHT, SHORTENED, STRIDE, Line
from .order import find_columns, weighted_median

MAX_PIECES = 600  # of a page, the largest; no page has as many lines
LEVELS = (0.45, 0.6, 0.75, 0.88)  # of the score; where lines touch, the next level is to part them
END_WEIGHT = 0.2  # how much line ends lower the score
MIN_AREA = 4  # pixels of the maps
FULL_COLUMN = 0.7  # of the usual weight of a piece's columns, across its direction
MAX_THICKNESS = 1.7  # times that of the core of one line
MAX_TURN = 0.9  # least cosine between the directions of pieces that are joined
MAX_GAP = 2.5  # line heights between pieces of a line
CLOSE_GAP = 0.5  # line heights that pieces may overlap, and that are too near for an end to part them
MAX_SHIFT = 0.5  # line heights across the line between pieces of a line
SHIFT_OF_GAP, SHIFT_OF_CORE = 0.1, 0.1  # how much less a gap allows of it, and how much more cores between them
MAX_END = (0.9, 0.97)  # of the probability of an end between pieces, and between such that are near
MIN_COLUMN = 6  # pieces on each side of a gutter, which no line crosses
PROBES = 16  # places between two pieces where the maps are asked
MIN_CORE, MIN_SHORT_CORE = 0.65, 0.78  # mean probability of the core along a line, and along the shortest
SHORT = 3.0  # usual line heights; shorter lines need more evidence
LONGEST_CELL = 4.0  # usual line heights, of what may be numbers in a column of a table
MIN_CELL_CORE = 0.6  # mean probability of the core along a cell that has others above or below it
MIN_STACKED = 3  # of the cells above and below it
MIN_LENGTH = 0.5  # usual line heights
ROOM_ABOVE, ROOM_BELOW = 1.2, 1.2  # of the heights, that outlines take in
POINTS_PER_HEIGHT, MAX_POINTS = 1.0, 33  # of a baseline


class FoundLine(NamedTuple):
    """A line of writing in pixels of the network's input."""

    line: Line
    probability: float  # mean of the core's along the line

    @property
    def polygon(self) -> np.ndarray:
        """Outline, shape (2 points, 2), clockwise from the upper left of the writing."""
        return self.line.band(ROOM_ABOVE * self.line.above, ROOM_BELOW * self.line.below)


class _Pieces(NamedTuple):
    """Connected pieces of cores, in pixels of the maps; arrays with an entry for each piece, except `points`."""

    points: list[np.ndarray]  # centres along the piece in writing direction, shape (points, 2)
    above: np.ndarray
    below: np.ndarray
    core: np.ndarray  # mean probability

    @property
    def height(self) -> np.ndarray:
        return self.above + self.below


def decode(maps: np.ndarray, barrier: np.ndarray | None = None) -> list[FoundLine]:
    """Lines of writing from the maps that the network gives.

    Args:
        maps: float, shape (height, width, 6), see :mod:`.maps`.
        barrier: what no line may cross, such as the rules of a table; bool, shape (height, width).

    Returns:
        The lines, in no certain order.
    """
    maps = np.nan_to_num(np.asarray(maps, np.float32))
    pieces = _find_pieces(maps, barrier)
    if not pieces.points:
        return []
    return _evident([_line(pieces, chain) for chain in _chains(pieces, maps, barrier)], barrier)


def _evident(lines: list[FoundLine], barrier: np.ndarray | None) -> list[FoundLine]:
    """Without what is too faint or too short for a line; cells of a table make those above and below them likely."""
    lengths = np.array([found.line.length for found in lines])
    heights = np.array([found.line.above + found.line.below for found in lines])
    usual = weighted_median(heights, lengths)
    length = lengths / usual
    needed = MIN_CORE + (MIN_SHORT_CORE - MIN_CORE) * np.clip(1 - length / SHORT, 0, 1)
    probability = np.array([found.probability for found in lines])
    evident = (probability >= needed) & (length >= MIN_LENGTH)
    if barrier is not None:
        cells = (length < LONGEST_CELL) & (length >= MIN_LENGTH) & (probability >= MIN_CELL_CORE)
        middles = np.array([found.line.baseline.mean(axis=0) for found in lines])
        cells[cells] = [_between_rules(middle, usual, barrier) for middle in middles[cells]]
        stacked = np.abs(middles[cells, None, 0] - middles[evident & (length < LONGEST_CELL), 0]) < usual
        evident[cells] |= stacked.sum(axis=1) >= MIN_STACKED
    return [lines[index] for index in np.flatnonzero(evident)]


def _between_rules(point: np.ndarray, height: float, barrier: np.ndarray) -> bool:
    """Whether a table's rules stand on both sides of a point, pixels of the input, within a line's height."""
    (x, y), reach = (point / STRIDE).astype(int), max(1, int(height / STRIDE))
    beside = barrier[max(0, y - reach) : y + reach].any(axis=0)
    return bool(beside[: max(0, x)].any() and beside[x + 1 :].any())


# --- pieces ---------------------------------------------------------------------------------


def _find_pieces(maps: np.ndarray, barrier: np.ndarray | None) -> _Pieces:
    """Connected pieces of cores; those that are too thick for one line are parted at higher levels."""
    core, ends = maps[..., 0], maps[..., 1]
    score = core * (1 - END_WEIGHT * np.clip(ends, 0, 1))
    if barrier is not None:
        score = np.where(barrier, 0, score)
    points: list[np.ndarray] = []
    above, below, cores = [], [], []
    open_pixels = np.ones(score.shape, bool)
    for level in LEVELS:
        mask = (score > level) & open_pixels
        found = _measure(mask, score, maps)
        if found is None:
            break
        thick = found.thick if level != LEVELS[-1] else np.zeros(len(found.thick), bool)
        # a single column tells no direction
        chosen = ~thick & np.array([len(centre) > 1 for centre in found.points])
        points += [found.points[index] for index in np.flatnonzero(chosen)]
        for values, kept in ((above, found.above), (below, found.below), (cores, found.core)):
            values.append(kept[chosen])
        if not thick.any():
            break
        open_pixels = np.concatenate([[False], thick])[found.labels]
    if not points:
        return _Pieces([], *(np.zeros(0) for _ in range(3)))
    return _Pieces(points, *(np.concatenate(values) for values in (above, below, cores)))


class _Measured(NamedTuple):
    labels: np.ndarray  # piece of each pixel, from 1; 0 where there is none
    points: list[np.ndarray]
    above: np.ndarray
    below: np.ndarray
    core: np.ndarray
    thick: np.ndarray  # whether a piece is thicker than the core of one line


def _measure(mask: np.ndarray, score: np.ndarray, maps: np.ndarray) -> _Measured | None:
    """The connected pieces of a mask; None if there are none of `MIN_AREA` pixels."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    areas = stats[:, cv2.CC_STAT_AREA].copy()
    areas[0] = 0
    kept = np.argsort(-areas, kind="stable")[:MAX_PIECES]
    kept = np.sort(kept[areas[kept] >= MIN_AREA])
    if not len(kept):
        return None
    renumber = np.zeros(count, np.int32)
    renumber[kept] = np.arange(1, len(kept) + 1)
    labels = renumber[labels]
    count = len(kept)
    y, x = np.nonzero(labels)
    piece = labels[y, x] - 1
    weight = score[y, x].astype(np.float64)
    at = maps[y, x].astype(np.float64)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(piece, weight * values, count) / total

    total = np.bincount(piece, weight, count)
    # means of logarithms, which a few wild pixels hardly move
    above, below = (np.exp(mean(np.log(np.clip(at[:, i], MIN_HEIGHT, MAX_HEIGHT)))) / STRIDE for i in (2, 3))
    along = _directions(piece, x, y, weight, total, np.stack([mean(at[:, 4]), mean(at[:, 5])], axis=1))
    # columns along each piece's direction, numbered through all pieces
    run = x * along[piece, 0] + y * along[piece, 1]
    across = y * along[piece, 0] - x * along[piece, 1]
    first = np.full(count, np.inf)
    np.minimum.at(first, piece, run)
    column = np.floor(run - first[piece] + 0.5).astype(np.int64)
    lengths = np.zeros(count, np.int64)
    np.maximum.at(lengths, piece, column + 1)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    key = starts[piece] + column
    columns = int(starts[-1])
    column_weight = np.bincount(key, weight, columns)
    seen = column_weight > 0
    middle = np.bincount(key, weight * across, columns) / np.maximum(column_weight, 1e-9)
    spread = np.bincount(key, weight * across**2, columns) / np.maximum(column_weight, 1e-9) - middle**2
    thickness = np.sqrt(np.maximum(12 * spread, 0)) + 1
    expected = np.maximum(CORE_ABOVE * above, 3 / STRIDE) + np.maximum(CORE_BELOW * below, 1 / STRIDE)
    owner = np.repeat(np.arange(count), lengths)
    too_thick = thickness > MAX_THICKNESS * expected[owner] + 1
    # a step across the line within a fraction of its height leads from one line to another
    thick = np.bincount(owner, too_thick & seen, count) > 0.15 * np.bincount(owner, seen, count)
    points = []
    for index in range(count):
        part = slice(starts[index], starts[index + 1])
        # the few pixels of slanting ends tell no centre
        places = np.flatnonzero(column_weight[part] >= FULL_COLUMN * np.median(column_weight[part]))
        height = above[index] + below[index]
        centre = _straight_on(places, middle[part][places], int(lengths[index]), height)
        centre = _smooth(centre, max(0.7, 0.35 * height))
        runs = first[index] + np.arange(lengths[index])
        cos, sin = along[index]
        points.append(np.stack([runs * cos - centre * sin, runs * sin + centre * cos], axis=1))
        slope = np.abs(np.diff(centre))
        thick[index] |= bool(len(slope) and slope.max() > 1.0)
    core = np.bincount(piece, at[:, 0], count) / np.bincount(piece, minlength=count)
    return _Measured(labels, points, above, below, core, thick)


def _directions(
    piece: np.ndarray, x: np.ndarray, y: np.ndarray, weight: np.ndarray, total: np.ndarray, told: np.ndarray
) -> np.ndarray:
    """Unit vectors of the writing direction of each piece, shape (pieces, 2).

    They are the axes of the pieces where those are long, because they are more exact than what the maps tell.

    Args:
        piece: number of each pixel's piece.
        x, y, weight: of each pixel.
        total: weight of each piece.
        told: mean direction that the maps tell for each piece, shape (pieces, 2).
    """
    count = len(total)

    def mean(values: np.ndarray) -> np.ndarray:
        return np.bincount(piece, weight * values, count) / total

    dx, dy = x - mean(x)[piece], y - mean(y)[piece]
    xx, yy, xy = mean(dx * dx), mean(dy * dy), mean(dx * dy)
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    root = np.hypot((xx - yy) / 2, xy)
    long, short = (xx + yy) / 2 + root, (xx + yy) / 2 - root
    axis = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    size = np.linalg.norm(told, axis=1, keepdims=True)
    # without any direction told, writing runs to the right
    told = np.where(size > 0.1, told / np.maximum(size, 1e-6), [1.0, 0.0])
    agreement = (axis * told).sum(axis=1)
    trusted = (long > 12 * short + 2) & (np.abs(agreement) > 0.6)
    return np.where(trusted[:, None], axis * np.sign(agreement)[:, None], told)


def _straight_on(places: np.ndarray, values: np.ndarray, length: int, height: float) -> np.ndarray:
    """Values at the places 0 to `length` - 1, straight on beyond the first and the last that is known.

    Args:
        places: where values are known, ascending.
        values: there.
        length: number of places.
        height: of the line; the outer parts of so many places tell how to go on.
    """
    result = np.interp(np.arange(length), places, values)
    reach = max(2, round(1.5 * height))
    for end, inner in ((slice(0, places[0]), slice(0, reach)), (slice(places[-1] + 1, length), slice(-reach, None))):
        if end.start < end.stop and len(places[inner]) > 2:
            x = places[inner] - places[inner].mean()
            slope = (x * values[inner]).sum() / (x * x).sum()
            result[end] = values[inner].mean() + slope * (np.arange(length)[end] - places[inner].mean())
    return result


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian smoothing that keeps straight lines straight up to their ends."""
    if len(values) < 3:
        return values
    pad = min(len(values) - 1, int(3 * sigma) + 1)
    # reflected through the end points
    before = 2 * values[0] - values[pad:0:-1]
    after = 2 * values[-1] - values[-2 : -pad - 2 : -1]
    padded = np.concatenate([before, values, after])
    return cv2.GaussianBlur(padded[None], (2 * pad + 1, 1), sigma)[0, pad : pad + len(values)]


# --- joining --------------------------------------------------------------------------------


def _chains(pieces: _Pieces, maps: np.ndarray, barrier: np.ndarray | None) -> list[list[int]]:
    """Pieces that follow each other on one line, as lists of their indices."""
    height = pieces.height
    starts, ends = (np.array([points[i] for points in pieces.points]) for i in (0, -1))
    reaches = [min(len(points) - 1, max(1, int(2 * h))) for points, h in zip(pieces.points, height, strict=True)]
    first = np.array([points[r] - points[0] for points, r in zip(pieces.points, reaches, strict=True)])
    last = np.array([points[-1] - points[-1 - r] for points, r in zip(pieces.points, reaches, strict=True)])
    first, last = (v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-6) for v in (first, last))
    gap = starts[None] - ends[:, None]  # from the end of each piece to the start of each other
    along = last[:, None] + first[None]
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-6)
    forward = (gap * along).sum(axis=2)
    sideways = np.abs(gap[..., 1] * along[..., 0] - gap[..., 0] * along[..., 1])
    common = np.minimum(height[:, None], height[None])
    near = (
        (last @ first.T > MAX_TURN)
        & (np.maximum(height[:, None], height[None]) < 2 * common)
        & (forward > -CLOSE_GAP * common)
        & (forward < MAX_GAP * common)
        & (sideways < 2 * MAX_SHIFT * common)
    )
    np.fill_diagonal(near, False)
    # short pieces may be anything
    long = np.flatnonzero(np.array([len(points) for points in pieces.points]) > SHORT * height)
    if len(long) >= 2 * MIN_COLUMN:
        columns = np.full(len(height), -1)
        columns[long] = find_columns([pieces.points[index] for index in long], height[long], MIN_COLUMN)
        near &= (columns[:, None] == columns) | (columns[:, None] < 0) | (columns < 0)
    one, other = np.nonzero(near)
    gap_heights, shift = forward[near] / common[near], sideways[near] / common[near]
    cost = gap_heights + 3 * shift
    # what the maps say between the pieces
    shares = np.linspace(0, 1, PROBES)[:, None, None]
    places = np.rint(ends[one] + shares * (starts[other] - ends[one])).astype(int)
    columns, rows = (np.clip(places[..., axis], 0, maps.shape[1 - axis] - 1) for axis in (0, 1))
    core, end = maps[rows, columns, 0].mean(axis=0), maps[rows, columns, 1].max(axis=0)
    allowed = end < np.where(gap_heights < CLOSE_GAP, MAX_END[1], MAX_END[0])
    allowed &= shift + SHIFT_OF_GAP * np.maximum(gap_heights, 0) - SHIFT_OF_CORE * core < MAX_SHIFT
    if barrier is not None:
        allowed &= ~barrier[rows, columns].any(axis=0)
    following, before = {}, {}
    for index in np.argsort(cost, kind="stable"):
        i, j = int(one[index]), int(other[index])
        if allowed[index] and i not in following and j not in before:
            following[i], before[j] = j, i
    chains, seen = [], set()
    # circles, which no line makes, begin anywhere
    for index in sorted(range(len(pieces.points)), key=lambda index: index in before):
        chain = []
        while index is not None and index not in seen:
            seen.add(index)
            chain.append(index)
            index = following.get(index)
        if chain:
            chains.append(chain)
    return chains


def _line(pieces: _Pieces, chain: list[int]) -> FoundLine:
    """The line of pieces that follow each other, in pixels of the network's input."""
    points = np.concatenate([pieces.points[index] for index in chain])
    sizes = np.array([len(pieces.points[index]) for index in chain], np.float64)
    above, below, core = (
        float(np.average(values[chain], weights=sizes)) for values in (pieces.above, pieces.below, pieces.core)
    )
    height = above + below
    points = np.stack([_smooth(values, max(1.0, 0.5 * height)) for values in points.T], axis=1)
    places = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    length = float(places[-1])
    at = np.linspace(0, length, int(np.clip(2 + POINTS_PER_HEIGHT * length / height, 2, MAX_POINTS)))
    centre = Line(np.stack([np.interp(at, places, values) for values in points.T], axis=1), above, below)
    up, down = max(CORE_ABOVE * above, 3 / STRIDE), max(CORE_BELOW * below, 1 / STRIDE)
    baseline = centre.band(0, (up - down) / 2)[: len(at) - 1 : -1]
    # what the cores are shortened by, and the ends cover
    longer = max(SHORTENED * above, END_RADIUS * height)
    longer = max(1.0, min(longer, LONGEST_CUT / (1 - 2 * LONGEST_CUT) * (length + 1))) + 0.5
    baseline = Line(baseline, above, below).part(-longer, length + longer).baseline
    return FoundLine(Line(STRIDE * baseline + (STRIDE - 1) / 2, STRIDE * above, STRIDE * below), core)
