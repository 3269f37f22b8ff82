"""What happens around training: log files, readings to look at, a clean Ctrl-C, ONNX export."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..utils.errors import InputError
from ..utils.files import write_whole
from ..utils.text_utils import ctc_decoder
from . import model_utils  # noqa: F401 - registers the layers of saved models

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
        predictions = [self.model(image[None], training=False) for image in self.images]
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
