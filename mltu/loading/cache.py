"""Preprocessed samples in memory, for threads and processes that load batches."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..annotations.images import Image
from .shared_memory import SharedArrays, Span, read


class Entry(NamedTuple):
    """A preprocessed sample in the cache."""

    pixels: np.ndarray | Span
    frame: Image | None  # the image without its pixels; None where the data is the array itself
    annotation: Any


def make_entry(data: Any, annotation: Any) -> Entry | None:
    """A copy of a preprocessed sample, as augmentors may write into what they get; None if it is not an array."""
    pixels = data.numpy() if isinstance(data, Image) else data
    if not isinstance(pixels, np.ndarray) or pixels.dtype.hasobject or not pixels.nbytes:
        return None
    frame = copy.copy(data).update(np.empty(0, pixels.dtype)) if isinstance(data, Image) else None
    return Entry(pixels.copy(), frame, copy.deepcopy(annotation))


def restore(entry: Entry) -> tuple[Any, Any]:
    """(data, annotation) of an entry, free to be changed."""
    pixels = read(entry.pixels) if isinstance(entry.pixels, Span) else entry.pixels.copy()
    data = pixels if entry.frame is None else copy.copy(entry.frame).update(pixels)
    return data, copy.deepcopy(entry.annotation)


class Cache:
    """Preprocessed samples, up to a bound; shared by providers that were split, and, if wanted, by processes."""

    def __init__(self, megabytes: int, shared: bool = False) -> None:
        self._left = int(megabytes * 1_000_000)
        self._arrays = SharedArrays(self._left) if shared else None
        self._entries: dict[tuple[str, str], Entry] = {}
        self._lock = threading.Lock()

    @property
    def room(self) -> int:
        """Bytes of the largest sample that still fits."""
        return self._left if self._arrays is None else self._arrays.room

    @staticmethod
    def _key(sample: Sequence) -> tuple[str, str] | None:
        return (sample[0], sample[1]) if isinstance(sample[0], str) and isinstance(sample[1], str) else None

    def get(self, sample: Sequence) -> Entry | None:
        """The entry of a sample, if there is one."""
        return self._entries.get(self._key(sample))

    def put(self, sample: Sequence, entry: Entry | None) -> None:
        """Keep an entry, if it fits; samples are known by the path and text that they name."""
        key = self._key(sample)
        if key is None or entry is None:
            return
        with self._lock:
            if key in self._entries or entry.pixels.nbytes > self.room:
                return
            if self._arrays is None:
                self._left -= entry.pixels.nbytes
                self._entries[key] = entry
            elif span := self._arrays.keep(entry.pixels):
                self._entries[key] = entry._replace(pixels=span)

    def close(self) -> None:
        """Forget all entries, and keep none any more."""
        with self._lock:
            self._entries.clear()
            self._left = 0
            if self._arrays:
                self._arrays.close()
