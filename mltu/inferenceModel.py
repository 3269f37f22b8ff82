"""Running an exported network with ONNX Runtime; TensorFlow is not needed."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort

from .utils.errors import InputError
from .utils.files import atomic_path, write_atomic

INT8 = "model.int8.onnx"  # the 8-bit copy of a model, in its folder
# how a model names a file with weights: a key of eight letters, behind the last byte of their number
EXTERNAL_DATA = re.compile(rb"[\x00\x08]location")


def write_int8(path: str | Path, target: str | Path) -> None:
    """Write a copy of a model whose LSTMs and matrix products have 8-bit weights.

    Their inputs are quantised when it runs, with one scale for a whole batch, so that the result of a line
    would depend on the other lines of its batch: `one_by_one` in the metadata says to run each line alone.

    Args:
        path: the float32 ONNX file.
        target: the file to write; it appears whole or not at all.

    Raises:
        InputError: no model there, or not an ONNX file.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    OnnxInferenceModel(path)  # says what is wrong with a file that cannot be used

    with atomic_path(target) as unfinished:
        quantize_dynamic(path, unfinished, op_types_to_quantize=["LSTM", "MatMul"], weight_type=QuantType.QInt8)
        set_metadata(unfinished, one_by_one=True)


def set_metadata(path: str | Path, **values: Any) -> None:
    """Add values to the metadata of an ONNX file, as JSON, in place of those of the same name."""
    import onnx

    model = onnx.load(path)
    kept = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, kept | {name: json.dumps(value) for name, value in values.items()})
    write_atomic(Path(path), model.SerializeToString())


class OnnxInferenceModel:
    """An ONNX model with its metadata; subclasses implement :meth:`predict`.

    Args:
        model_path: the .onnx file, or a folder that holds it.
        force_cpu: do not use a GPU even if ONNX Runtime can.
        default_model_name: name of the file in a folder.
        threads: CPU threads for one run; 0 leaves it to ONNX Runtime.

    Attributes:
        model: the `onnxruntime.InferenceSession`.
        digest: SHA-256 of the file.
        metadata: name -> value; values are JSON, or text where they are not.
        input_shapes: shape of every input, batch axis first; a name or None stands for a free axis.
        input_names: names of the inputs.
        output_names: names of the outputs.
        output_shapes: as `input_shapes`.

    Raises:
        InputError: no model there, not an ONNX file, or one with weights in other files.
    """

    def __init__(
        self,
        model_path: str | Path = "",
        force_cpu: bool = False,
        default_model_name: str = "model.onnx",
        threads: int = 0,
    ) -> None:
        path = Path(model_path)
        path = path / default_model_name if path.is_dir() else path
        if not path.is_file():
            raise InputError(f"{path}: no such model; train one with `python train.py`, or name one with --model")
        self.model_path = str(path)
        options = ort.SessionOptions()
        self.threads = threads
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # what is wrong is said by exceptions
        options.add_session_config_entry("session.load_model_format", "ONNX")  # not a guess from the content
        wanted = ["CPUExecutionProvider"] if force_cpu else ["CUDAExecutionProvider", "CPUExecutionProvider"]
        providers = [provider for provider in wanted if provider in ort.get_available_providers()]
        try:
            # read here because ONNX Runtime misreads non-ASCII paths on some systems
            content = path.read_bytes()
            if EXTERNAL_DATA.search(content):
                raise InputError(f"{path}: has weights in other files; export it again, as one file")
            self.model = ort.InferenceSession(content, options, providers=providers)
            self.digest = hashlib.sha256(content).hexdigest()
            texts = self.model.get_modelmeta().custom_metadata_map
            inputs, outputs = self.model.get_inputs(), self.model.get_outputs()
            self.input_shapes, self.output_shapes = ([node.shape for node in nodes] for nodes in (inputs, outputs))
            self.input_names, self.output_names = ([node.name for node in nodes] for nodes in (inputs, outputs))
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"{path}: the model cannot be read ({error.strerror})") from None
        except Exception as error:  # ONNX Runtime's exceptions have no public base class
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: not an ONNX model that can be run ({reason}); export it again") from None
        self.metadata = {key: self._value(text) for key, text in texts.items()}

    @staticmethod
    def _value(text: str) -> Any:
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text

    def predict(self, data: np.ndarray) -> Any:
        """The model's result for one input."""
        raise NotImplementedError

    def __call__(self, data: np.ndarray) -> Any:
        return self.predict(data)
