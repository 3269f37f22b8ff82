import keras
import numpy as np
import pytest

from mltu.pages.maps import MAPS
from mltu.tensorflow.losses import CTCloss
from mltu.tensorflow.model_utils import activation_layer, residual_block
from mltu.utils.errors import InputError
from model import ARCHITECTURES, REFERENCE_BLOCKS, line_finder_model, time_steps, train_model


@pytest.fixture(scope="module")
def reference():
    return train_model((96, 1408, 3), 78)


def test_train_model_reference_has_the_promised_layers(reference):
    block = ["Conv2D", "BatchNormalization", "LeakyReLU", "Conv2D", "BatchNormalization"]
    expected = ["InputLayer", "Rescaling"]
    for _, skip_conv, _ in REFERENCE_BLOCKS:
        # Keras lists layers by depth, so the 1 x 1 convolution of the skip path stands beside the last batch norm
        expected += [*block, *(["Conv2D"] if skip_conv else []), "Add", "LeakyReLU", "Dropout"]
    expected += ["Reshape", "Bidirectional", "Dropout", "Bidirectional", "Dropout", "Dense"]
    assert [type(layer).__name__ for layer in reference.layers] == expected
    assert reference.output_shape == (None, 528, 79)
    assert reference.count_params() == 2_427_983
    assert [tensor.name for tensor in reference.inputs] == ["input"]
    assert reference.output_names == ["output"]


def test_train_model_reference_has_the_promised_settings(reference):
    layers = reference.layers
    convolutions = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]
    assert {type(layer.kernel_initializer).__name__ for layer in convolutions} == {"HeUniform"}
    assert {layer.kernel_size for layer in convolutions} == {(3, 3), (1, 1)}
    skips = [(layer.filters, layer.strides[0]) for layer in convolutions if layer.kernel_size == (1, 1)]
    assert skips == [(filters, stride) for filters, skip, stride in REFERENCE_BLOCKS if skip]
    assert {layer.negative_slope for layer in layers if isinstance(layer, keras.layers.LeakyReLU)} == {0.1}
    assert {layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)} == {0.2}
    recurrent = [layer.forward_layer.units for layer in layers if isinstance(layer, keras.layers.Bidirectional)]
    assert recurrent == [256, 64]
    assert layers[1].scale == pytest.approx(1 / 255)


def test_train_model_line_takes_any_width_and_is_small():
    model = train_model((64, None, 1), 120, architecture="line")
    assert model.output_shape == (None, None, 121)
    assert model.count_params() < 8_000_000
    for width in (64, 96):
        assert model(np.zeros((2, 64, width, 1))).shape == (2, width // 4, 121)


@pytest.mark.parametrize(
    ("architecture", "height", "width", "steps_per_column"),
    [
        ("reference", 96, 1408, 2),
        ("reference", 32, 100, 2),
        ("line", 48, 128, 3),
        ("line", 64, 90, 2),
        ("fine", 48, 128, 2),
    ],
)
def test_time_steps_are_those_of_the_network(architecture, height, width, steps_per_column):
    channels = ARCHITECTURES[architecture].channels
    model = train_model((height, width, channels), 5, architecture=architecture, steps_per_column=steps_per_column)
    steps = model(np.zeros((1, height, width, channels))).shape[1]
    assert time_steps([width], height, architecture, steps_per_column) == {width: steps}


def test_train_model_line_learns_lines_of_any_width():
    keras.utils.set_random_seed(0)
    model = train_model((32, None, 1), 5, architecture="line", dropout=0.0)
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(keras.optimizers.Adam(0.002), loss=CTCloss(), jit_compile=jit)
    before = [np.array(weights) for weights in model.trainable_variables]
    batches = [np.random.default_rng(width).integers(0, 256, (4, 32, width, 1)).astype(np.uint8) for width in (64, 96)]
    labels = np.array([[0, 1, 5]] * 4)
    losses = [float(model.train_on_batch(images, labels)) for _ in range(6) for images in batches]
    assert np.isfinite(losses).all()
    assert sum(losses[-2:]) < sum(losses[:2]) / 2
    for old, new in zip(before, model.trainable_variables, strict=True):
        assert not np.array_equal(old, np.array(new)), new.path


def test_train_model_gives_probabilities_independent_of_the_batch():
    keras.utils.set_random_seed(0)
    model = train_model((32, 64, 3), 5)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 64, 3)).astype(np.uint8)
    together = model.predict(images, verbose=0)
    assert together.shape == (3, 8, 6)
    assert together.sum(axis=-1) == pytest.approx(1, abs=1e-5)
    assert together[1:2] == pytest.approx(model.predict(images[1:2], verbose=0), abs=1e-5)


def test_train_model_loads_without_custom_code(tmp_path):
    model = train_model((32, 32, 1), 3, architecture="line")
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    images = np.random.default_rng(0).random((2, 32, 32, 1), np.float32) * 255
    assert again.predict(images, verbose=0) == pytest.approx(model.predict(images, verbose=0), abs=1e-6)


def test_residual_block_has_the_shape_and_activation_asked_for():
    inputs = keras.Input((9, 7, 3))
    assert residual_block(inputs, 4).shape == (None, 5, 4, 4)
    assert residual_block(inputs, 4, strides=(2, 1), kernel_size=5).shape == (None, 5, 7, 4)
    assert residual_block(inputs, 3, strides=1, skip_conv=False, activation="gelu").shape == (None, 9, 7, 3)
    assert activation_layer(inputs, "elu").shape == inputs.shape
    for wrong in ("reluu", "get", "glu", "__doc__"):
        with pytest.raises(InputError, match="activation"):
            activation_layer(inputs, wrong)


def test_line_finder_model_is_small_and_takes_images_of_any_multiple_of_32():
    model = line_finder_model()
    assert model.count_params() <= 750_000
    for height, width in ((64, 96), (96, 32)):
        maps = np.array(model(np.full((2, height, width, 1), 255, np.float32), training=False))
        assert maps.shape == (2, height // 2, width // 2, len(MAPS))
        assert ((maps[..., :2] >= 0) & (maps[..., :2] <= 1)).all()
        assert (maps[..., 2:4] > 0).all()
