import keras
import numpy as np
import pytest

from mltu.preprocessors import ImageReader
from mltu.tensorflow.callbacks import EpochNumber
from mltu.tensorflow.dataProvider import DataProvider
from mltu.transformers import ImagePadding, ImageResizer, LabelIndexer, LabelPadding
from mltu.utils.errors import InputError


class Watcher(keras.Model):
    """Learns nothing, but notes the first pixel of every image that it is trained and tested on."""

    def __init__(self):
        super().__init__()
        self.trained, self.tested = [], []
        self.compile("sgd", "mse", run_eagerly=True)

    def call(self, images):
        return keras.ops.mean(images, axis=(1, 2, 3))

    def train_step(self, *state_and_data):
        return note(self.trained, *state_and_data)

    def test_step(self, *state_and_data):
        return note(self.tested, *state_and_data)


def note(seen, *state_and_data):
    """Note a batch; what a step of Keras returns, which under JAX is given the model's state."""
    *state, (images, _) = state_and_data
    seen.append(first_pixels(images))
    return ({"loss": 0.0}, *state) if state else {"loss": 0.0}


def first_pixels(images):
    return np.asarray(images)[:, 0, 0, 0].astype(int).tolist()


def make(count=11, widths=1, **options):
    """A provider of images of one value each, in several widths."""
    samples = [(np.full((8, 8 + 4 * (i % widths), 1), i, np.uint8), float(i)) for i in range(count)]
    padding = [ImagePadding()] if widths > 1 else []
    return DataProvider(
        samples, batch_size=2, seed=1, workers=2, same_shape=widths > 1, batch_postprocessors=padding, **options
    )


def batches(provider, *epochs):
    """What the batches of these epochs show."""
    shown = []
    for provider.epoch in epochs:
        shown += [first_pixels(images) for images, _ in provider]
    return shown


def wrapped_errors():
    """What tf.data makes of an exception."""
    import tensorflow as tf

    return tf.errors.OpError


def fit(provider, **options):
    model = Watcher()
    model.fit(provider, shuffle=False, verbose=0, **options)
    return model


def test_DataProvider_is_a_dataset_of_keras(png):
    samples = [[str(png(f"{i}.png", np.full((8, 8, 3), 10 * i, np.uint8))), float(i)] for i in range(5)]
    provider = DataProvider(samples, [ImageReader()], 2, transformers=[ImageResizer(8, 8)], seed=1, workers=2)
    assert isinstance(provider, keras.utils.PyDataset)
    if keras.backend.backend() == "tensorflow":
        seen = fit(provider, epochs=2).trained
        assert sorted(sum(seen[:3], [])) == sorted(sum(seen[3:], [])) == [0, 10, 20, 30, 40]
        assert seen[:3] != seen[3:]
    train, val = provider.split(0.6)
    assert isinstance(val, keras.utils.PyDataset)
    assert (len(train), len(val)) == (2, 1)


@pytest.mark.parametrize(("widths", "processes"), [(1, False), (2, False), (1, True)])
def test_for_keras_gives_every_batch_of_every_epoch_in_order(widths, processes):
    provider = make(widths=widths, use_multiprocessing=processes)
    val = provider.with_samples(provider.samples[:3])
    callbacks = [EpochNumber(provider)]
    model = fit(provider.for_keras(), validation_data=val.for_keras(), epochs=3, callbacks=callbacks)
    assert model.trained == batches(make(widths=widths), 1, 2, 3)
    assert model.tested == 3 * batches(make(3, widths, shuffle=False), 1)
    assert (provider.epoch, val.epoch) == (3, 1)
    model = fit(provider.for_keras(), initial_epoch=3, epochs=4, callbacks=callbacks)
    assert model.trained == batches(make(widths=widths), 4)
    provider.close()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow has datasets with shapes")
def test_for_keras_frees_only_axes_that_differ_between_batches():
    def shapes(provider):
        return [spec.shape for spec in provider.for_keras().element_spec]

    assert shapes(make()) == [(None, 8, 8, 1), (None,)]
    assert [shape.as_list() for shape in shapes(make(widths=2))] == [[None, 8, None, 1], [None]]
    samples = [(np.zeros((8, 8, 1), np.uint8), "a" * length) for length in (1, 2, 3)]
    indexer = [LabelIndexer("a")]
    by_batch = [LabelPadding(padding_value=1, use_on_batch=True)]
    provider = DataProvider(samples, batch_size=1, transformers=indexer, batch_postprocessors=by_batch, shuffle=False)
    assert [label.shape for _, label in provider.for_keras()] == [(1, 1), (1, 2), (1, 3)]


def test_for_keras_can_begin_in_the_middle_of_an_epoch():
    whole = batches(make(), 2)
    provider = make(initial_epoch=2)
    provider.first_batch = 4
    data = provider.for_keras()
    if keras.backend.backend() == "tensorflow":
        assert int(data.cardinality()) == len(whole)
        ahead = iter(data)
        assert [first_pixels(next(ahead)[0]) for _ in range(len(whole) - 4)] == whole[4:]
    else:
        assert [first_pixels(data[i][0]) for i in range(len(whole))] == [whole[4]] * 4 + whole[4:]
    provider.epoch = 3
    assert provider.first_batch == 0
    assert fit(data, epochs=1).trained == batches(make(), 3)


def test_for_keras_keeps_the_error_that_ends_training(png):
    paths = [png(f"{i}.png") for i in range(6)]
    provider = DataProvider([(str(path), 1.0) for path in paths], [ImageReader()], 2, transformers=[ImageResizer(8, 8)])
    data = provider.for_keras()
    for path in paths:
        path.unlink()
    with pytest.raises(InputError if keras.backend.backend() != "tensorflow" else wrapped_errors()):
        fit(data)
    assert isinstance(provider.failure, InputError)
    assert "no sample of batch 0 can be used" in str(provider.failure)
    assert {entry.source for entry in provider.dropped} < {str(path) for path in paths}
