"""The data provider as Keras takes it."""

from __future__ import annotations

from typing import Any

import keras

from ..dataProvider import DataProvider as BaseDataProvider


class DataProvider(BaseDataProvider, keras.utils.PyDataset):
    """:class:`mltu.dataProvider.DataProvider` for `model.fit`, which loads ahead with `workers` threads.

    Batches are numbered by the provider's own epoch, so their order repeats with the seed
    whatever the number of workers. Pass `shuffle=False` to `fit`, and :meth:`for_keras` where
    images have several widths.
    """

    def __init__(self, *args: Any, workers: int = 1, max_queue_size: int = 10, **options: Any) -> None:
        keras.utils.PyDataset.__init__(self, workers=workers, max_queue_size=max_queue_size)
        BaseDataProvider.__init__(self, *args, workers=workers, **options)

    def for_keras(self) -> Any:
        """What to pass to `fit` and `evaluate`: the provider itself, or a `tf.data.Dataset` of it.

        Under TensorFlow, Keras takes the width of all batches from the first two, which is wrong where
        batches differ; the dataset says that the width is free.
        """
        if not self._same_shape or keras.backend.backend() != "tensorflow":
            return self
        import tensorflow as tf

        images, labels = self[0]
        signature = (
            tf.TensorSpec((None, images.shape[1], None, images.shape[3]), images.dtype),
            tf.TensorSpec((None, *labels.shape[1:]), labels.dtype),
        )
        dataset = tf.data.Dataset.from_generator(self.__iter__, output_signature=signature)
        return dataset.apply(tf.data.experimental.assert_cardinality(len(self))).prefetch(2)
