import keras
import numpy as np
import pytest
from keras import layers

from mltu.tensorflow.recurrent import BidirectionalLSTM

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's own loop")

STEPS, FEATURES, UNITS = 40, 5, 6


@pytest.fixture
def results():
    """Function (layer class, dtype policy) -> outputs and gradients of a layer, and what it gives when it reads."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    inputs, factors = (rng.normal(size=(3, STEPS, size)).astype(np.float32) for size in (FEATURES, 2 * UNITS))
    shapes = [(FEATURES, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)] * 2
    weights = [rng.normal(size=shape, scale=0.5).astype(np.float32) for shape in shapes]

    def run(kind, policy):
        layer = kind(layers.LSTM(UNITS, return_sequences=True, dtype=policy), dtype=policy)
        layer.build(inputs.shape)
        layer.set_weights(weights)
        variables = [variable.value for variable in layer.trainable_weights]
        sequences = tf.Variable(inputs)

        @tf.function
        def gradients():
            with tf.GradientTape() as tape:
                outputs = layer(sequences, training=True)
                loss = tf.reduce_sum(tf.cast(outputs, tf.float32) * factors)
            return outputs, *tape.gradient(loss, [sequences, *variables])

        return gradients(), layer(inputs, training=False)

    return run


def test_BidirectionalLSTM_has_results_and_gradients_of_keras(results):
    expected, _ = results(layers.Bidirectional, "float32")
    found, read = results(BidirectionalLSTM, "float32")
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.numpy() == pytest.approx(theirs.numpy(), abs=1e-5)
    assert read.numpy() == pytest.approx(expected[0].numpy(), abs=1e-5)


@pytest.mark.parametrize(("policy", "rounding"), [("mixed_bfloat16", 2**-8), ("mixed_float16", 2**-11)])
def test_mixed_precision_is_closer_to_float32_than_that_of_keras(results, policy, rounding):
    exact, _ = results(layers.Bidirectional, "float32")

    def errors(found):
        """The error of the outputs and of each gradient, as a share of its size."""
        return [
            float(np.linalg.norm(ours.numpy().astype(np.float32) - theirs) / np.linalg.norm(theirs))
            for ours, theirs in zip(found, exact, strict=True)
        ]

    found, read = results(BidirectionalLSTM, policy)
    assert found[0].dtype.name == read.dtype.name == policy.removeprefix("mixed_")
    assert all(gradient.dtype.name == "float32" for gradient in found[1:])  # gradients are those of the float32 weights
    assert max(errors(found)) < 2 * rounding
    assert read.numpy() == pytest.approx(found[0].numpy())
    assert sum(errors(found)) < 0.75 * sum(errors(results(layers.Bidirectional, policy)[0]))
