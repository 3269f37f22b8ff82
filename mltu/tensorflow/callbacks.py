"""What happens around training: log files, readings to look at, a clean Ctrl-C, ONNX export."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..utils.errors import InputError
from ..utils.files import write_whole
from ..utils.text_utils import ctc_decoder
from . import recurrent  # noqa: F401 - registers the layers of saved models
from .model_utils import reader_of

ONNX_OPSET = 17
NO_TENSORFLOW = "ONNX export needs TensorFlow: run `python train.py --export_only DIR` where it is installed"


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
        handlers: list[logging.Handler] = [logging.FileHandler(path, mode="a", encoding="utf-8")]
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
    """

    def __init__(self, images: Sequence[np.ndarray], texts: Sequence[str], vocab: str, log_file: str | Path) -> None:
        super().__init__()
        self.images = images
        self.texts = texts
        self.vocab = vocab
        self.log_file = Path(log_file)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        reader = reader_of(self.model)
        predictions = [reader(image[None], training=False) for image in self.images]
        readings = [ctc_decoder(keras.ops.convert_to_numpy(one), self.vocab)[0] for one in predictions]
        rows = [f"  true {true}\n  read {read}" for true, read in zip(self.texts, readings, strict=True)]
        block = f"epoch {epoch + 1}\n" + "\n".join(rows) + "\n"
        print("\n" + block, end="", flush=True)
        with open(self.log_file, "a", encoding="utf-8") as file:
            file.write(block)


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


class SaveBest(keras.callbacks.ModelCheckpoint):
    """`ModelCheckpoint` of what reads, see :func:`mltu.tensorflow.model_utils.reader_of`."""

    def set_model(self, model: keras.Model) -> None:
        super().set_model(reader_of(model))


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


class SwapAverage(keras.callbacks.SwapEMAWeights):
    """`SwapEMAWeights` after each epoch, for what is validated and saved.

    Args:
        swapped: the model starts with averaged weights, as :class:`RunState` saves it.
    """

    def __init__(self, swapped: bool = False) -> None:
        super().__init__(swap_on_epoch=True)
        self._ema_weights_in_model = swapped


class RunState(keras.callbacks.Callback):
    """After each epoch, save all that is needed to go on with the run, and bring it back.

    Saved are weights and optimiser (as Keras has them in one file), the seeds of dropout, the values of
    all epochs, the time spent, and what `watchers` count. A state is written beside the last one and replaces
    it by one renaming, so there is a whole one at any time. Must come last.

    Args:
        folder: of the states; one for each run.
        clock: of the run.
        table: CSV file that gets the values of all epochs, a row each.
        watchers: callbacks whose counters belong to the run, such as `EarlyStopping`.
    """

    FILE = "state.json"
    COUNTERS = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")

    def __init__(
        self, folder: str | Path, clock: Clock, table: str | Path, watchers: Sequence[keras.callbacks.Callback] = ()
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.clock = clock
        self.table = Path(table)
        self.watchers = list(watchers)
        self.epochs: list[dict[str, float]] = []  # values of each
        self._counters: list[dict[str, float]] = []

    @staticmethod
    def read(folder: str | Path) -> dict[str, Any]:
        """What is known of the run besides the weights: `weights`, `seconds`, `epochs`, `counters`, `seeds`.

        Raises:
            InputError: there is no state, or it cannot be read.
        """
        path = Path(folder) / RunState.FILE
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{path}: nothing to resume; no epoch of that run was finished") from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: the state of the run cannot be read ({error})") from None

    def load(self, model: keras.Model, state: Mapping[str, Any]) -> int:
        """Bring a compiled model to a state that :meth:`read` gave; returns the number of epochs that are over."""
        model.optimizer.build(model.trainable_variables)
        path = self.folder / state["weights"]
        try:
            model.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{path}: the weights cannot be resumed ({' '.join(str(error).split())[:200]})") from None
        for variable, value in zip(self._seeds(model), state["seeds"], strict=True):
            variable.assign(value)
        self.epochs = state["epochs"]
        self._counters = state["counters"]
        return len(self.epochs)

    @staticmethod
    def _seeds(model: keras.Model) -> list[keras.Variable]:
        """Where dropout stands in its random numbers, which Keras does not count among the weights."""
        return [variable for variable in model.variables if variable.name == "seed_generator_state"]

    def on_train_begin(self, logs: Any = None) -> None:
        for watcher, counters in zip(self.watchers, self._counters, strict=False):
            for name, value in counters.items():
                setattr(watcher, name, value)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.epochs.append({"epoch": epoch + 1} | {name: float(value) for name, value in (logs or {}).items()})
        rows = io.StringIO(newline="")
        writer = csv.DictWriter(rows, list(self.epochs[-1]), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(self.epochs)
        write_whole(self.table, rows.getvalue().encode())
        self.folder.mkdir(parents=True, exist_ok=True)
        weights = f"epoch-{epoch + 1}.weights.h5"
        self.model.save_weights(self.folder / weights)
        counters = [
            {name: float(getattr(one, name)) for name in self.COUNTERS if getattr(one, name, None) is not None}
            for one in self.watchers
        ]
        state = {
            "weights": weights,
            "seconds": self.clock.seconds,
            "epochs": self.epochs,
            "counters": counters,
            "seeds": [keras.ops.convert_to_numpy(variable).tolist() for variable in self._seeds(self.model)],
        }
        write_whole(self.folder / self.FILE, json.dumps(state).encode())
        for old in self.folder.glob("*.weights.h5"):
            if old.name != weights:
                old.unlink()


class TrainingInterrupted(Exception):
    """Raised between two batches after Ctrl-C."""


class StopOnInterrupt(keras.callbacks.Callback):
    """On the first Ctrl-C, finish the batch and raise :class:`TrainingInterrupted`; a second one ends at once."""

    def __init__(self) -> None:
        super().__init__()
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
            raise TrainingInterrupted

    on_test_batch_end = on_train_batch_end

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
