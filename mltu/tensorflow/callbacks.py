"""What steers training: epochs, time, learning rate, the best weights, and how it ends."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..dataProvider import DataProvider
from ..utils.files import atomic_path
from .export import Model2onnx
from .failures import BadLoss
from .model_utils import inference_model
from .monitoring import TrainLogger

__all__ = ["Model2onnx", "TrainLogger"]  # where scripts written for the mltu library look for them


class EpochNumber(keras.callbacks.Callback):
    """Tell the provider of the training lines which epoch it is in; the one owner of that number.

    Keras ends epochs of its data more often than it trains them, so the provider cannot count them.
    """

    def __init__(self, provider: DataProvider) -> None:
        super().__init__()
        self.provider = provider

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.provider.epoch = epoch + 1


class Clock(keras.callbacks.Callback):
    """Count the time of training, and end it in good order, validated and saved, after `max_seconds`; 0: no limit.

    The seconds that earlier parts of the run have `spent` are counted too.
    """

    def __init__(self, max_seconds: float = 0.0, spent: float = 0.0) -> None:
        super().__init__()
        self.max_seconds = max_seconds
        self._start = time.monotonic() - spent
        self.over = False

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return time.monotonic() - self._start

    @property
    def progress(self) -> float:
        """Share of the time used; 0 without a limit."""
        return self.seconds / self.max_seconds if self.max_seconds else 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.progress >= 1:
            self.over = True
            self.model.stop_training = True


class StopOnBadLoss(keras.callbacks.Callback):
    """Raise :class:`BadLoss` where Keras's `TerminateOnNaN` would validate and save the broken weights first."""

    def __init__(self) -> None:
        super().__init__()
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        if logs and not math.isfinite(logs["loss"]):
            raise BadLoss(self._epoch, batch)


class ValidationScore(keras.callbacks.Callback):
    """Add `val_score` to the values of an epoch: `val_CER`, or 1 + `val_loss` as long as nothing is read.

    CTC networks say nothing at first, at a CER of 1, while their loss falls. Judged by CER alone, the
    first epoch would stay the best and patience would end before reading begins. Any epoch that
    reads, with a CER below `reads_below`, has a lower score than all that do not. Must come before callbacks
    that use the score.
    """

    def __init__(self, reads_below: float = 0.95) -> None:
        super().__init__()
        self.reads_below = reads_below

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs and "val_CER" in logs:
            reads = logs["val_CER"] < self.reads_below
            logs["val_score"] = logs["val_CER"] if reads else 1.0 + logs["val_loss"]


class SwapAverage(keras.callbacks.SwapEMAWeights):
    """`SwapEMAWeights` after each epoch; `swapped` if the model starts with averaged weights, as states hold it."""

    def __init__(self, swapped: bool = False) -> None:
        super().__init__(swap_on_epoch=True)
        self._ema_weights_in_model = swapped

    @property
    def swapped(self) -> bool:
        """Whether the averaged weights are those of the model now."""
        return self._ema_weights_in_model


class SaveBest(keras.callbacks.Callback):
    """After each epoch that is better than all before, save the part of the model that reads as a .keras file.

    Keras's `ModelCheckpoint` writes over the best weights; here they are replaced when the new ones are safe on the
    disk.
    """

    def __init__(self, path: str | Path, monitor: str = "val_score") -> None:
        super().__init__()
        self.path = Path(path)
        self.monitor = monitor
        self.best = math.inf

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        value = (logs or {}).get(self.monitor, math.inf)
        if value < self.best:
            print(f"\nEpoch {epoch + 1}: {self.monitor} {value:.5f}, the best so far; saved to {self.path}")
            self.save()
            self.best = value

    def save(self) -> None:
        """Save the model as it is now; if that fails, the file before is still there."""
        with atomic_path(self.path, durable=True, ending=".keras") as unfinished:
            inference_model(self.model).save(unfinished)


class WarmupCosine(keras.callbacks.Callback):
    """Raise the learning rate from 0 in a straight line, then let it fall to 0 along a cosine.

    Loshchilov and Hutter, "SGDR" (ICLR 2017), eq. 5, without restarts. The end is that of all steps
    or of the clock, whichever is nearer, judged before each step.
    """

    def __init__(
        self, peak: float, warmup_steps: int, total_steps: int, steps_per_epoch: int, clock: Clock | None = None
    ) -> None:
        super().__init__()
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps
        self.steps_per_epoch = steps_per_epoch
        self.clock = clock
        self._first = 0

    def rate(self, step: int, progress: float) -> float:
        """The learning rate of a step, counted from 0, when the given share of the run is over."""
        if step < self.warmup_steps:
            return self.peak * (step + 1) / self.warmup_steps
        return self.peak * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._first = epoch * self.steps_per_epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        step = self._first + batch
        progress = step / self.total_steps
        if self.clock:
            progress = max(progress, self.clock.progress)
        self.model.optimizer.learning_rate = self.rate(step, progress)


class LearningRateSweep(keras.callbacks.Callback):
    """Raise the learning rate exponentially from step to step, and note the loss of each batch.

    The learning rate range test of Smith, "Cyclical Learning Rates for Training Neural Networks" (WACV 2017), sec. 3.3.
    It ends early when the loss has become much higher than it was.
    """

    LOW, HIGH, STEPS = 1e-6, 1.0, 100  # learning rates of the first and last step, and how many there are
    TOO_HIGH = 4.0  # times the lowest loss, at which the sweep ends
    SMOOTHING = 0.8  # share of the mean so far in the running mean of the loss

    def __init__(self) -> None:
        super().__init__()
        self.rates: list[float] = []
        self.losses: list[float] = []  # smoothed
        self._mean = 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.reset_metrics()  # so that the loss is that of one batch
        self.rates.append(self.LOW * (self.HIGH / self.LOW) ** (len(self.rates) / (self.STEPS - 1)))
        self.model.optimizer.learning_rate = self.rates[-1]

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        loss = float(logs["loss"])
        if math.isfinite(loss):
            self._mean = self.SMOOTHING * self._mean + (1 - self.SMOOTHING) * loss
            self.losses.append(self._mean / (1 - self.SMOOTHING ** len(self.rates)))  # as Adam corrects its means
        if not math.isfinite(loss) or len(self.rates) == self.STEPS or loss > self.TOO_HIGH * min(self.losses):
            self.rates = self.rates[: len(self.losses)]
            self.model.stop_training = True

    def suggestion(self) -> float | None:
        """A tenth of the rate at which the loss was lowest; None if it never fell."""
        lowest = int(np.argmin(self.losses)) if self.losses else 0
        return self.rates[lowest] / 10 if lowest else None


class TrainingInterrupted(Exception):
    """Raised between two batches after Ctrl-C."""


class StopOnInterrupt(keras.callbacks.Callback):
    """On the first Ctrl-C, finish the batch, `save` if it was one of training, and raise :class:`TrainingInterrupted`.

    A second one ends at once.
    """

    def __init__(self, save: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.save = save
        self.asked = False
        self._before: Any = None

    def _ask(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("\nStopping after this batch (Ctrl-C again to stop at once) ...", flush=True)

    def on_train_begin(self, logs: Any = None) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._ask)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.asked:
            self.save()
            raise TrainingInterrupted

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.asked:
            raise TrainingInterrupted

    def restore(self) -> None:
        """Give Ctrl-C its former meaning back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def on_train_end(self, logs: Any = None) -> None:
        self.restore()
