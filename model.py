"""The networks: each a table of residual blocks, and one function that stacks them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import keras
from keras import layers

from mltu.pages.maps import MAPS, STRIDE
from mltu.tensorflow.model_utils import ColumnMax, LineMaps, activation_layer, residual_block
from mltu.tensorflow.recurrent import BidirectionalLSTM

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
# cheap while the map is large: a stem that shrinks it first, and few filters until it is small
LINE_BLOCKS = (
    (32, True, 2),
    (32, False, 1),
    (64, True, 2),
    (64, False, 1),
    (128, True, (2, 1)),
    (128, False, 1),
)
FINE_BLOCKS = (*LINE_BLOCKS[:2], (64, True, (2, 1)), *LINE_BLOCKS[3:])
FINDER_STEM = 16  # filters of the line finder's stem, of stride 2
# its levels, each of half the size of the one before: (filters, further blocks)
FINDER_LEVELS = ((24, 1), (48, 1), (64, 1), (96, 1))


class Architecture(NamedTuple):
    """What tells one network from another."""

    stem: tuple[int, int, int] | None  # (filters, kernel size, stride) of a convolution before the blocks
    blocks: tuple  # residual blocks, first to last
    lstm_units: tuple[int, ...]  # of each bidirectional LSTM
    channels: int  # of the images: 1 for grey, 3 for BGR
    by_column: bool  # steps are columns, their maximum over the height, of images of any width; else rows in turn
    dropout_in_blocks: bool = True  # besides that around the LSTMs

    def feature_map(self, height: int, width: int) -> tuple[int, int]:
        """(rows, columns) of the feature map of an image of this size in pixels."""
        strides = [self.stem[2]] if self.stem else []
        for stride in (*strides, *(stride for _, _, stride in self.blocks)):
            down, across = (stride, stride) if isinstance(stride, int) else stride
            height, width = -(-height // down), -(-width // across)  # convolutions with padding "same" round up
        return height, width


REFERENCE = Architecture(None, REFERENCE_BLOCKS, (256, 64), channels=3, by_column=False)
# eight pixels per column make the LSTMs cheap
LINE = Architecture((16, 5, 2), LINE_BLOCKS, (256, 256), channels=1, by_column=True, dropout_in_blocks=False)
# four pixels per column, as narrow letters want, and narrower LSTMs, so that both cost the same
FINE = LINE._replace(blocks=FINE_BLOCKS, lstm_units=(192, 128))
ARCHITECTURES = {"reference": REFERENCE, "line": LINE, "fine": FINE}


def time_steps(widths: Iterable[int], height: int, architecture: str, steps_per_column: int = 1) -> dict[int, int]:
    """Length of a network's output sequence for images of each of some widths.

    Args:
        widths: of images, in pixels.
        height: of the images, in pixels.
        architecture: name of the network.
        steps_per_column: as in :func:`train_model`.
    """
    network = ARCHITECTURES[architecture]
    maps = {width: network.feature_map(height, width) for width in widths}
    return {
        width: columns * steps_per_column if network.by_column else rows * columns
        for width, (rows, columns) in maps.items()
    }


def _classes(x: keras.KerasTensor, count: int, steps_per_column: int, name: str) -> keras.KerasTensor:
    """Class probabilities of each time step, shape (batch, steps, count), from features of columns."""
    # float32 even in mixed precision, because CTC takes logarithms of small probabilities
    if steps_per_column == 1:
        return layers.Dense(count, activation="softmax", name=name, dtype="float32")(x)
    x = layers.Dense(count * steps_per_column, name=f"{name}_scores", dtype="float32")(x)
    x = layers.Reshape((-1, count), name=f"{name}_steps")(x)
    return layers.Softmax(name=name, dtype="float32")(x)


def train_model(
    input_dim: tuple[int, int | None, int],
    output_dim: int,
    activation: str = "leaky_relu",
    dropout: float = 0.2,
    architecture: str = "reference",
    shortcut: bool = False,
    steps_per_column: int = 2,
) -> keras.Model:
    """Build a network: residual CNN, bidirectional LSTMs, softmax for CTC.

    The reference network makes one sequence of H' x W' steps out of its feature map of height H' and
    width W', row by row. The line networks take the maximum of each column, so their steps run from
    left to right and the width is free; each column, of eight pixels ("line") or four ("fine"), gives
    `steps_per_column` steps, because dense writing has more than one character in a column.

    Args:
        input_dim: (height, width, channels) of the images, values 0 to 255; the width may be None
            for the line networks.
        output_dim: size of the vocabulary; the output has one class more, the blank, which is last.
        activation: see :func:`mltu.tensorflow.model_utils.activation_layer`.
        dropout: share of units dropped: in the blocks and after the LSTMs of the reference, before
            and after the LSTMs of the line network.
        architecture: one of `ARCHITECTURES`.
        shortcut: add a second output, made by a convolution and a dense layer from the features that
            the LSTMs take. It is for training only: its CTC loss reaches the CNN without the LSTMs between
            (Retsinas et al., "Best Practices for a Handwritten Text Recognition System", DAS 2022).
        steps_per_column: time steps that the last layer of the line network makes of each column.

    Returns:
        Model from `input`, shape (batch, height, width, channels), to `output`, shape
        (batch, steps, output_dim + 1), and with a shortcut to [`output`, `shortcut`] of that shape.
        The reference has 528 steps for 96 x 1408 pixels, the line network `steps_per_column` for
        every eight pixels of width.
    """
    network = ARCHITECTURES[architecture]
    inputs = layers.Input(shape=input_dim, name="input")
    x = layers.Rescaling(1.0 / 255)(inputs)
    if network.stem:
        filters, kernel_size, stride = network.stem
        x = layers.Conv2D(filters, kernel_size, stride, padding="same", kernel_initializer="he_uniform")(x)
        x = activation_layer(layers.BatchNormalization()(x), activation)
    in_blocks = dropout if network.dropout_in_blocks else 0.0
    for filters, skip_conv, stride in network.blocks:
        x = residual_block(x, filters, skip_conv=skip_conv, strides=stride, activation=activation, dropout=in_blocks)
    x = ColumnMax()(x) if network.by_column else layers.Reshape((x.shape[-3] * x.shape[-2], x.shape[-1]))(x)
    if not network.dropout_in_blocks:
        x = layers.Dropout(dropout)(x)
    features = x
    bidirectional = BidirectionalLSTM if network.by_column else layers.Bidirectional
    for units in network.lstm_units:
        x = bidirectional(layers.LSTM(units, return_sequences=True))(x)
        x = layers.Dropout(dropout)(x)
    steps = steps_per_column if network.by_column else 1
    outputs = _classes(x, output_dim + 1, steps, "output")
    if shortcut:
        x = layers.Conv1D(128, 3, padding="same", activation="relu", name="shortcut_features")(features)
        outputs = [outputs, _classes(x, output_dim + 1, steps, "shortcut")]
    return keras.Model(inputs=inputs, outputs=outputs)


def line_finder_model(levels: tuple[tuple[int, int], ...] = FINDER_LEVELS) -> keras.Model:
    """Build the network that finds the lines of a page: a residual CNN and a decoder that adds its levels up.

    The way down and up is that of Lin et al., "Feature Pyramid Networks" (CVPR 2017), fig. 3.

    Args:
        levels: (filters, residual blocks after the one that halves the size) of each level.

    Returns:
        Model from `input`, grey values 0 to 255 of shape (batch, height, width, 1), both multiples of 32, to `output`,
        shape (batch, height / 2, width / 2, 6): what :mod:`mltu.pages.maps` describes.
    """
    inputs = layers.Input(shape=(None, None, 1), name="input")
    x = layers.Rescaling(1.0 / 127.5, offset=-1.0)(inputs)
    x = layers.Conv2D(FINDER_STEM, 5, STRIDE, padding="same", use_bias=False, kernel_initializer="he_uniform")(x)
    x = activation_layer(layers.BatchNormalization()(x))
    maps = []
    for filters, further in levels:
        x = residual_block(x, filters, skip_conv=True, strides=2, dropout=0.0)
        for _ in range(further):
            x = residual_block(x, filters, skip_conv=False, strides=1, dropout=0.0)
        maps.append(x)
    for level in reversed(maps[:-1]):
        x = layers.Add()([layers.Conv2DTranspose(level.shape[-1], 2, strides=2)(x), level])
        x = residual_block(x, level.shape[-1], skip_conv=False, strides=1, dropout=0.0)
    # Each pixel of the highest level becomes 2 x 2 of the maps. Small weights let training begin with scores near 0.
    small = keras.initializers.RandomNormal(stddev=0.01)
    x = layers.Conv2DTranspose(len(MAPS), 2, strides=2, kernel_initializer=small, name="scores")(x)
    return keras.Model(inputs=inputs, outputs=LineMaps(name="output", dtype="float32")(x))
