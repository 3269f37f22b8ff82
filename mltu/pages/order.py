"""Blocks of writing and the order in which their lines are read.

A recursive X-Y cut (Nagy and Seth, "Hierarchical representation of optically scanned documents", 1984) on the
places of lines, whose cuts need not go through the whole page: above a gutter, left of it, right of it, below.
Tables are read row by row, additions between lines after the line that they stand above, sideways notes after the
block that they stand beside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

SHORTENED = 1.0  # line heights at each end that do not count; lines of neighbouring columns may overlap a little
MIN_COLUMN = 2  # lines of a column
SHARED = 0.5  # of the height of the lower column that stands beside the other
SAME_ROW = 0.4  # line heights between lines of one row
SPLIT_GAP, SPLIT_SHARE = 1.2, 0.6  # line heights between parts of one line; share of a column's lines that go on so
MAX_SPLIT = 8  # lines; more do not break at one place by chance
ADDITION_LENGTH, ADDITION_RISE = 0.6, 0.72  # of an addition: share of its line's length and of the distance of lines
CROSSING = 0.08  # of the lines of the fullest column of a table may reach into the next
CELL = 8  # line heights; cells of a table are shorter
MIN_ROWS = 3  # of a table
SPANNED = 0.6  # of the height of a table by the column that tells its rows
ALIGNED = 0.7  # share of the rows of a table in which another column has a line at the same height


class _Places(NamedTuple):
    """Where lines are, in coordinates in which they are level; arrays with an entry for each line."""

    left: np.ndarray  # without what does not count
    right: np.ndarray
    y: np.ndarray  # of the baseline's middle
    height: np.ndarray
    start: np.ndarray  # of the whole line, x and y, shape (lines, 2)
    end: np.ndarray

    @classmethod
    def of(cls, baselines: Sequence[np.ndarray], heights: np.ndarray, angle: float) -> _Places:
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        ends = np.array([[points[0], np.median(points, axis=0), points[-1]] for points in baselines]) @ turn
        left, right = ends[..., 0].min(axis=1), ends[..., 0].max(axis=1)
        cut = np.minimum(SHORTENED * heights, 0.2 * (right - left))
        return cls(left + cut, right - cut, np.median(ends[..., 1], axis=1), heights, ends[:, 0], ends[:, 2])


def reading_order(baselines: Sequence[np.ndarray], heights: Sequence[float]) -> list[tuple[int, int]]:
    """The order in which the lines of a page are read.

    Args:
        baselines: of the lines, in writing direction, each of shape (points, 2), pixels.
        heights: of the lines, pixels.

    Returns:
        (index of a line, number of its block from 0) for each line, in reading order.
    """
    if not len(baselines):
        return []
    along = np.array([points[-1] - points[0] for points in baselines], np.float64)
    angles = np.arctan2(along[:, 1], along[:, 0])
    # upside-down lines, which a page may have beside others, count as level
    sideways = np.abs(np.sin(angles)) > np.sin(np.pi / 4)
    if sideways.all():
        sideways[:] = False
    lengths = np.linalg.norm(along, axis=1)
    blocks: list[list[int]] = []
    level = np.flatnonzero(~sideways)
    main = weighted_median(angles[level], lengths[level])
    heights = np.maximum(np.asarray(heights, np.float64), 1.0)
    places = _Places.of(baselines, heights, main)
    blocks += list(_blocks(level, places))
    centres = np.array([np.median(points, axis=0) for points in baselines])
    for notes in _groups(np.flatnonzero(sideways), centres, heights, angles):
        turned = _Places.of(baselines, heights, weighted_median(angles[notes], lengths[notes]))
        distance = [np.linalg.norm(centres[block][:, None] - centres[notes], axis=2).min() for block in blocks]
        blocks.insert(int(np.argmin(distance)) + 1, [line for block in _blocks(notes, turned) for line in block])
    return [(line, number) for number, block in enumerate(blocks) for line in block]


def find_columns(baselines: Sequence[np.ndarray], heights: np.ndarray, least: int) -> np.ndarray:
    """The block between gutters that each line, or piece of one, belongs to, shape (lines,); arguments as above.

    Args:
        least: lines on each side of a gutter.
    """
    along = np.array([points[-1] - points[0] for points in baselines], np.float64)
    main = weighted_median(np.arctan2(along[:, 1], along[:, 0]), np.linalg.norm(along, axis=1))
    places = _Places.of(baselines, np.asarray(heights, np.float64), main)
    blocks = np.zeros(len(baselines), int)
    for number, block in enumerate(_blocks(np.arange(len(baselines)), places, least, tables=False)):
        blocks[block] = number
    return blocks


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The value below which half of the weights are; arrays of one shape (values,)."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def _groups(lines: np.ndarray, centres: np.ndarray, heights: np.ndarray, angles: np.ndarray) -> Iterator[np.ndarray]:
    """Sideways lines that stand together: those of one direction less than four heights beside each other."""
    rest = list(lines)
    while rest:
        group = [rest.pop(0)]
        for member in group:
            across = np.array([-np.sin(angles[member]), np.cos(angles[member])])
            near = [
                other
                for other in rest
                if np.cos(angles[other] - angles[member]) > 0.7
                and abs((centres[other] - centres[member]) @ across) < 4 * heights[member]
            ]
            group += near
            rest = [other for other in rest if other not in near]
        yield np.array(group)


def _blocks(lines: np.ndarray, places: _Places, least: int = MIN_COLUMN, tables: bool = True) -> Iterator[list[int]]:
    """The blocks of some lines in reading order, each a list of lines in reading order.

    Args:
        lines: indices.
        places: of all lines.
        least: lines of a column.
        tables: look for tables, whose blocks are rows.
    """
    if not len(lines):
        return
    gutter = _gutter(lines, places, least)
    if gutter is None:
        yield _rows(lines, places)
        return
    x, top, bottom = gutter
    y, middle = places.y[lines], (places.left + places.right)[lines] / 2
    beside = (y > top) & (y < bottom)
    slab = lines[beside]
    yield from _blocks(lines[y <= top], places, least, tables)
    columns = _columns(slab, places)
    starts = _table_rows(columns, places) if tables else None
    if starts is not None:
        yield from _blocks(slab[places.y[slab] < starts[0]], places, least, tables=False)  # the table's head
        for low, high in zip(starts, [*starts[1:], np.inf], strict=True):
            cells = [column[(places.y[column] >= low) & (places.y[column] < high)] for column in columns]
            row = [line for cell in cells if len(cell) for line in _rows(cell, places)]
            if row:
                yield row
    else:
        yield from _blocks(lines[beside & (middle < x)], places, least, tables)
        yield from _blocks(lines[beside & (middle >= x)], places, least, tables)
    yield from _blocks(lines[y >= bottom], places, least, tables)


def _gutter(lines: np.ndarray, places: _Places, least: int) -> tuple[float, float, float] | None:
    """The longest gutter between columns: x, and the heights of the lines above and below that end it."""
    left, right, y = places.left[lines], places.right[lines], places.y[lines]
    order = np.argsort(y, kind="stable")
    lines, left, right, y = lines[order], left[order], right[order], y[order]
    best, best_length = None, 0.0
    for x in np.unique(right):
        on_left, on_right = right <= x, left > x
        # runs of lines between those that cross x
        crossing = np.flatnonzero(~(on_left | on_right))
        for first, last in zip([-1, *crossing], [*crossing, len(y)], strict=True):
            run = slice(first + 1, last)
            one, other = y[run][on_left[run]], y[run][on_right[run]]
            if min(len(one), len(other)) < least:
                continue
            shared = min(one[-1], other[-1]) - max(one[0], other[0])
            length = y[last - 1] - y[first + 1]
            if shared < SHARED * min(one[-1] - one[0], other[-1] - other[0]) or length <= best_length:
                continue
            if _are_split(lines[run][on_left[run]], lines[run][on_right[run]], places):
                continue
            gap = left[run][on_right[run]].min()
            best_length = length
            best = (
                float(x + gap) / 2,
                float(y[first]) if first >= 0 else -np.inf,
                float(y[last]) if last < len(y) else np.inf,
            )
    return best


def _are_split(one: np.ndarray, other: np.ndarray, places: _Places) -> bool:
    """Whether lines left and right of a gutter are parts of the same lines, which broke at one place by chance."""
    fewer = min(len(one), len(other))
    if fewer > MAX_SPLIT:
        return False
    height = np.minimum(places.height[one][:, None], places.height[other])
    gap = places.start[other, 0] - places.end[one, 0][:, None]
    step = places.start[other, 1] - places.end[one, 1][:, None]
    goes_on = (gap < SPLIT_GAP * height) & (np.abs(step) < SAME_ROW * height)
    return min(goes_on.any(axis=1).sum(), goes_on.any(axis=0).sum()) >= SPLIT_SHARE * fewer


def _columns(lines: np.ndarray, places: _Places) -> list[np.ndarray]:
    """Lines parted where next to none is above another, from left to right."""
    left, right = places.left[lines], places.right[lines]
    at = np.unique(np.concatenate([left, right]))
    at = (at[1:] + at[:-1]) / 2
    covered = ((left[:, None] < at) & (at < right[:, None])).sum(axis=0)
    gaps = at[covered <= CROSSING * covered.max(initial=0)]
    column = np.searchsorted(gaps, (left + right) / 2)
    return [lines[column == number] for number in np.unique(column)]


def _table_rows(columns: list[np.ndarray], places: _Places) -> np.ndarray | None:
    """Where the rows of a table begin, ascending; None if columns of lines are not one.

    A column of short entries tells the rows if other columns have lines at the same heights: the first such column
    that is not much emptier than the others. A note beside a text does not go from its top to its bottom.
    """
    y = places.y[np.concatenate(columns)]
    keys = []
    for key in columns:
        others = np.concatenate([column for column in columns if column is not key] or [key[:0]])
        width = np.median((places.right - places.left)[key] / places.height[key])
        least = MIN_ROWS if len(columns) > 2 else MIN_ROWS + 1
        if len(key) < least or width > CELL or not len(others) or np.ptp(places.y[key]) < SPANNED * np.ptp(y):
            continue
        distance = np.abs(places.y[key][:, None] - places.y[others]).min(axis=1)
        if (distance < SAME_ROW * np.median(places.height[key])).mean() >= ALIGNED:
            keys.append(key)
    if not keys:
        return None
    usual = np.median([len(key) for key in keys])
    key = next(key for key in keys if len(key) >= ALIGNED * usual)
    return np.sort(places.y[key]) - SAME_ROW * np.median(places.height[key])


def _rows(lines: np.ndarray, places: _Places) -> list[int]:
    """Lines of one column from top to bottom, those of one height from left to right, additions after their line."""
    lines = lines[np.argsort(places.y[lines], kind="stable")]
    lines = np.array(_without_steps(lines, places))
    host = _additions(lines, places)
    result = []
    for line in lines:
        if line not in host:
            added = [addition for addition in lines if host.get(addition) == line]
            result += [int(line), *sorted(map(int, added), key=lambda addition: places.left[addition])]
    return result


def _without_steps(lines: np.ndarray, places: _Places) -> list[int]:
    """Lines that are sorted by height, those beside each other from left to right."""
    result: list[int] = []
    row: list[int] = []
    for line in lines:
        beside = row and all(
            places.left[line] > places.right[other] or places.right[line] < places.left[other] for other in row
        )
        if not beside or places.y[line] - places.y[row[0]] > SAME_ROW * places.height[row[0]]:
            result += sorted(row, key=lambda other: places.left[other])
            row = []
        row.append(int(line))
    return result + sorted(row, key=lambda other: places.left[other])


def _additions(lines: np.ndarray, places: _Places) -> dict[int, int]:
    """Lines that were added between others -> the line below, which they belong to."""
    length, y = (places.right - places.left)[lines], places.y[lines]
    whole = np.sort(y[length > 0.5 * np.quantile(length, 0.8)])
    steps = np.diff(whole)
    steps = steps[steps > 0.3 * np.median(places.height[lines])]
    if not len(steps):
        return {}
    distance = float(np.median(steps))
    host = {}
    for index, line in enumerate(lines):
        below = y - y[index]
        overlap = np.minimum(places.right[lines], places.right[line]) - np.maximum(
            places.left[lines], places.left[line]
        )
        candidates = (
            (below > 0.2 * distance)
            & (below < ADDITION_RISE * distance)
            & (length[index] < ADDITION_LENGTH * length)
            & (overlap > 0.7 * length[index])
        )
        if candidates.any():
            host[int(line)] = int(lines[np.argmin(np.where(candidates, below, np.inf))])
    # an addition to an addition belongs to the line of the other
    return {line: host.get(other, other) for line, other in host.items()}
