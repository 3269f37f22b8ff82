"""From samples to a batch: the work that a data provider hands to its workers, and the cache that they read from.

Imports nothing slow: every worker process imports this module.
"""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .annotations.images import Image
from .augmentors import Augmentor
from .utils.errors import InputError
from .utils.shared_arrays import SharedArrays, Span, read

STAGES = ("read", "augment", "transform", "stack")


class Entry(NamedTuple):
    """A preprocessed sample in the cache."""

    pixels: np.ndarray | Span
    frame: Image | None  # what is around the pixels, without them; None where the data is the array itself
    annotation: Any


def make_entry(data: Any, annotation: Any) -> Entry | None:
    """A copy of a preprocessed sample, as augmentors may write into what they get; None if it is no array."""
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
    """Preprocessed samples in memory, up to a bound; shared by providers that were split.

    Args:
        megabytes: the bound.
        shared: keep them where worker processes can read them too.
    """

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
        """Forget all, and keep nothing any more."""
        with self._lock:
            self._entries.clear()
            self._left = 0
            if self._arrays:
                self._arrays.close()


class Stopwatch:
    """Seconds spent in each stage of loading."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """What went by since the last lap was this stage."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


class Job(NamedTuple):
    """What is needed to load one batch."""

    samples: list[tuple[Any, Any]]  # data (an image path) and annotation of each
    entries: list[Entry | None]  # of the samples that the cache has
    room: int  # bytes of newly read samples that the cache still takes
    seeds: list[list[int]]  # of each sample's random numbers


class Batch(NamedTuple):
    """What came of a job."""

    data: Any  # None where not one sample could be used
    annotations: Any
    lines: int
    failed: list[tuple[int, str]]  # position in the job, and why
    fresh: list[tuple[int, Entry]]  # position in the job, and what is for the cache
    seconds: dict[str, float]  # by stage


@dataclass(frozen=True)
class Loader:
    """Preprocess, augment, transform and stack; see :class:`mltu.dataProvider.DataProvider` for the fields."""

    preprocessors: Sequence[Callable]
    augmentors: Sequence[Callable]
    transformers: Sequence[Callable]
    batch_postprocessors: Sequence[Callable]
    numpy: bool

    def read(self, sample: Sequence) -> tuple[Any, Any]:
        """Preprocess one sample (data, annotation, ...).

        Raises:
            InputError: it cannot be used.
        """
        data, annotation = sample[0], sample[1]
        for preprocessor in self.preprocessors:
            data, annotation = preprocessor(data, annotation)
        return data, annotation

    def augment(self, data: Any, annotation: Any, rng: np.random.Generator) -> tuple[Any, Any]:
        """Apply the augmentors; those of the project take their random numbers from `rng`."""
        for augmentor in self.augmentors:
            options = {"rng": rng} if isinstance(augmentor, Augmentor) else {}
            data, annotation = augmentor(data, annotation, **options)
        return data, annotation

    def transform(self, data: Any, annotation: Any) -> tuple[Any, Any]:
        """Apply the transformers; an image becomes its pixels.

        Raises:
            InputError: the sample cannot be used.
        """
        for transformer in self.transformers:
            data, annotation = transformer(data, annotation)
        return (data.numpy() if isinstance(data, Image) else data), annotation

    def stack(self, lines: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
        """(data, annotations) of a batch."""
        data, annotations = [list(column) for column in zip(*lines, strict=True)]
        for postprocessor in self.batch_postprocessors:
            data, annotations = postprocessor(data, annotations)
        return (np.asarray(data), np.asarray(annotations)) if self.numpy else (data, annotations)

    def __call__(self, job: Job) -> Batch:
        """Load a batch; samples that cannot be used are left out and named."""
        watch = Stopwatch()
        lines: list[tuple[Any, Any]] = []
        failed, fresh = [], []
        room = job.room
        for position, (sample, entry, seed) in enumerate(zip(job.samples, job.entries, job.seeds, strict=True)):
            try:
                line = restore(entry) if entry else self.read(sample)
                new = make_entry(*line) if room and not entry else None
                if new and new.pixels.nbytes <= room:
                    room -= new.pixels.nbytes
                    fresh.append((position, new))
                watch.lap("read")
                line = self.augment(*line, np.random.default_rng(seed))
                watch.lap("augment")
                lines.append(self.transform(*line))
                watch.lap("transform")
            except InputError as error:
                failed.append((position, str(error)))
                watch.lap("read")  # as most fail there
        data, annotations = self.stack(lines) if lines else (None, None)
        watch.lap("stack")
        return Batch(data, annotations, len(lines), failed, fresh, watch.seconds)
