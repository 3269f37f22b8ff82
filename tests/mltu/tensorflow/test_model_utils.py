import keras
import numpy as np
import pytest

from mltu.tensorflow.losses import CTCloss
from mltu.tensorflow.metrics import CERMetric
from mltu.tensorflow.model_utils import ShortcutModel, inference_model, set_statistics_momentum
from model import train_model


def test_ShortcutModel_adds_its_loss_in_training_only():
    keras.utils.set_random_seed(0)
    network = train_model((32, None, 1), 5, architecture="line", dropout=0.0, shortcut=True)
    model = ShortcutModel(network, 0.5)
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile("sgd", loss=CTCloss(), metrics=[CERMetric("abcde")], jit_compile=jit)
    images = np.random.default_rng(0).integers(0, 256, (4, 32, 64, 1)).astype(np.float32)
    labels = np.array([[0, 1, 5]] * 4)
    main, shortcut = (float(CTCloss()(labels, output)) for output in model(images, training=False))
    assert model.test_on_batch(images, labels)[0] == pytest.approx(main, rel=1e-4)
    loss = model.compute_loss(images, labels, model(images, training=False), training=True)
    assert float(loss) == pytest.approx(main + 0.5 * shortcut, rel=1e-4)
    before = [np.array(weights) for weights in model.get_weights()]
    assert np.isfinite(model.train_on_batch(images, labels)[0])
    assert any(np.abs(first - second).max() > 0 for first, second in zip(before, model.get_weights(), strict=True))
    reader = inference_model(model)
    assert reader.output_names == ["output"]
    assert reader(images).shape == (4, 16, 6)
    assert not [layer for layer in reader.layers if "shortcut" in layer.name]
    assert inference_model(reader) is reader


def test_set_statistics_momentum_is_how_slowly_statistics_follow_the_batches():
    network = train_model((32, None, 1), 3, architecture="line")
    set_statistics_momentum(network, 0.75)
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 64, 1)).astype(np.float32)
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    before = np.array(first.moving_mean)
    inputs = keras.Model(network.input, first.input)(images)
    network(images, training=True)
    batch_mean = np.mean(inputs, axis=(0, 1, 2))
    assert np.array(first.moving_mean) == pytest.approx(0.75 * before + 0.25 * batch_mean, abs=1e-5)
