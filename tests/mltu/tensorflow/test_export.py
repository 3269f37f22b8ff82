import json

import keras
import numpy as np
import onnx
import pytest

from mltu.inferenceModel import OnnxInferenceModel
from mltu.tensorflow.export import Model2onnx, float32_copy
from mltu.utils.errors import InputError
from model import train_model

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return train_model((32, 48, 3), 4)


def run_onnx(path, images):
    onnx_model = OnnxInferenceModel(path, force_cpu=True)
    return onnx_model.model.run(None, {onnx_model.input_names[0]: images})[0]


def test_model2onnx_equals_keras_for_any_batch(tmp_path, model):
    Model2onnx.model2onnx(model, tmp_path / "m.onnx", {})
    for images in (IMAGES, IMAGES[:1]):
        assert run_onnx(tmp_path / "m.onnx", images) == pytest.approx(model.predict(images, verbose=0), abs=1e-5)
    operators = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
    assert operators.count("LSTM") == 2  # not unrolled into loops, which would be many times slower
    assert "Loop" not in operators


def test_model2onnx_stores_metadata_as_json(tmp_path, model):
    metadata = {"vocab": 'é"\\', "height": 32, "nested": {"a": [1, None]}}
    Model2onnx.model2onnx(model, tmp_path / "m.onnx", metadata)
    assert OnnxInferenceModel(tmp_path / "m.onnx").metadata == metadata
    stored = {entry.key: entry.value for entry in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(stored["nested"]) == metadata["nested"]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_float32_copy_of_mixed_precision_is_exported(tmp_path, model, policy):
    keras.config.set_dtype_policy(policy)
    try:
        mixed = train_model((32, 48, 3), 4)
    finally:
        keras.config.set_dtype_policy("float32")
    mixed.set_weights(model.get_weights())
    twin = float32_copy(mixed)
    assert {layer.compute_dtype for layer in twin.layers} == {"float32"}
    exact = model.predict(IMAGES, verbose=0)
    assert twin.predict(IMAGES, verbose=0) == pytest.approx(exact, abs=1e-6)
    mixed.save(tmp_path / "mixed.keras")
    Model2onnx(tmp_path / "mixed.keras").convert()
    assert run_onnx(tmp_path / "mixed.onnx", IMAGES) == pytest.approx(exact, abs=1e-5)


def test_model2onnx_converts_when_training_ends(tmp_path, model):
    callback = Model2onnx(tmp_path / "model.keras", {"vocab": "abcd"}, save_on_epoch_end=True)
    callback.on_epoch_end(0)
    callback.on_train_end()
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match="no saved model"):
        callback.convert()
    (tmp_path / "model.keras").write_bytes(b"PK no model")
    with pytest.raises(InputError, match="not a Keras model"):
        callback.convert()
    model.save(tmp_path / "model.keras")
    callback.on_epoch_end(0)
    assert callback.onnx_model_path == tmp_path / "model.onnx"
    assert callback.onnx_model_path.exists()
    callback.onnx_model_path.unlink()
    callback.on_train_end()
    assert callback.onnx_model_path.exists()
