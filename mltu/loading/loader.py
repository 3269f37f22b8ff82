"""From samples to a batch: the work that a data provider hands to its workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..annotations.images import Image
from ..augmentors import Augmentor
from ..utils.errors import InputError
from .cache import Cache, Entry, make_entry, restore

STAGES = ("read", "augment", "transform", "stack")


class Stopwatch:
    """Seconds spent in each stage of loading."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Count the time since the last lap towards this stage."""
        now = time.perf_counter()
        self.seconds[stage] += now - self._last
        self._last = now


class Job(NamedTuple):
    """Everything needed to load one batch."""

    samples: list[tuple[Any, Any]]  # data (an image path) and annotation of each
    entries: list[Entry | None]  # of the samples that the cache has
    room: int  # bytes of newly read samples that the cache still takes
    seeds: list[list[int]]  # of each sample's random numbers

    @classmethod
    def of(cls, samples: Sequence[Sequence], seeds: list[list[int]], cache: Cache) -> Job:
        """The job of these samples, with what a cache has of them."""
        entries = [cache.get(sample) for sample in samples]
        return cls([(sample[0], sample[1]) for sample in samples], entries, cache.room, seeds)


class Batch(NamedTuple):
    """The result of a job."""

    data: Any  # None where no sample could be used
    annotations: Any
    lines: int
    failed: list[tuple[int, str]]  # position in the job, and the reason
    fresh: list[tuple[int, Entry]]  # position in the job, and the new entry for the cache
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
        """Preprocess one sample (data, annotation, ...); here as below, InputError means that it cannot be used."""
        data, annotation = sample[:2]
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
        """Apply the transformers; an image becomes its pixels."""
        for transformer in self.transformers:
            data, annotation = transformer(data, annotation)
        return (data.numpy() if isinstance(data, Image) else data), annotation

    def stack(self, lines: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
        """(data, annotations) of a batch."""
        data, annotations = [list(column) for column in zip(*lines, strict=True)]
        for postprocessor in self.batch_postprocessors:
            data, annotations = postprocessor(data, annotations)
        return (np.asarray(data), np.asarray(annotations)) if self.numpy else (data, annotations)

    def process(self, sample: Sequence, rng: np.random.Generator | None, cache: Cache) -> tuple[Any, Any]:
        """Preprocess, augment (unless `rng` is None) and transform one sample, which the cache keeps preprocessed."""
        entry = cache.get(sample)
        data, annotation = restore(entry) if entry else self.read(sample)
        if not entry and cache.room:
            cache.put(sample, make_entry(data, annotation))
        if rng is not None:
            data, annotation = self.augment(data, annotation, rng)
        return self.transform(data, annotation)

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
