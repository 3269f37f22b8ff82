"""Building blocks of the networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import layers

from ..configs import suggestion
from ..utils.errors import InputError
from .losses import CTCloss
from .metrics import CERMetric, WERMetric


def activation_layer(layer: keras.KerasTensor, activation: str = "relu", alpha: float = 0.1) -> keras.KerasTensor:
    """Apply "leaky_relu", with the slope `alpha` below zero, or a Keras activation ("relu", "elu", "gelu", ...).

    Raises:
        InputError: Keras has no activation of that name.
    """
    if activation == "leaky_relu":
        return layers.LeakyReLU(negative_slope=alpha)(layer)
    names = [name for name in dir(keras.activations) if not name.startswith("_")]
    if activation not in names or activation in ("get", "serialize", "deserialize", "glu"):  # glu halves the channels
        raise InputError(f"activation: Keras has none called {activation!r}{suggestion(activation, names)}")
    return layers.Activation(activation)(layer)


@keras.saving.register_keras_serializable(package="mltu")
class ColumnMax(layers.Layer):
    """The maximum of each column: from shape (batch, height, width, channels) to (batch, width, channels)."""

    def call(self, x):
        return keras.ops.max(x, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], *input_shape[2:])


@keras.saving.register_keras_serializable(package="mltu")
class LineMaps(layers.Layer):
    """From scores to what :mod:`mltu.pages.maps` describes; the shape stays, (batch, height, width, 6).

    Sigmoid for the probabilities `core` and `ends`, exponential for the heights `above` and `below`, whose scores are
    logarithms of shares of `TYPICAL_HEIGHT`, and the scores themselves for the direction `cos` and `sin`.
    """

    TYPICAL_HEIGHT = 16.0  # pixels, at a score of 0
    MAX_SCORE = 4.0  # of heights, either way, so that no wild score overflows

    def call(self, x):
        probabilities = keras.ops.sigmoid(x[..., :2])
        scores = keras.ops.clip(x[..., 2:4], -self.MAX_SCORE, self.MAX_SCORE)
        return keras.ops.concatenate([probabilities, self.TYPICAL_HEIGHT * keras.ops.exp(scores), x[..., 4:]], axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape


def residual_block(
    x: keras.KerasTensor,
    filter_num: int,
    strides: int | tuple[int, int] = 2,
    kernel_size: int | tuple[int, int] = 3,
    skip_conv: bool = True,
    padding: str = "same",
    kernel_initializer: str = "he_uniform",
    activation: str = "relu",
    dropout: float = 0.2,
) -> keras.KerasTensor:
    """Residual block: conv - batch norm - activation - conv - batch norm, plus the input, activation, dropout.

    After He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), fig. 2.

    Args:
        x: feature map, shape (batch, height, width, channels).
        filter_num: channels of the result.
        strides: of the first convolution, and of the 1 x 1 convolution on the skip path.
        skip_conv: bring the input to the result's shape by a 1 x 1 convolution; needed where
            `strides` or `filter_num` change the shape.
        activation: see :func:`activation_layer`.

    Returns:
        Feature map, shape (batch, height / strides, width / strides, filter_num), rounded up.
    """
    skip = x
    options = {"padding": padding, "kernel_initializer": kernel_initializer}
    x = layers.Conv2D(filter_num, kernel_size, strides=strides, **options)(x)
    x = layers.BatchNormalization()(x)
    x = activation_layer(x, activation)
    x = layers.Conv2D(filter_num, kernel_size, **options)(x)
    x = layers.BatchNormalization()(x)
    if skip_conv:
        skip = layers.Conv2D(filter_num, 1, strides=strides, **options)(skip)
    x = layers.Add()([x, skip])
    x = activation_layer(x, activation)
    return layers.Dropout(dropout)(x)


@keras.saving.register_keras_serializable(package="mltu")
class ShortcutModel(keras.Model):
    """A network with a second output, for training: the loss of that output is added to the other's.

    What is kept in the end is :attr:`reader`, the network without the second output; both share their weights.
    """

    def __init__(self, network: keras.Model, weight: float, **options) -> None:
        super().__init__(**options)
        self.network = network
        self.weight = weight
        self.reader = keras.Model(network.input, network.outputs[0])
        self.built = True  # as the network is; weights can be loaded only then

    def call(self, inputs, training=None):
        return self.network(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        main, shortcut = y_pred
        loss = super().compute_loss(x, y, main, sample_weight, training)
        return loss + self.weight * self.loss(y, shortcut, sample_weight) if training else loss

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, y, y_pred[0], sample_weight)

    def get_config(self) -> dict:
        return {"network": keras.saving.serialize_keras_object(self.network), "weight": self.weight}

    @classmethod
    def from_config(cls, config: dict):
        return cls(keras.saving.deserialize_keras_object(config["network"]), config["weight"])


def compile_model(model: keras.Model, vocab: str, optimizer: keras.optimizers.Optimizer | str = "rmsprop") -> None:
    """Compile with the CTC loss and both error rates; the characters are in the order of the classes."""
    # under TensorFlow, XLA can compile neither the CTC kernel nor the metrics
    jit_compile = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(optimizer, CTCloss(), metrics=[CERMetric(vocab), WERMetric(vocab)], jit_compile=jit_compile)


def set_statistics_momentum(network: keras.Model, momentum: float) -> None:
    """Let batch normalisation average its statistics with this momentum, from 0 to 1, before it is trained."""
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = momentum


def inference_model(model: keras.Model) -> keras.Model:
    """The part of a model in training that reads: the model itself, unless there is more around it."""
    return getattr(model, "reader", model)


def reading_function(model: keras.Model) -> Callable[[Any], Any]:
    """Function (batch of images) -> probabilities, quick when called again, of a model that is being trained.

    Unlike `predict_on_batch` it can be called by one of several workers alone.
    """
    read = partial(inference_model(model), training=False)
    if keras.backend.backend() != "tensorflow":
        return read
    import tensorflow as tf

    return tf.function(read, reduce_retracing=True)
