"""Doing several things at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Results in order, worked out by a pool at most `ahead` items before they are asked for.

    So however many items there are, few results are held. What has not begun is dropped when the caller stops.
    """
    rest = iter(items)
    waiting = deque(pool.submit(function, one) for one in islice(rest, ahead))
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, one) for one in islice(rest, 1))
            yield result
    finally:
        for one in waiting:
            one.cancel()
