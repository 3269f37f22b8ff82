"""Samples in, batches out; knows no deep-learning framework."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from .datasets import Sample, Skipped, random_split, read_table, write_table
from .loading.batches import Mixture, plan_epoch
from .loading.cache import Cache
from .loading.checked import CheckedLines
from .loading.loader import Batch, Job, Loader
from .loading.record import LoadingRecord, as_skipped
from .loading.workers import WorkerProcesses, map_ahead
from .utils.errors import InputError
from .utils.progress import ProgressBar


class DataProvider:
    """Batches of (data, annotations) from samples: preprocess, augment, transform, stack.

    Which samples form a batch and how they are augmented depends only on the seed, the epoch and
    the sample, never on how many workers load them.

    Args:
        dataset: samples whose first two elements are data (an image path) and annotation (its
            text), as a list or pandas data frame, or the path of a CSV or TSV file of them.
        data_preprocessors: callables (data, annotation) -> (data, annotation); their result is what
            `use_cache` keeps.
        batch_size: samples in a batch; the last one of an epoch may hold fewer.
        augmentors: applied after the preprocessors; see :mod:`mltu.augmentors`.
        transformers: applied last; see :mod:`mltu.transformers`.
        batch_postprocessors: callables (list of data, list of annotations) -> the same for a batch.
        skip_validation: do not try every sample first; see :meth:`validate`.
        use_cache: keep preprocessed samples in memory, up to `cache_mb` megabytes.
        same_shape: for data of several shapes, as images of any width are; see
            :func:`mltu.loading.batches.plan_epoch`, which gets the shapes before augmentation.
        workers: how many load ahead while iterating, and threads that validate.
        use_multiprocessing: load ahead in processes instead of threads. They share the cache. What is given to
            load with must be functions and classes of modules, which the processes import.

    Raises:
        InputError: the dataset is empty, or nothing in it is usable.
    """

    def __init__(
        self,
        dataset: str | Sequence,
        data_preprocessors: Sequence[Callable] | None = None,
        batch_size: int = 4,
        shuffle: bool = True,
        initial_epoch: int = 1,
        augmentors: Sequence[Callable] | None = None,
        transformers: Sequence[Callable] | None = None,
        batch_postprocessors: Sequence[Callable] | None = None,
        skip_validation: bool = True,
        limit: int | None = None,
        use_cache: bool = False,
        log_level: int = logging.INFO,
        numpy: bool = True,
        seed: int = 0,
        same_shape: bool = False,
        workers: int = 1,
        cache_mb: int = 2048,
        use_multiprocessing: bool = False,
    ) -> None:
        self.samples = _as_list(dataset)[: limit or None]  # in their order before shuffling
        if not self.samples:
            raise InputError("the dataset holds no samples")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self._data_preprocessors = list(data_preprocessors or [])
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._epoch = initial_epoch
        self._first_batch = 0
        self.step = 0  # index of the batch that was asked for last
        self.augmentors = list(augmentors or [])
        self.transformers = list(transformers or [])
        self._batch_postprocessors = list(batch_postprocessors or [])
        self._cache = Cache(cache_mb if use_cache else 0, use_multiprocessing)
        self._numpy = numpy
        self._seed = seed
        self._same_shape = same_shape
        self._shapes: list[tuple[int, ...]] | None = None  # of each sample's data, where they matter
        self._mixture: Mixture | None = None
        self._plan: tuple[int, list[np.ndarray]] | None = None  # epoch, and the indices of its batches
        self._threads = max(1, workers)
        self._processes = WorkerProcesses(self._threads) if use_multiprocessing else None
        self.logger = logging.getLogger(f"{__name__}.{type(self).__name__}")
        self.logger.setLevel(log_level)
        self._record = LoadingRecord()
        if not skip_validation:
            self.validate()

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return len(self._batches())

    @property
    def epoch(self) -> int:
        """Number of the epoch that decides order and augmentation; may be set."""
        return self._epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        if value != self._epoch:
            self._first_batch = 0
        self._epoch = value

    @property
    def first_batch(self) -> int:
        """Index of the first batch that iterating this epoch gives, for a run that goes on in the middle of one.

        `len` stays that of the whole epoch, and indexing gives this batch in place of those before it. It is 0
        again when :attr:`epoch` changes.
        """
        return self._first_batch

    @first_batch.setter
    def first_batch(self, value: int) -> None:
        if not 0 <= value < len(self):
            raise ValueError(f"first_batch must be one of the epoch's {len(self)} batches, not {value}")
        self._first_batch = value

    def on_epoch_end(self) -> None:
        """Go on to the next epoch, with its own order and augmentation."""
        self.epoch += 1

    def _batches(self) -> list[np.ndarray]:
        """The indices of the samples of every batch of this epoch."""
        if self._plan is None or self._plan[0] != self._epoch:
            if self._same_shape and self._shapes is None:
                self._shapes = [np.shape(self.process_data(sample)[0]) for sample in self.samples]
            shapes = self._shapes if self._same_shape else None
            how = {"shuffle": self._shuffle, "shapes": shapes, "mixture": self._mixture}
            batches = plan_epoch(len(self.samples), self._batch_size, self._seed, self._epoch, **how)
            self._plan = self._epoch, batches
        return self._plan[1]

    def get_batch_annotations(self, index: int) -> list:
        """The samples of one batch of this epoch, before processing."""
        return [self.samples[i] for i in self._batches()[index]]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """One batch of this epoch, (data, annotations): arrays with the batch as first axis, or lists without `numpy`.

        Raises:
            IndexError: no such batch.
            InputError: no sample of the batch can be used.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        index = max(index, self._first_batch)
        indices = self._batches()[index]
        with self._record.noting_failure():
            return self._unpack(index, indices, self._batch_loader()(self._job(indices, self._epoch)))

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """The batches of this epoch from `first_batch` on, loaded ahead; an InputError is kept as `failure`."""
        return self._load_ahead(self._batches_to_load(), self._epoch)

    def parts(self, own: Sequence[int], count: int) -> Iterator[tuple[Any, Any, int]]:
        """As :meth:`__iter__`, but only the `own` of `count` parts of each batch, for training on several devices.

        Sample i belongs to part i modulo `count`.

        Yields:
            (data, annotations, how many of the samples count); a part that would be empty has one that does not.
        """
        wanted, counted = [], []
        for index, indices in self._batches_to_load():
            for part in (indices[number::count] for number in own):
                counted.append(len(part) > 0)
                wanted.append((index, part if len(part) else indices[:1]))
        for batch, counts in zip(self._load_ahead(wanted, self._epoch), counted, strict=True):
            yield *batch, len(batch[0]) if counts else 0

    def _batches_to_load(self) -> list[tuple[int, np.ndarray]]:
        """(index, indices of its samples) of each batch of this epoch from `first_batch` on."""
        return list(enumerate(self._batches()))[self._first_batch :]

    def _load_ahead(self, wanted: Sequence[tuple[int, np.ndarray]], epoch: int) -> Iterator[tuple[Any, Any]]:
        """Load (index, indices of its samples) of batches of an epoch in order, ahead, and record the time."""
        record = self._record
        record.failure = None
        jobs = (self._job(indices, epoch) for _, indices in wanted)
        asked = time.perf_counter()
        with (
            record.noting_failure(),
            ThreadPoolExecutor(self._threads) as pool,
            closing(map_ahead(pool, self._batch_loader(), jobs, 2 * self._threads)) as loaded,
        ):
            for (index, indices), batch in zip(wanted, loaded, strict=True):
                result = self._unpack(index, indices, batch)
                given = time.perf_counter()
                record.add(waited=given - asked)
                yield result
                asked = time.perf_counter()
                record.add(idle=asked - given)

    def process_data(self, sample: Sequence, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        """Preprocess, augment by `rng`, if given, and transform a sample; InputError if it cannot be used."""
        return self._loader().process(sample, rng, self._cache)

    def _loader(self) -> Loader:
        return Loader(
            self._data_preprocessors, self.augmentors, self.transformers, self._batch_postprocessors, self._numpy
        )

    def _batch_loader(self) -> Callable[[Job], Batch]:
        """Loads a batch, in the thread that calls it or in a process."""
        return self._processes.calling(self._loader()) if self._processes else self._loader()

    def _job(self, indices: Sequence[int], epoch: int) -> Job:
        """What a worker needs to load the batch of these samples."""
        return Job.of([self.samples[i] for i in indices], [[self._seed, epoch, int(i)] for i in indices], self._cache)

    def _unpack(self, index: int, indices: Sequence[int], batch: Batch) -> tuple[Any, Any]:
        """The data and annotations of a loaded batch; its new entries go to the cache, the rest to the record."""
        self.step = index
        for position, entry in batch.fresh:
            self._cache.put(self.samples[indices[position]], entry)
        self._record.add(**batch.seconds, lines=batch.lines)
        for position, reason in batch.failed:
            if skipped := self._record.drop(self.samples[indices[position]], reason):
                self.logger.warning("left out: %s: %s", *skipped)
        if not batch.lines:
            raise InputError(f"no sample of batch {index} can be used; the last: {batch.failed[-1][1]}")
        return batch.data, batch.annotations

    @property
    def dropped(self) -> list[Skipped]:
        """Samples that failed while batches were loaded, each once, with the reason."""
        return self._record.dropped

    @property
    def failure(self) -> InputError | None:
        """The error that ended the iteration, for callers to whom it comes wrapped."""
        return self._record.failure

    @property
    def timings(self) -> dict[str, float]:
        """Where the time went since :meth:`reset_timings`, in seconds, and how many `lines` were loaded in it.

        `read`, `augment`, `transform` and `stack` are the stages of loading, summed over the workers. `waited` is
        how long whoever iterates had to wait for batches, `idle` how long ready batches waited to be asked for:
        where loading is the bottleneck `idle` is near 0, else `waited`.
        """
        return self._record.timings

    def reset_timings(self) -> None:
        """Start all timings at 0."""
        self._record.reset_timings()

    def validate(self, checked: CheckedLines | None = None) -> list[Skipped]:
        """Try every sample, but those that were `checked` before, drop those that fail, and return them.

        InputError if none is left.
        """

        def attempt(sample: Sequence) -> tuple[tuple[int, ...] | None, str]:
            shape = checked.find(sample) if checked else None
            try:
                return shape or np.shape(self.process_data(sample)[0]), ""
            except InputError as error:
                return None, str(error)

        with ThreadPoolExecutor(self._threads) as pool:
            attempts = pool.map(attempt, self.samples)
            results = list(ProgressBar(attempts, total=len(self.samples), desc="Checking lines", unit="line"))
        dropped = [as_skipped(sample, why) for sample, (_, why) in zip(self.samples, results, strict=True) if why]
        kept = [index for index, (_, why) in enumerate(results) if not why]
        self.samples = [self.samples[index] for index in kept]
        if self._mixture:
            self._mixture = self._mixture._replace(groups=self._mixture.groups[kept])
        self._shapes = [results[index][0] for index in kept]
        if checked:
            for sample, shape in zip(self.samples, self._shapes, strict=True):
                checked.add(sample, shape)
        self._plan = None
        if not self.samples:
            first = dropped[0]
            raise InputError(f"none of {len(dropped)} samples can be used; the first, {first.source}: {first.reason}")
        return dropped

    def with_samples(
        self,
        samples: Sequence,
        augmentors: Sequence[Callable] = (),
        shuffle: bool = False,
        mixture: Mixture | None = None,
    ):
        """A provider of other samples that is otherwise like this one and shares its cache.

        With a mixture, each epoch is drawn from groups of samples by weight; else it is all samples.
        """
        if not samples:
            raise InputError("the dataset holds no samples")
        other = copy.copy(self)
        other.samples = list(samples)
        other._shapes = other._plan = None
        other._mixture = mixture
        other.augmentors = list(augmentors)
        other._shuffle = shuffle
        other._first_batch = 0
        other._record = LoadingRecord()
        return other

    def split(self, split: float = 0.9, shuffle: bool = True):
        """Divide into training and validation data, at random by the seed.

        Samples that name a writer or form (see :class:`mltu.datasets.Sample`) are divided so that
        no writer is on both sides; without shuffling, the first samples are for training. Only the training
        half, whose share is `split`, keeps the augmentors and the shuffling.
        """
        if shuffle:
            samples = [Sample(*sample[:2], *(str(field) for field in sample[2:4])) for sample in self.samples]
            train, val = random_split(samples, split, self._seed)
        else:
            cut = int(len(self.samples) * split)
            train, val = self.samples[:cut], self.samples[cut:]
        return self.with_samples(train, self.augmentors, self._shuffle), self.with_samples(val)

    def to_csv(self, path: str | Path, index: bool = False) -> None:
        """Write the samples as `image,text,writer,form` rows that the table reader takes; `index` adds row numbers."""
        write_table(path, self.samples, index)

    def close(self) -> None:
        """End the worker processes and free the cache, also those of providers that share them.

        What is loaded later is read anew, in new processes. Without this, both go with the last of the providers.
        """
        if self._processes:
            self._processes.close()
        self._cache.close()


def _as_list(dataset: str | Path | Sequence) -> list:
    if isinstance(dataset, (str, Path)):
        return read_table(dataset)[0]
    return dataset.fillna("").values.tolist() if hasattr(dataset, "iloc") else list(dataset)
