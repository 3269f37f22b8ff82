"""What shows and logs training: log files, readings to look at, where the time goes."""

from __future__ import annotations

import csv
import importlib.util
import logging
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from ..dataProvider import DataProvider
from ..pictures.curves import READING_PANELS, Panel, save_curves
from ..pictures.sheets import sheet
from ..run_folder import RunFolder
from ..utils.text_utils import ctc_decoder
from .model_utils import reading_function

if TYPE_CHECKING:
    from .callbacks import Clock
    from .run_state import RunState


def spread(samples: Sequence, count: int) -> Sequence:
    """At most so many samples, from the first to the last."""
    return samples[:: max(1, len(samples) // count)][:count]


def verbosity() -> int:
    """Of Keras: a progress bar on a terminal, else a line per epoch."""
    return 1 if sys.stdout.isatty() else 2


class _LogFile(logging.FileHandler):
    """Log file that lets errors through, such as a full disk, where logging prints a traceback and goes on."""

    def handleError(self, record: logging.LogRecord) -> None:
        raise


class TrainLogger(keras.callbacks.Callback):
    """Write one line for each epoch to a log file in the folder `log_path`, and, if wanted, to standard error."""

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
        log_dir: folder of TensorBoard logs that get the lines as pictures with their readings; None: none.
    """

    def __init__(
        self,
        images: Sequence[np.ndarray],
        texts: Sequence[str],
        vocab: str,
        log_file: Path,
        log_dir: Path | None = None,
    ) -> None:
        super().__init__()
        self.images = images
        self.texts = texts
        self.vocab = vocab
        self.log_file = log_file
        self.log_dir = log_dir
        self._read: Callable | None = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self._read = self._read or reading_function(self.model)
        predictions = [self._read(image[None]) for image in self.images]
        readings = [ctc_decoder(keras.ops.convert_to_numpy(steps), self.vocab)[0] for steps in predictions]
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


class Curves(keras.callbacks.Callback):
    """Draw the curves of a run after each epoch.

    Args:
        state: of the run, which has the values of all epochs and must come before.
        folder: of the run.
        panels: of the picture.
    """

    def __init__(self, state: RunState, folder: RunFolder, panels: Sequence[Panel] = READING_PANELS) -> None:
        super().__init__()
        self.state = state
        self.path = folder.curves
        self.panels = panels

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        save_curves(self.state.epochs, self.path, self.panels)


def logs_and_readings(
    folder: RunFolder, val: DataProvider, vocab: str, shown_lines: int
) -> list[keras.callbacks.Callback]:
    """Log file, TensorBoard where it is installed, and some validation lines with their readings after each epoch."""
    callbacks: list[keras.callbacks.Callback] = [TrainLogger(folder.path, folder.log.name)]
    with_tensorboard = all(map(importlib.util.find_spec, ("tensorflow", "tensorboard")))  # whatever the backend
    if with_tensorboard:
        callbacks.append(keras.callbacks.TensorBoard(str(folder.tensorboard)))
    if shown_lines:
        samples = spread(val.samples, shown_lines)
        images = [val.process_data(sample)[0] for sample in samples]
        pictures = folder.tensorboard / "readings" if with_tensorboard else None
        texts = [sample.text for sample in samples]
        callbacks.append(ShowReadings(images, texts, vocab, folder.readings, pictures))
    return callbacks


class StageTimes(keras.callbacks.Callback):
    """Say after each epoch where its time went, whether data or network is the bottleneck, and how much is left.

    Must come last, so that saving is counted.

    Args:
        provider: of the training lines, see :attr:`mltu.dataProvider.DataProvider.timings`.
        folder: of the run; its table gets a row per epoch: seconds of wall clock, and of loading summed over workers.
        epochs: the last one.
        clock: of the run.
        unit: what the samples are called.
    """

    RECENT = 5  # epochs whose time the estimate is made of
    MIN_BATCHES = 20  # of an epoch, to tell the bottleneck; before, workers have just started

    def __init__(
        self, provider: DataProvider, folder: RunFolder, epochs: int, clock: Clock, unit: str = "lines"
    ) -> None:
        super().__init__()
        self.provider = provider
        self.path = folder.timing
        self.epochs = epochs
        self.clock = clock
        self.unit = unit
        self.rows: list[dict[str, float]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._begun = self._trained = self._validated = time.monotonic()
        self._batches = 0
        self.provider.reset_timings()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self._batches += 1
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
        bottleneck = ""
        if self._batches >= self.MIN_BATCHES:
            ready = loading["idle"] / max(loading["idle"] + loading["waited"], 1e-9)
            slower = "the network" if ready >= 0.5 else "loading"
            bottleneck = f", ready {ready:.0%} of the time: {slower} is the bottleneck"
            bottleneck += "" if ready >= 0.5 else "; raise --train_workers"
        parts = [f"{name} {duration(row[name])}" for name in ("training", "validation", "saving")]
        rate = lines / max(row["training"], 1e-9)
        print(
            f"{', '.join(parts)}; {rate:.3g} {self.unit} per second{bottleneck}; "
            f"at most {duration(self.seconds_left(epoch))} left",
            flush=True,
        )

    def seconds_left(self, epoch: int) -> float:
        """Estimate of the time until the last epoch or minute, whichever is nearer."""
        recent = self.rows[-self.RECENT :]
        mean = sum(row["training"] + row["validation"] + row["saving"] for row in recent) / len(recent)
        left = mean * (self.epochs - epoch - 1)
        return max(0.0, min(left, self.clock.max_seconds - self.clock.seconds) if self.clock.max_seconds else left)

    def _append(self, row: Mapping[str, float]) -> None:
        new = not self.path.exists()
        with open(self.path, "a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(row))
            if new:
                writer.writeheader()
            writer.writerow({name: round(value, 3) for name, value in row.items()})


class SilenceHint(keras.callbacks.Callback):
    """Say after an epoch in which nothing is read that this is how CTC begins, and whether it gets on.

    Must come after the score, :class:`.ValidationScore`, which is above 1 as long as nothing is read.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lowest = math.inf

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        score, loss = (logs or {}).get("val_score", 0.0), (logs or {}).get("val_loss", 0.0)
        if score > 1:
            falls = "it falls" if loss < self._lowest else f"the lowest was {self._lowest:.4g}"
            print(f"Nothing is read yet, as usual in the first few thousand batches; val_loss {loss:.4g}: {falls}")
        self._lowest = min(self._lowest, loss)


class EpochBar(keras.callbacks.ProgbarLogger):
    """Keras's progress bar; an epoch that the clock ends shows the batches that it had, where Keras shows all."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        if self.clock.over and self.seen < (self.target or 0):
            print(f"\nThe time was over after {self.seen} of the {self.target} batches of epoch {epoch + 1}.")
            self.target = self.seen
        super().on_epoch_end(epoch, logs)


def duration(seconds: float) -> str:
    """A time for people: `3 d 4 h`, `1 h 5 min`, `7 min` or `12 s`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"
