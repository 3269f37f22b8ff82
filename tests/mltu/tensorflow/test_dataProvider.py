import keras
import numpy as np

from mltu.preprocessors import ImageReader
from mltu.tensorflow.dataProvider import DataProvider
from mltu.transformers import ImageResizer


def test_keras_sees_every_batch_of_every_epoch(png):
    seen = []

    class Look(keras.layers.Layer):
        def call(self, images):
            seen.append(keras.ops.convert_to_numpy(images)[:, 0, 0, 0].tolist())
            return keras.ops.mean(images, axis=(1, 2, 3))[:, None] * 0.0

    samples = [[str(png(f"{i}.png", np.full((8, 8, 3), 10 * i, np.uint8))), float(i)] for i in range(5)]
    transformers = [ImageResizer(8, 8)]
    provider = DataProvider(samples, [ImageReader()], 2, transformers=transformers, seed=1, workers=2)
    assert isinstance(provider, keras.utils.PyDataset)
    model = keras.Sequential([keras.Input((8, 8, 3)), Look()])
    model.compile("sgd", "mse", run_eagerly=True)
    seen.clear()
    model.fit(provider, epochs=2, shuffle=False, verbose=0)
    assert sorted(sum(seen[:3], [])) == sorted(sum(seen[3:], [])) == [0, 10, 20, 30, 40]
    assert seen[:3] != seen[3:]
    train, val = provider.split(0.6)
    assert isinstance(val, keras.utils.PyDataset)
    assert (len(train), len(val)) == (2, 1)
