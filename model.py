"""The networks: a table of residual blocks and one function that stacks them."""

from __future__ import annotations

import keras
from keras import layers

from mltu.tensorflow.model_utils import residual_block

# (filters, skip_conv, stride) of each residual block
REFERENCE_BLOCKS = (
    (32, True, 1),
    (32, True, 2),
    (32, False, 1),
    (64, True, 2),
    (64, False, 1),
    (128, True, 2),
    (128, True, 1),
    (128, True, 2),
    (128, False, 1),
)


def train_model(
    input_dim: tuple[int, int, int], output_dim: int, activation: str = "leaky_relu", dropout: float = 0.2
) -> keras.Model:
    """The reference network: residual CNN, two bidirectional LSTMs, softmax for CTC.

    The feature map of height H' and width W' becomes one sequence of H' x W' steps, row by row.

    Args:
        input_dim: (height, width, channels) of the images, values 0 to 255.
        output_dim: size of the vocabulary; the output has one class more, the blank, which is last.
        activation: see :func:`mltu.tensorflow.model_utils.activation_layer`.
        dropout: share of units dropped in blocks and after LSTMs.

    Returns:
        Model from `input`, shape (batch, height, width, channels), to `output`, shape
        (batch, H' x W', output_dim + 1): 528 steps for 96 x 1408 pixels.
    """
    inputs = layers.Input(shape=input_dim, name="input")
    x = layers.Rescaling(1.0 / 255)(inputs)
    for filters, skip_conv, stride in REFERENCE_BLOCKS:
        x = residual_block(x, filters, skip_conv=skip_conv, strides=stride, activation=activation, dropout=dropout)
    x = layers.Reshape((x.shape[-3] * x.shape[-2], x.shape[-1]))(x)
    for units in (256, 64):
        x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
        x = layers.Dropout(dropout)(x)
    # float32 even in mixed precision, because CTC takes logarithms of small probabilities
    outputs = layers.Dense(output_dim + 1, activation="softmax", name="output", dtype="float32")(x)
    return keras.Model(inputs=inputs, outputs=outputs)
