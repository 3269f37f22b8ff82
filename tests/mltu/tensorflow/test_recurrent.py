import keras
import numpy as np
import pytest
from keras import layers

from mltu.tensorflow.recurrent import BidirectionalLSTM


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's own loop")
def test_results_and_gradients_are_those_of_keras():
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    plain = layers.Bidirectional(layers.LSTM(6, return_sequences=True))
    ours = BidirectionalLSTM(layers.LSTM(6, return_sequences=True))
    rng = np.random.default_rng(0)
    inputs, factors = (rng.normal(size=(3, 7, size)).astype(np.float32) for size in (5, 12))
    plain.build(inputs.shape)
    ours.build(inputs.shape)
    weights = [rng.normal(size=one.shape, scale=0.5).astype(np.float32) for one in plain.get_weights()]
    results = []
    for layer in (plain, ours):
        layer.set_weights(weights)
        variables = [variable.value for variable in layer.trainable_weights]
        sequences = tf.Variable(inputs)

        @tf.function
        def gradients(layer=layer, sequences=sequences, variables=variables):
            with tf.GradientTape() as tape:
                outputs = layer(sequences, training=True)
                loss = tf.reduce_sum(outputs * factors)
            return outputs, *tape.gradient(loss, [sequences, *variables])

        results.append(gradients())
    for expected, found in zip(*results, strict=True):
        assert found.numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    assert ours(inputs, training=False).numpy() == pytest.approx(results[0][0].numpy(), abs=1e-5)
