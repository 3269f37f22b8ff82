"""What happens around training: log files, readings to look at, a clean Ctrl-C, ONNX export."""

from __future__ import annotations

import csv
import json
import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ..utils.errors import InputError
from ..utils.files import whole_file, write_whole
from ..utils.sheets import sheet
from ..utils.text_utils import ctc_decoder
from . import recurrent  # noqa: F401 - registers the layers of saved models
from .model_utils import reader_of, reading_function

if TYPE_CHECKING:
    from ..dataProvider import DataProvider

ONNX_OPSET = 17
NO_TENSORFLOW = "ONNX export needs TensorFlow: run `python train.py --export_only DIR` where it is installed"


class _LogFile(logging.FileHandler):
    """Log file that lets errors through, such as a full disk, where logging prints a traceback and goes on."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise


class TrainLogger(keras.callbacks.Callback):
    """Write one line for each epoch to a log file.

    Args:
        log_path: folder of the file.
        log_file: its name.
        logLevel: level of its logger, which is private to the file.
        console_output: write to standard error too.
    """

    def __init__(
        self,
        log_path: str | Path,
        log_file: str = "logs.log",
        logLevel: int = logging.INFO,
        console_output: bool = False,
    ) -> None:
        super().__init__()
        path = Path(log_path) / log_file
        path.parent.mkdir(parents=True, exist_ok=True)
        self.logger = logging.Logger(f"{__name__}.{path}", logLevel)  # outside the tree of loggers
        handlers: list[logging.Handler] = [_LogFile(path, mode="a", encoding="utf-8")]
        if console_output:
            handlers.append(logging.StreamHandler())
        for handler in handlers:
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
            self.logger.addHandler(handler)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        values = "; ".join(f"{name}: {value:.6g}" for name, value in (logs or {}).items())
        self.logger.info("epoch %d; %s", epoch + 1, values)

    def on_train_end(self, logs: Mapping[str, float] | None = None) -> None:
        for handler in self.logger.handlers[:]:
            handler.close()
            self.logger.removeHandler(handler)


class ShowReadings(keras.callbacks.Callback):
    """After each epoch, show how a few validation lines are read.

    Args:
        images: one for each line, shape (height, width, channels); widths may differ.
        texts: what stands on them.
        vocab: the characters, in the order of the classes.
        log_file: the same is appended here.
        log_dir: folder of TensorBoard logs that get the lines as pictures with their readings; None: none.
    """

    def __init__(
        self,
        images: Sequence[np.ndarray],
        texts: Sequence[str],
        vocab: str,
        log_file: str | Path,
        log_dir: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.images = images
        self.texts = texts
        self.vocab = vocab
        self.log_file = Path(log_file)
        self.log_dir = log_dir
        self._read: Callable | None = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._read = self._read or reading_function(self.model)
        predictions = [self._read(image[None]) for image in self.images]
        readings = [ctc_decoder(keras.ops.convert_to_numpy(one), self.vocab)[0] for one in predictions]
        rows = [f"  true {true}\n  read {read}" for true, read in zip(self.texts, readings, strict=True)]
        block = f"epoch {epoch + 1}\n" + "\n".join(rows) + "\n"
        print("\n" + block, end="", flush=True)
        with open(self.log_file, "a", encoding="utf-8") as file:
            file.write(block)
        if self.log_dir:
            self._log_pictures(epoch, readings)

    def _log_pictures(self, epoch: int, readings: Sequence[str]) -> None:
        import tensorflow as tf

        writer = tf.summary.create_file_writer(str(self.log_dir))
        with writer.as_default(step=epoch):
            for number, (image, true, read) in enumerate(zip(self.images, self.texts, readings, strict=True), start=1):
                picture = sheet([([image], [f"true  {true}", f"read  {read}"])])
                tf.summary.image(f"validation line {number}", picture[None, ..., ::-1])
        writer.close()


class ReadingScore(keras.callbacks.Callback):
    """Add `val_score` to the values of an epoch: `val_CER`, or 1 + `val_loss` while the network reads nothing.

    CTC networks say nothing at first, at a CER of 1, while their loss falls. Judged by CER alone, the
    first epoch would stay the best and patience would end before reading begins. Any epoch that
    reads has a lower score than all that do not. Must come before callbacks that use the score.

    Args:
        reads_below: CER from which on the network reads; below 1.
    """

    def __init__(self, reads_below: float = 0.95) -> None:
        super().__init__()
        self.reads_below = reads_below

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if logs and "val_CER" in logs:
            reads = logs["val_CER"] < self.reads_below
            logs["val_score"] = logs["val_CER"] if reads else 1.0 + logs["val_loss"]


class SaveBest(keras.callbacks.Callback):
    """After each epoch that is better than all before, save what reads.

    That is :func:`mltu.tensorflow.model_utils.reader_of` the model. Keras's `ModelCheckpoint` writes over the best
    weights; here they are replaced when the new ones are safe on the disk.

    Args:
        path: the .keras file.
        monitor: name of the value that is to fall.
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
        """Save the model as it is now.

        Raises:
            OSError: it cannot be written; the file before is still there.
        """
        with whole_file(self.path, durable=True, ending=".keras") as unfinished:
            reader_of(self.model).save(unfinished)


class WarmupCosine(keras.callbacks.Callback):
    """Raise the learning rate from 0 in a straight line, then let it fall to 0 along a cosine.

    Loshchilov and Hutter, "SGDR" (ICLR 2017), eq. 5, without restarts. The end is that of the epochs
    or of the time, whichever is nearer, judged before each step.

    Args:
        peak: the highest learning rate.
        warmup_steps: steps of the rise.
        total_steps: steps of all epochs.
        steps_per_epoch: to know where a continued run stands.
        clock: of the run; None if time does not matter.
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


class Clock(keras.callbacks.Callback):
    """Count the time of training, and end it in good order, validated and saved, when that is over.

    Args:
        max_seconds: of training, those of earlier parts of the run included; 0: no limit.
        spent: seconds of earlier parts.
    """

    def __init__(self, max_seconds: float = 0.0, spent: float = 0.0) -> None:
        super().__init__()
        self.max_seconds = max_seconds
        self._start = time.monotonic() - spent
        self.over = False

    @property
    def seconds(self) -> float:
        """Of training so far."""
        return time.monotonic() - self._start

    @property
    def progress(self) -> float:
        """Share of the time that is over; 0 without a limit."""
        return self.seconds / self.max_seconds if self.max_seconds else 0.0

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.progress >= 1:
            self.over = True
            self.model.stop_training = True


class StageTimes(keras.callbacks.Callback):
    """Say after each epoch where its time went, whether data or network is the bottleneck, and how much is left.

    Must come last, so that saving is counted.

    Args:
        provider: of the training lines, see :attr:`mltu.dataProvider.DataProvider.timings`.
        path: CSV file that gets a row for each epoch: seconds of wall clock, and those of loading summed over workers.
        epochs: the last one.
        clock: of the run.
    """

    RECENT = 5  # epochs whose time the estimate is made of

    def __init__(self, provider: DataProvider, path: str | Path, epochs: int, clock: Clock) -> None:
        super().__init__()
        self.provider = provider
        self.path = Path(path)
        self.epochs = epochs
        self.clock = clock
        self.rows: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begun = self._trained = self._validated = time.monotonic()
        self.provider.reset_timings()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._trained = self._validated = time.monotonic()

    def on_test_end(self, logs: Any = None) -> None:
        self._validated = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        loading = dict(self.provider.timings)
        lines = loading.pop("lines")
        row = {
            "epoch": epoch + 1,
            "lines": lines,
            "training": self._trained - self._begun,
            "validation": self._validated - self._trained,
            "saving": time.monotonic() - self._validated,
            **loading,
        }
        self.rows.append(row)
        self._append(row)
        ready = loading["idle"] / max(loading["idle"] + loading["waited"], 1e-9)
        slower = "the network is the bottleneck" if ready >= 0.5 else "loading is the bottleneck; raise --train_workers"
        parts = [f"{name} {duration(row[name])}" for name in ("training", "validation", "saving")]
        rate = lines / max(row["training"], 1e-9)
        print(
            f"{', '.join(parts)}; {rate:.3g} lines a second, ready {ready:.0%} of the time: {slower}; "
            f"at most {duration(self.seconds_left(epoch))} left",
            flush=True,
        )

    def seconds_left(self, epoch: int) -> float:
        """Estimate of the time until the last epoch or minute, whichever is nearer."""
        recent = self.rows[-self.RECENT :]
        one = sum(row["training"] + row["validation"] + row["saving"] for row in recent) / len(recent)
        left = one * (self.epochs - epoch - 1)
        return max(0.0, min(left, self.clock.max_seconds - self.clock.seconds) if self.clock.max_seconds else left)

    def _append(self, row: Mapping[str, float]) -> None:
        new = not self.path.exists()
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow({name: round(value, 3) for name, value in row.items()})


def duration(seconds: float) -> str:
    """A time for people: `3 d 4 h`, `1 h 5 min`, `7 min` or `12 s`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


class LearningRateSweep(keras.callbacks.Callback):
    """Raise the learning rate exponentially from step to step, and note the loss of each batch.

    The learning rate range test of Smith, "Cyclical Learning Rates for Training Neural Networks" (WACV 2017), sec. 3.3.
    It ends early when the loss has become much higher than it was.

    Args:
        low: learning rate of the first step.
        high: of the last.
        steps: how many.
    """

    TOO_HIGH = 4.0  # times the lowest loss, at which the sweep ends
    SMOOTHING = 0.8  # share of the mean so far in the running mean of the loss

    def __init__(self, low: float = 1e-6, high: float = 1.0, steps: int = 100) -> None:
        super().__init__()
        self.low = low
        self.high = high
        self.steps = steps
        self.rates: list[float] = []
        self.losses: list[float] = []  # smoothed
        self._mean = 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.reset_metrics()  # so that the loss is that of one batch
        self.rates.append(self.low * (self.high / self.low) ** (len(self.rates) / max(1, self.steps - 1)))
        self.model.optimizer.learning_rate = self.rates[-1]

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        loss = float(logs["loss"])
        if math.isfinite(loss):
            self._mean = self.SMOOTHING * self._mean + (1 - self.SMOOTHING) * loss
            self.losses.append(self._mean / (1 - self.SMOOTHING ** len(self.rates)))  # as Adam corrects its means
        if not math.isfinite(loss) or len(self.rates) == self.steps or loss > self.TOO_HIGH * min(self.losses):
            self.rates = self.rates[: len(self.losses)]
            self.model.stop_training = True

    def suggestion(self) -> float | None:
        """A tenth of the rate at which the loss was lowest; None if it never fell."""
        lowest = int(np.argmin(self.losses)) if self.losses else 0
        return self.rates[lowest] / 10 if lowest else None


class SwapAverage(keras.callbacks.SwapEMAWeights):
    """`SwapEMAWeights` after each epoch, for what is validated and saved.

    Args:
        swapped: the model starts with averaged weights, as it is saved between two epochs.
    """

    def __init__(self, swapped: bool = False) -> None:
        super().__init__(swap_on_epoch=True)
        self._ema_weights_in_model = swapped

    @property
    def swapped(self) -> bool:
        """Whether the averaged weights are those of the model now."""
        return self._ema_weights_in_model


class BadLoss(Exception):
    """Raised after a batch with a loss that is no finite number; the message names epoch and batch."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__(f"the loss became no finite number in epoch {epoch + 1}, batch {batch + 1}")
        self.epoch = epoch
        self.batch = batch


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


class TrainingInterrupted(Exception):
    """Raised between two batches after Ctrl-C."""


class StopOnInterrupt(keras.callbacks.Callback):
    """On the first Ctrl-C, finish the batch and raise :class:`TrainingInterrupted`; a second one ends at once.

    Args:
        save: called first, if the batch was one of training, so that nothing is lost.
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


def float32_copy(model: keras.Model) -> keras.Model:
    """The model itself, or its float32 twin if it was trained in mixed precision."""
    if all(layer.compute_dtype == "float32" for layer in model.layers):
        return model

    def in_float32(layer: keras.layers.Layer) -> keras.layers.Layer:
        config = layer.get_config()
        config["dtype"] = "float32"
        if isinstance(layer, keras.layers.Bidirectional):
            for inner in ("layer", "backward_layer"):
                if inner in config:
                    config[inner]["config"]["dtype"] = "float32"
        return type(layer).from_config(config)

    twin = keras.models.clone_model(model, clone_function=in_float32)
    twin.set_weights(model.get_weights())
    return twin


class Model2onnx(keras.callbacks.Callback):
    """Convert a saved Keras model to ONNX when training ends.

    Args:
        saved_model_path: the .keras file; the .onnx file is written beside it.
        metadata: name -> value, stored in the ONNX file as JSON.
        save_on_epoch_end: convert after each epoch too.

    Raises:
        InputError: there is no saved model, or TensorFlow is not the backend.
    """

    def __init__(
        self,
        saved_model_path: str | Path,
        metadata: Mapping[str, Any] | None = None,
        save_on_epoch_end: bool = False,
    ) -> None:
        super().__init__()
        self.saved_model_path = Path(saved_model_path)
        self.metadata = dict(metadata or {})
        self.save_on_epoch_end = save_on_epoch_end

    @staticmethod
    def model2onnx(model: keras.Model, onnx_model_path: str | Path, metadata: Mapping[str, Any] | None = None) -> None:
        """Write a model with one input and one output as ONNX, with a free batch axis.

        Args:
            model: built under the TensorFlow backend; mixed precision becomes float32.
            onnx_model_path: the file; it appears whole or not at all.
            metadata: stored as JSON, one entry a name.
        """
        if keras.backend.backend() != "tensorflow":
            raise InputError(NO_TENSORFLOW)
        import onnx
        import tensorflow as tf
        import tf2onnx

        model = float32_copy(model)
        source = model.inputs[0]
        signature = [tf.TensorSpec((None, *source.shape[1:]), tf.float32, name=source.name)]

        @tf.function(input_signature=signature, autograph=False)
        def forward(images):
            return {model.output_names[0]: model(images, training=False)}

        proto, _ = tf2onnx.convert.from_function(forward, input_signature=signature, opset=ONNX_OPSET)
        for name, value in (metadata or {}).items():
            proto.metadata_props.add(key=name, value=json.dumps(value, ensure_ascii=False))
        onnx.checker.check_model(proto)
        write_whole(Path(onnx_model_path), proto.SerializeToString())

    @property
    def onnx_model_path(self) -> Path:
        return self.saved_model_path.with_suffix(".onnx")

    def convert(self) -> keras.Model:
        """Convert the saved model now, and return what was converted, in float32.

        Raises:
            InputError: there is no saved model, or it cannot be loaded.
        """
        if not self.saved_model_path.is_file():
            raise InputError(f"{self.saved_model_path}: no saved model to convert")
        try:
            model = keras.models.load_model(self.saved_model_path, compile=False)
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.saved_model_path}: not a Keras model that can be loaded ({reason})") from None
        model = float32_copy(model)
        self.model2onnx(model, self.onnx_model_path, self.metadata)
        return model

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if self.save_on_epoch_end and self.saved_model_path.is_file():
            self.convert()

    def on_train_end(self, logs: Any = None) -> None:
        if self.saved_model_path.is_file():
            self.convert()
