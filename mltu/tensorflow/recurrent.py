"""Recurrent layers that train faster on CPUs than Keras's own."""

from __future__ import annotations

import functools

import keras


@functools.cache
def _on_tensorflow_cpu() -> bool:
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU")  # where Keras uses cuDNN


def _hidden_states(projected, recurrent, backwards: bool):
    """Hidden states of an LSTM from its projected inputs, with the gradient written out.

    Hochreiter and Schmidhuber, "Long Short-Term Memory" (1997), with the forget gate of Gers et al. (2000).
    Automatic differentiation adds up the gradient of the recurrent kernel step by step, in as many small
    products; here one large product at the end gives the same, and what does not depend on the next step
    is computed for all steps at once.

    Args:
        projected: inputs times the kernel plus bias, shape (steps, batch, 4 units); gates i, f, c, o.
        recurrent: recurrent kernel, shape (units, 4 units).

    Returns:
        Hidden states, shape (steps, batch, units), in the order of the inputs.
    """
    import tensorflow as tf

    units = recurrent.shape[0]

    def loop(steps, body, states, sizes, reverse):
        """Run a body over the steps; each of its last results is kept at its step."""
        arrays = tuple(tf.TensorArray(tf.float32, steps, element_shape=(None, size)) for size in sizes)

        def step(count, states, arrays):
            at = steps - 1 - count if reverse else count
            states, values = body(at, *states)
            return count + 1, states, tuple(array.write(at, value) for array, value in zip(arrays, values, strict=True))

        _, _, arrays = tf.while_loop(
            lambda count, *_: count < steps, step, (0, states, arrays), maximum_iterations=steps
        )
        return [array.stack() for array in arrays]

    def before(states):  # the state that each step starts from
        nothing = tf.zeros_like(states[:1])
        return tf.concat([states[1:], nothing] if backwards else [nothing, states[:-1]], axis=0)

    @tf.custom_gradient
    def run(projected, recurrent):
        steps, batch, _ = tf.unstack(tf.shape(projected))
        start = (tf.zeros((batch, units)), tf.zeros((batch, units)))

        def forward(at, hidden, cell):
            i, f, c, o = tf.split(projected[at] + tf.matmul(hidden, recurrent), 4, axis=-1)
            i, f, c, o = tf.sigmoid(i), tf.sigmoid(f), tf.tanh(c), tf.sigmoid(o)
            cell = f * cell + i * c
            hidden = o * tf.tanh(cell)
            return (hidden, cell), (tf.concat([i, f, c, o], axis=-1), cell, hidden)

        gates, cells, hiddens = loop(steps, forward, start, (4 * units, units, units), backwards)

        def gradient(upstream):
            i, f, c, o = tf.split(gates, 4, axis=-1)
            squashed = tf.tanh(cells)
            # slopes of the gates with respect to the cell (i, f, c) and to the hidden state (o)
            by_cell = tf.concat([c * i * (1 - i), before(cells) * f * (1 - f), i * (1 - tf.square(c))], axis=-1)
            by_hidden = squashed * o * (1 - o)
            cell_by_hidden = o * (1 - tf.square(squashed))
            transposed = tf.transpose(recurrent)

            def backward(at, to_hidden, to_cell):
                to_hidden = to_hidden + upstream[at]
                to_cell = to_cell + to_hidden * cell_by_hidden[at]
                slope = tf.concat([tf.tile(to_cell, (1, 3)) * by_cell[at], to_hidden * by_hidden[at]], axis=-1)
                return (tf.matmul(slope, transposed), to_cell * f[at]), (slope,)

            slopes = loop(steps, backward, start, (4 * units,), not backwards)[0]
            rows = [tf.reshape(steps, (-1, steps.shape[-1])) for steps in (before(hiddens), slopes)]
            return slopes, tf.matmul(*rows, transpose_a=True)

        return hiddens, gradient

    return run(projected, recurrent)


@keras.saving.register_keras_serializable(package="mltu")
class BidirectionalLSTM(keras.layers.Bidirectional):
    """`Bidirectional(LSTM(units, return_sequences=True))`, trained about twice as fast on CPUs under TensorFlow.

    There its loops do only what must be done step by step. Everywhere else, and when it does not train, it is
    Keras's layer; results and weights are the same. In mixed precision, in reading too, only the products with the
    inputs are in half precision: the states are carried on in float32, so that rounding does not add up.

    Args:
        layer: a `keras.layers.LSTM` with default activations that returns sequences.
    """

    def call(self, sequences, initial_state=None, mask=None, training=None):
        plain = initial_state is None and mask is None and self.compute_dtype != "float64"
        ours = training or self.compute_dtype != "float32"
        if not (ours and plain and _on_tensorflow_cpu()):
            return super().call(sequences, initial_state=initial_state, mask=mask, training=training)
        import tensorflow as tf

        batch, steps = tf.unstack(tf.shape(sequences)[:2])
        rows = tf.reshape(tf.transpose(sequences, (1, 0, 2)), (-1, sequences.shape[2]))
        directions = []
        for layer, backwards in ((self.forward_layer, False), (self.backward_layer, True)):
            kernel, recurrent, bias = (
                tf.convert_to_tensor(weights)
                for weights in (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias)
            )
            projected = tf.cast(tf.matmul(rows, kernel), tf.float32) + tf.cast(bias, tf.float32)
            projected = tf.reshape(projected, (steps, batch, kernel.shape[1]))
            directions.append(_hidden_states(projected, tf.cast(recurrent, tf.float32), backwards))
        return tf.cast(tf.transpose(tf.concat(directions, axis=-1), (1, 0, 2)), self.compute_dtype)
