"""The data provider as Keras takes it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import Any

import keras

from ..dataProvider import DataProvider as BaseDataProvider


class DataProvider(BaseDataProvider, keras.utils.PyDataset):
    """:class:`mltu.dataProvider.DataProvider` for `fit`: pass what :meth:`for_keras` returns, and `shuffle=False`.

    Under TensorFlow, and where images have one width, the provider itself can be passed too. Keras then asks for
    batches in threads of its own, so that `timings` knows nothing of waiting.
    """

    def __init__(self, *args: Any, workers: int = 1, max_queue_size: int = 10, **options: Any) -> None:
        keras.utils.PyDataset.__init__(self, workers=workers, max_queue_size=max_queue_size)
        BaseDataProvider.__init__(self, *args, workers=workers, **options)

    def for_keras(self) -> Any:
        """What to pass to `fit` and `evaluate`: a `tf.data.Dataset`, or a `PyDataset` under other backends.

        Each epoch of Keras iterates the provider once. It stays in its epoch, with the same order and augmentation,
        unless the callback :class:`mltu.tensorflow.callbacks.EpochNumber` takes it to the next.

        In an epoch with a `first_batch`, the dataset holds only the batches from there on, so whoever iterates must
        ask for no more than those; the `PyDataset` repeats that batch in place of those before it. Timings start at 0.

        Raises:
            InputError: not one sample of the first batch can be used.
        """
        if keras.backend.backend() != "tensorflow":
            return _InOrder(self)
        import tensorflow as tf

        images, labels = self[0]
        self.reset_timings()  # that batch was only looked at
        image_shape, label_shape = list(images.shape[1:]), list(labels.shape[1:])
        if (self._same_shape or self._batch_postprocessors) and len(image_shape) > 1:
            image_shape[1] = None  # padded to the widest of each batch
        if any(getattr(step, "use_on_batch", False) for step in self._batch_postprocessors):
            label_shape = [None] * len(label_shape)  # to the longest
        dataset = tf.data.Dataset.from_generator(
            self.__iter__,
            output_signature=(
                tf.TensorSpec((None, *image_shape), images.dtype),
                tf.TensorSpec((None, *label_shape), labels.dtype),
            ),
        )
        # batches are loaded ahead already; one more hides the copy that TensorFlow makes
        return dataset.apply(tf.data.experimental.assert_cardinality(len(self))).prefetch(1)


class _InOrder(keras.utils.PyDataset):
    """A provider whose batches are loaded ahead as iterating it does, for Keras to ask for in their order."""

    def __init__(self, provider: DataProvider) -> None:
        super().__init__(workers=1)  # in one thread, as the provider has its own workers
        self._provider = provider
        self._batches: Iterator[tuple[Any, Any]] = iter(())
        self._next = 0

    def __len__(self) -> int:
        return len(self._provider)

    def _epoch(self) -> Iterator[tuple[Any, Any]]:
        before, batches = self._provider.first_batch, iter(self._provider)
        for batch in batches:
            yield from repeat(batch, before + 1)
            before = 0

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """A batch; asking for the first one begins an epoch."""
        if index == 0:
            self._batches, self._next = self._epoch(), 0
        if index != self._next:
            return self._provider[index]
        self._next += 1
        return next(self._batches)
