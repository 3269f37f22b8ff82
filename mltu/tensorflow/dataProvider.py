"""The data provider as Keras takes it."""

from __future__ import annotations

from typing import Any

import keras

from ..dataProvider import DataProvider as BaseDataProvider


class DataProvider(BaseDataProvider, keras.utils.PyDataset):
    """:class:`mltu.dataProvider.DataProvider` for `model.fit`, which loads ahead with `workers` threads.

    Batches are numbered by the provider's own epoch, so their order repeats with the seed
    whatever the number of workers.
    """

    def __init__(self, *args: Any, workers: int = 1, max_queue_size: int = 10, **options: Any) -> None:
        keras.utils.PyDataset.__init__(self, workers=workers, max_queue_size=max_queue_size)
        BaseDataProvider.__init__(self, *args, workers=workers, **options)
