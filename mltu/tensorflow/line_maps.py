"""Loss and metrics of the line finder.

Truth has the channels of :mod:`mltu.pages.maps`, and then the weight of each pixel.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import ops

from ..pages.maps import MAPS

ENDS_WEIGHT = 4.0  # of pixels at ends of lines, which are few
MIN_AREA = 100.0  # pixels added to both areas of Dice, so that scenes without lines have a gradient too
TINY = 1e-6
SHARES = {"core": 1.0, "dice": 1.0, "ends": 0.5, "heights": 0.5, "direction": 0.5}  # of the parts in the loss


class _Channels(NamedTuple):
    """The channels of truth and prediction, shape (batch, height, width, 1 or 2) each."""

    core: Any
    ends: Any
    heights: Any
    direction: Any

    @classmethod
    def of(cls, maps: Any) -> _Channels:
        maps = ops.cast(maps, "float32")
        return cls(maps[..., 0:1], maps[..., 1:2], maps[..., 2:4], maps[..., 4:6])


def _cross_entropy(true: Any, predicted: Any) -> Any:
    predicted = ops.clip(predicted, TINY, 1 - TINY)
    return -(true * ops.log(predicted) + (1 - true) * ops.log(1 - predicted))


@keras.saving.register_keras_serializable(package="mltu")
class LineMapLoss(keras.losses.Loss):
    """Cross-entropy and Dice of cores, cross-entropy of ends, L1 of logarithms of heights and of directions in cores.

    Dice: Milletari et al., "V-Net" (3DV 2016), sec. 3, without squares, over the whole batch.

    `y_true` has the shape (batch, height, width, 7), `y_pred` (batch, height, width, 6).
    """

    def call(self, y_true, y_pred):
        true, predicted = _Channels.of(y_true), _Channels.of(y_pred)
        weight = ops.cast(y_true[..., len(MAPS) :], "float32")
        core = ops.mean(weight * _cross_entropy(true.core, predicted.core))
        shared = 2 * ops.sum(weight * true.core * predicted.core) + MIN_AREA
        dice = 1 - shared / (ops.sum(weight * (true.core + predicted.core)) + MIN_AREA)
        ends = ops.mean(weight * (1 + (ENDS_WEIGHT - 1) * true.ends) * _cross_entropy(true.ends, predicted.ends))
        pixels = ops.sum(true.core) + 1
        ratio = ops.log(predicted.heights) - ops.log(ops.maximum(true.heights, 1.0))
        heights = ops.sum(true.core * ops.abs(ratio)) / pixels
        direction = ops.sum(true.core * ops.abs(predicted.direction - true.direction)) / pixels
        parts = {"core": core, "dice": dice, "ends": ends, "heights": heights, "direction": direction}
        return sum(SHARES[name] * part for name, part in parts.items())


class _MapMetric(keras.metrics.Metric):
    """Base of metrics that are made of sums over the pixels of an epoch."""

    NAME = ""  # unless another is given
    SUMS = ("shared", "true", "predicted", "cores", "heights", "degrees")

    def __init__(self, name: str = "", **options: Any) -> None:
        super().__init__(name=name or self.NAME, **options)
        self.sums = {name: self.add_variable((), "zeros", name=name) for name in self.SUMS}

    def update_state(self, y_true, y_pred, sample_weight=None):
        true, predicted = _Channels.of(y_true), _Channels.of(y_pred)
        weight = ops.cast(y_true[..., len(MAPS) :], "float32")
        found = ops.cast(predicted.core > 0.5, "float32")
        ratio = ops.abs(ops.log(predicted.heights) - ops.log(ops.maximum(true.heights, 1.0)))
        (cos, sin), (true_cos, true_sin) = (
            (maps.direction[..., 0:1], maps.direction[..., 1:2]) for maps in (predicted, true)
        )
        angle = ops.abs(ops.arctan2(sin * true_cos - cos * true_sin, cos * true_cos + sin * true_sin))
        values = {
            "shared": weight * found * true.core,
            "true": weight * true.core,
            "predicted": weight * found,
            "cores": true.core,
            "heights": true.core * ops.mean(ratio, axis=-1, keepdims=True),
            "degrees": true.core * angle * (180 / 3.14159265),
        }
        for name, value in values.items():
            self.sums[name].assign_add(ops.sum(value))

    def _mean(self, name: str) -> Any:
        return self.sums[name] / (self.sums["cores"] + TINY)

    def _f1(self) -> Any:
        return 2 * self.sums["shared"] / (self.sums["true"] + self.sums["predicted"] + TINY)


class CoreF1(_MapMetric):
    """Harmonic mean of precision and recall of the pixels of cores, 0 to 1."""

    NAME = "F1"

    def result(self):
        return self._f1()


class HeightError(_MapMetric):
    """Mean of the differences of logarithms of heights in cores: 0.1 is some 10 %."""

    NAME = "height_error"

    def result(self):
        return self._mean("heights")


class DirectionError(_MapMetric):
    """Mean angle between the predicted and the true direction in cores, degrees."""

    NAME = "direction_error"

    def result(self):
        return self._mean("degrees")


class FinderScore(_MapMetric):
    """What the best weights are chosen by, lower is better: 1 - F1, a quarter of the height error, and directions.

    An error of 90 degrees counts as much as an F1 of 0.75 in place of 1.
    """

    NAME = "score"

    def result(self):
        return 1 - self._f1() + 0.25 * self._mean("heights") + self._mean("degrees") / 360
