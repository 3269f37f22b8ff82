"""Samples in, batches out; knows no deep-learning framework."""

from __future__ import annotations

import copy
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from .annotations.images import Image
from .augmentors import Augmentor
from .datasets import Sample, Skipped, random_split, read_table, write_table
from .utils.errors import InputError
from .utils.parallel import map_ahead


class _Cache:
    """Preprocessed samples in memory, up to a bound; shared by providers that were split."""

    def __init__(self, megabytes: int) -> None:
        self._left = megabytes * 1_000_000
        self._entries: dict[tuple[str, str], tuple[Any, Any]] = {}
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> tuple[Any, Any] | None:
        found = self._entries.get(key)
        return copy.deepcopy(found) if found is not None else None  # augmentors may write into it

    def put(self, key: tuple[str, str], data: Any, annotation: Any) -> None:
        size = getattr(data.numpy() if isinstance(data, Image) else data, "nbytes", 0)
        with self._lock:
            if key in self._entries or not 0 < size <= self._left:
                return
            self._left -= size
            self._entries[key] = copy.deepcopy((data, annotation))


class Mixture(NamedTuple):
    """How much of each epoch comes from which samples."""

    groups: np.ndarray  # the group of each sample, 0 and up
    weights: tuple[float, ...]  # of the groups; an epoch holds them in these proportions
    epoch_samples: int  # samples in an epoch


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
        shuffle: a new order in each epoch.
        initial_epoch: number of the first epoch.
        augmentors: applied after the preprocessors; see :mod:`mltu.augmentors`.
        transformers: applied last; see :mod:`mltu.transformers`.
        batch_postprocessors: callables (list of data, list of annotations) -> the same for a batch.
        skip_validation: do not try every sample first; see :meth:`validate`.
        limit: use only the first so many samples.
        use_cache: keep preprocessed samples in memory, up to `cache_mb`.
        log_level: level of this provider's own logger.
        numpy: stack a batch into arrays.
        seed: of the order and the augmentation.
        same_shape: for data of several shapes, as images of any width are. Shuffled batches hold samples
            of about one shape before augmentation, and every epoch has as many of them. Others hold samples
            of exactly one shape, so the last batch of each shape may be smaller.
        workers: threads that load ahead while iterating and that validate.
        cache_mb: bound of the cache, in megabytes.

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
    ) -> None:
        self._dataset = self._as_list(dataset)[: limit or None]
        if not self._dataset:
            raise InputError("the dataset holds no samples")
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self._data_preprocessors = list(data_preprocessors or [])
        self._batch_size = batch_size
        self._shuffle = shuffle
        self._epoch = initial_epoch
        self._step = 0
        self.augmentors = list(augmentors or [])
        self.transformers = list(transformers or [])
        self._batch_postprocessors = list(batch_postprocessors or [])
        self._cache = _Cache(cache_mb) if use_cache else None
        self._numpy = numpy
        self._seed = seed
        self._same_shape = same_shape
        self._shapes: list[tuple[int, ...]] | None = None  # of each sample's data, where they matter
        self._mixture: Mixture | None = None
        self._plan: tuple[int, list[np.ndarray]] | None = None  # epoch, and the indices of its batches
        self._threads = max(1, workers)
        self.logger = logging.getLogger(f"{__name__}.{type(self).__name__}")
        self.logger.setLevel(log_level)
        if not skip_validation:
            self.validate()

    @staticmethod
    def _as_list(dataset: str | Sequence) -> list:
        if isinstance(dataset, (str, Path)):
            return read_table(dataset)[0]
        return dataset.fillna("").values.tolist() if hasattr(dataset, "iloc") else list(dataset)

    def __len__(self) -> int:
        """Number of batches in an epoch."""
        return len(self._batches())

    @property
    def samples(self) -> list:
        """The samples, in their order before shuffling."""
        return self._dataset

    @property
    def epoch(self) -> int:
        """Number of the epoch that decides order and augmentation; may be set."""
        return self._epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self._epoch = value

    @property
    def step(self) -> int:
        """Index of the batch that was asked for last."""
        return self._step

    def on_epoch_end(self) -> None:
        """Go on to the next epoch, with its own order and augmentation."""
        self._epoch += 1

    def _batches(self) -> list[np.ndarray]:
        """The indices of the samples of every batch of this epoch."""
        if self._plan is None or self._plan[0] != self._epoch:
            self._plan = (self._epoch, self._make_batches())
        return self._plan[1]

    def _make_batches(self) -> list[np.ndarray]:
        rng = np.random.default_rng([self._seed, self._epoch])
        order = self._draw_mixture(self._mixture) if self._mixture else np.arange(len(self._dataset))
        order = rng.permutation(order) if self._shuffle else order
        groups = [order]
        if self._same_shape:
            if self._shapes is None:
                self._shapes = [np.shape(self.process_data(sample)[0]) for sample in self._dataset]
            # a stable sort, so that chance decides among equals
            order = sorted(order, key=self._shape)
            groups = [order] if self._shuffle else [list(group) for _, group in groupby(order, key=self._shape)]
        batches = [
            np.asarray(group[start : start + self._batch_size])
            for group in groups
            for start in range(0, len(group), self._batch_size)
        ]
        if self._same_shape and self._shuffle:
            batches = [batches[i] for i in rng.permutation(len(batches))]
        return batches

    def _shape(self, index: int) -> tuple[int, ...]:
        """Of a sample's data, the last axes first, so that widths of the same height are in order."""
        return self._shapes[index][::-1]

    def _draw_mixture(self, mixture: Mixture) -> np.ndarray:
        """The samples of this epoch. Each group goes through all of its samples before any comes again."""
        drawn = []
        ends = np.rint(np.cumsum(mixture.weights) / sum(mixture.weights) * mixture.epoch_samples).astype(int)
        for group, count in enumerate(np.diff(ends, prepend=0)):
            members = np.flatnonzero(mixture.groups == group)
            position = (self._epoch - 1) * count
            while count and len(members):
                turn, start = divmod(position, len(members))
                rng = np.random.default_rng([self._seed, group, turn])
                part = rng.permutation(members)[start : start + count]
                drawn.append(part)
                position += len(part)
                count -= len(part)
        return np.concatenate(drawn)

    def process_data(self, sample: Sequence, rng: np.random.Generator | None = None) -> tuple[Any, Any]:
        """Preprocess, augment and transform one sample.

        Args:
            sample: (data, annotation, ...).
            rng: random numbers for the augmentors; None leaves augmentation out.

        Raises:
            InputError: the sample cannot be used.
        """
        key = (sample[0], sample[1]) if isinstance(sample[0], str) and isinstance(sample[1], str) else None
        cached = self._cache.get(key) if self._cache and key else None
        if cached:
            data, annotation = cached
        else:
            data, annotation = sample[0], sample[1]
            for preprocessor in self._data_preprocessors:
                data, annotation = preprocessor(data, annotation)
            if self._cache and key:
                self._cache.put(key, data, annotation)
        for augmentor in self.augmentors if rng is not None else ():
            if isinstance(augmentor, Augmentor):
                data, annotation = augmentor(data, annotation, rng=rng)
            else:
                data, annotation = augmentor(data, annotation)
        for transformer in self.transformers:
            data, annotation = transformer(data, annotation)
        return (data.numpy() if isinstance(data, Image) else data), annotation

    def validate(self) -> list[Skipped]:
        """Try every sample once, without augmentation, and keep those that work. Shows a progress bar.

        Returns:
            The samples that were dropped, each with the reason.

        Raises:
            InputError: none is left.
        """

        def attempt(sample: Sequence) -> tuple[tuple[int, ...] | None, str]:
            try:
                return np.shape(self.process_data(sample)[0]), ""
            except InputError as error:
                return None, str(error)

        with ThreadPoolExecutor(self._threads) as pool:
            attempts = pool.map(attempt, self._dataset)
            results = list(tqdm(attempts, total=len(self._dataset), desc="Checking lines", unit="line"))
        dropped = [
            Skipped(str(sample[0]), why.removeprefix(f"{sample[0]}: "))
            for sample, (_, why) in zip(self._dataset, results, strict=True)
            if why
        ]
        kept = [index for index, (_, why) in enumerate(results) if not why]
        self._dataset = [self._dataset[index] for index in kept]
        if self._mixture:
            self._mixture = self._mixture._replace(groups=self._mixture.groups[kept])
        self._shapes = [results[index][0] for index in kept]
        self._plan = None
        if not self._dataset:
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

        Args:
            samples: as `dataset` of the class.
            augmentors: of the new provider.
            shuffle: of the new provider.
            mixture: draw each epoch from groups of samples by weight; else an epoch is all samples.
        """
        if not samples:
            raise InputError("the dataset holds no samples")
        other = copy.copy(self)
        other._dataset = list(samples)
        other._shapes = other._plan = None
        other._mixture = mixture
        other.augmentors = list(augmentors)
        other._shuffle = shuffle
        return other

    def split(self, split: float = 0.9, shuffle: bool = True):
        """Divide into training and validation data.

        Samples that name a writer or form (see :class:`mltu.datasets.Sample`) are divided so that
        no writer is on both sides. Only the training half keeps the augmentors and the shuffling.

        Args:
            split: share of the training half, 0 to 1.
            shuffle: divide at random, by the seed; else the first samples are for training.

        Returns:
            (training provider, validation provider).
        """
        if shuffle:
            samples = [Sample(*sample[:2], *(str(field) for field in sample[2:4])) for sample in self._dataset]
            train, val = random_split(samples, split, self._seed)
        else:
            cut = int(len(self._dataset) * split)
            train, val = self._dataset[:cut], self._dataset[cut:]
        return self.with_samples(train, self.augmentors, self._shuffle), self.with_samples(val)

    def to_csv(self, path: str | Path, index: bool = False) -> None:
        """Write the samples as `image,text,writer,form` rows that the table reader takes; `index` adds row numbers."""
        write_table(path, self._dataset, index)

    def get_batch_annotations(self, index: int) -> list:
        """The samples of one batch of this epoch, before processing."""
        return [self._dataset[i] for i in self._batches()[index]]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """One batch of this epoch.

        Returns:
            (data, annotations): arrays with the batch as first axis, or lists if `numpy` is off.

        Raises:
            IndexError: no such batch.
            InputError: not one sample of the batch can be used.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        self._step = index
        batch = []
        reason = ""
        for i in self._batches()[index]:
            rng = np.random.default_rng([self._seed, self._epoch, i])
            try:
                batch.append(self.process_data(self._dataset[i], rng))
            except InputError as error:
                reason = str(error)
                self.logger.warning("left out: %s", reason)
        if not batch:
            raise InputError(f"no sample of batch {index} can be used; the last: {reason}")
        data, annotations = [list(column) for column in zip(*batch, strict=True)]
        for postprocessor in self._batch_postprocessors:
            data, annotations = postprocessor(data, annotations)
        return (np.asarray(data), np.asarray(annotations)) if self._numpy else (data, annotations)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        """The batches of one epoch in order, loaded ahead by the worker threads."""
        with ThreadPoolExecutor(self._threads) as pool:
            yield from map_ahead(pool, self.__getitem__, range(len(self)), 2 * self._threads)
