"""The networks: each a table of residual blocks, and one function that stacks them."""

from __future__ import annotations

from typing import NamedTuple

import keras
from keras import layers

from mltu.tensorflow.model_utils import ColumnMax, residual_block

# (filters, skip_conv, stride) of each residual block; a stride is one number or (vertical, horizontal)
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
# cheap while the map is large; four pixels a step, because dense writing has a character every six to eight.
# The first block must not stride: training TensorFlow's strided 1 x 1 convolution of one or three channels on a CPU
# corrupts memory (seen with 2.21 and oneDNN).
LINE_BLOCKS = (
    (16, True, 1),
    (16, True, 2),
    (32, True, 2),
    (64, True, (2, 1)),
    (64, False, 1),
    (128, True, (2, 1)),
    (128, False, 1),
)


class Architecture(NamedTuple):
    """What tells one network from another."""

    blocks: tuple  # residual blocks, first to last
    lstm_units: tuple[int, ...]  # of each bidirectional LSTM
    channels: int  # of the images: 1 for grey, 3 for BGR
    by_column: bool  # steps are columns, their maximum over the height, of images of any width; else rows in turn

    @property
    def pixels_per_step(self) -> int:
        """Horizontal stride: how many pixels of width a column of the last feature map stands for."""
        pixels = 1
        for _, _, stride in self.blocks:
            pixels *= stride if isinstance(stride, int) else stride[1]
        return pixels


ARCHITECTURES = {
    "reference": Architecture(REFERENCE_BLOCKS, (256, 64), channels=3, by_column=False),
    "line": Architecture(LINE_BLOCKS, (256, 256), channels=1, by_column=True),
}


def train_model(
    input_dim: tuple[int, int | None, int],
    output_dim: int,
    activation: str = "leaky_relu",
    dropout: float = 0.2,
    architecture: str = "reference",
) -> keras.Model:
    """Build a network: residual CNN, bidirectional LSTMs, softmax for CTC.

    The reference network makes one sequence of H' x W' steps out of its feature map of height H' and
    width W', row by row. The line network takes the maximum of each column, so its W' steps run from
    left to right and the width is free.

    Args:
        input_dim: (height, width, channels) of the images, values 0 to 255; the width may be None
            for the line network.
        output_dim: size of the vocabulary; the output has one class more, the blank, which is last.
        activation: see :func:`mltu.tensorflow.model_utils.activation_layer`.
        dropout: share of units dropped in blocks and after LSTMs.
        architecture: "reference" or "line".

    Returns:
        Model from `input`, shape (batch, height, width, channels), to `output`, shape
        (batch, steps, output_dim + 1). The reference has 528 steps for 96 x 1408 pixels, the line
        network one for every four pixels of width.
    """
    network = ARCHITECTURES[architecture]
    inputs = layers.Input(shape=input_dim, name="input")
    x = layers.Rescaling(1.0 / 255)(inputs)
    for filters, skip_conv, stride in network.blocks:
        x = residual_block(x, filters, skip_conv=skip_conv, strides=stride, activation=activation, dropout=dropout)
    x = ColumnMax()(x) if network.by_column else layers.Reshape((x.shape[-3] * x.shape[-2], x.shape[-1]))(x)
    for units in network.lstm_units:
        x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
        x = layers.Dropout(dropout)(x)
    # float32 even in mixed precision, because CTC takes logarithms of small probabilities
    outputs = layers.Dense(output_dim + 1, activation="softmax", name="output", dtype="float32")(x)
    return keras.Model(inputs=inputs, outputs=outputs)
