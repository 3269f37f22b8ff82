"""ONNX export, and the proof that what was exported reads as Keras does."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..calibration import MAX_LINES, MIN_LINES, calibrate
from ..datasets import Sample
from ..error_analysis import Evaluated
from ..evaluation import evaluate as evaluate_lines
from ..inferenceModel import OnnxInferenceModel, set_metadata
from ..line_input import LineInput
from ..pages.maps import MAPS, STRIDE
from ..recognizer import LineRecognizer
from ..run_folder import RunFolder
from ..utils.errors import InputError
from ..utils.files import atomic_path
from ..utils.image_utils import read_image
from ..utils.text_utils import ctc_decoder
from . import model_utils, recurrent  # noqa: F401 - registers the layers of saved models
from .dataProvider import DataProvider
from .failures import TrainingError

ONNX_OPSET = 17
COMPARED_LINES = 32
MAX_DIFFERENCE = 1e-4  # between the probabilities of Keras and ONNX
NO_TENSORFLOW = "ONNX export needs TensorFlow: run the script with --export_only DIR where it is installed"


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
    """Convert a saved .keras file to an .onnx file beside it when training ends, or after each epoch too.

    The metadata are stored as JSON, an entry per name. TensorFlow must be the backend, else InputError is raised.
    """

    def __init__(
        self, saved_model_path: str | Path, metadata: Mapping[str, Any] | None = None, save_on_epoch_end: bool = False
    ) -> None:
        super().__init__()
        self.saved_model_path = Path(saved_model_path)
        self.metadata = dict(metadata or {})
        self.save_on_epoch_end = save_on_epoch_end

    @staticmethod
    def model2onnx(model: keras.Model, onnx_model_path: str | Path, metadata: Mapping[str, Any] | None = None) -> None:
        """Write a model with one input and one output as float32 ONNX, with a free batch axis; whole or not at all."""
        if keras.backend.backend() != "tensorflow":
            raise InputError(NO_TENSORFLOW)
        model = float32_copy(model)
        sides = [side or 128 for side in model.input_shape[1:]]
        model.predict_on_batch(np.zeros((1, *sides), np.float32))  # Keras exports only what was called
        with atomic_path(Path(onnx_model_path)) as unfinished:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of how Keras asks for numpy's older names
                model.export(unfinished, format="onnx", verbose=False, opset_version=ONNX_OPSET)
            set_metadata(unfinished, **(metadata or {}))

    @property
    def onnx_model_path(self) -> Path:
        return self.saved_model_path.with_suffix(".onnx")

    def convert(self) -> keras.Model:
        """Convert the saved model now, and return its float32 form; InputError if there is none that can be loaded."""
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


def export(folder: RunFolder, line_input: LineInput, vocab: str, samples: Sequence[Sample]) -> float:
    """Convert the best weights to ONNX, compare both on validation lines, and calibrate the confidences on these.

    Returns:
        Largest difference between the probabilities of Keras and ONNX.

    Raises:
        InputError: the saved model does not fit the settings, or no validation line can be read.
        TrainingError: the two differ; the ONNX file is renamed, so that nobody uses it.
    """
    images, problem = [], "none is listed"
    for sample in samples[:COMPARED_LINES]:
        try:
            images.append(line_input(read_image(sample.image)))
        except InputError as error:
            problem = str(error)
    if not images:
        raise InputError(f"{folder.val}: no validation line can be read to compare with ({problem})")
    converter = Model2onnx(folder.weights, {"vocab": vocab, **line_input.metadata()})
    model = converter.convert()
    folder.int8.unlink(missing_ok=True)  # a copy of earlier weights
    if model.input_shape[1:] != line_input.shape or model.output_shape[-1] != len(vocab) + 1:
        raise InputError(f"{folder.weights}: does not fit the image size and vocabulary of configs.yaml")
    onnx_model = OnnxInferenceModel(folder.onnx, force_cpu=True)
    difference, same = 0.0, True
    for shape in {image.shape for image in images}:
        batch = np.stack([image for image in images if image.shape == shape])
        ours = model.predict_on_batch(batch)
        theirs = onnx_model.model.run(None, {onnx_model.input_names[0]: batch})[0]
        difference = max(difference, float(np.abs(ours - theirs).max()))
        same = same and ctc_decoder(ours, vocab) == ctc_decoder(theirs, vocab)
    if not (difference <= MAX_DIFFERENCE and same):
        folder.onnx.replace(folder.failed_onnx)
        raise TrainingError(
            f"EXPORT FAILED: on {len(images)} lines Keras and ONNX differ by {difference:.2g} "
            f"(at most {MAX_DIFFERENCE:g}), texts {'the same' if same else 'different'}; see {folder.failed_onnx}"
        )
    print(f"{folder.onnx}: same texts as Keras on {len(images)} lines, probabilities within {difference:.1g}")
    recognizer = LineRecognizer(folder.onnx, force_cpu=True)
    recognizer.keeps_peaks = True
    lines = [line for line in evaluate_lines(recognizer, samples[:MAX_LINES]) if isinstance(line, Evaluated)]
    if len(lines) < MIN_LINES:
        print(f"Confidences are not calibrated: {len(lines)} validation lines are too few for that.")
    else:
        calibrate(recognizer, lines)
    return difference


def export_line_finder(folder: RunFolder, images: np.ndarray) -> float:
    """Write the best weights of a line finder as ONNX, and compare both on some images.

    Args:
        folder: of the run.
        images: grey values, shape (batch, height, width, 1).

    Returns:
        Largest difference between the maps of Keras and ONNX, that of heights as a share.

    Raises:
        InputError: the saved model cannot be loaded.
        TrainingError: the two differ; the ONNX file is renamed, so that nobody uses it.
    """
    images = images.astype(np.float32)
    model = Model2onnx(folder.weights, {"maps": MAPS, "stride": STRIDE}).convert()
    onnx_model = OnnxInferenceModel(folder.onnx, force_cpu=True)
    ours = model.predict_on_batch(images)
    theirs = onnx_model.model.run(None, {onnx_model.input_names[0]: images})[0]
    scale = np.where(np.isin(MAPS, ("above", "below")), np.abs(ours), 1)
    difference = float((np.abs(ours - theirs) / scale).max())
    if not difference <= MAX_DIFFERENCE:
        folder.onnx.replace(folder.failed_onnx)
        raise TrainingError(
            f"EXPORT FAILED: on {len(images)} images Keras and ONNX differ by {difference:.2g} "
            f"(at most {MAX_DIFFERENCE:g}); see {folder.failed_onnx}"
        )
    print(f"{folder.onnx}: same maps as Keras on {len(images)} images, within {difference:.1g}")
    return difference


def export_best(folder: RunFolder, export: Callable[[], Any], script: str | Path) -> None:
    """Export at the end of a run; from a backend that is not TensorFlow, in a process of its own.

    Args:
        folder: of the run.
        export: writes and checks the ONNX file.
        script: that exports with `--export_only DIR`.

    Raises:
        InputError, TrainingError: as `export`.
    """
    if keras.backend.backend() == "tensorflow":
        export()
    elif not importlib.util.find_spec("tensorflow"):
        print(f"{folder.weights} holds the best weights. {NO_TENSORFLOW}.")
    else:
        command = [sys.executable, script, "--export_only", folder.path]
        if subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "tensorflow"}).returncode:
            raise TrainingError(f"the export of {folder.path} failed; the weights are safe in {folder.weights}")


def evaluate(folder: RunFolder, provider: DataProvider, vocab: str) -> dict[str, float]:
    """Loss, CER and WER of the best weights of a run on the lines of a provider."""
    model = keras.models.load_model(folder.weights, compile=False)
    model_utils.compile_model(model, vocab)
    return model.evaluate(provider.for_keras(), verbose=0, return_dict=True)
