import json
import os
import signal

import keras
import numpy as np
import onnx
import pytest

from mltu.inferenceModel import OnnxInferenceModel
from mltu.tensorflow.callbacks import (
    Model2onnx,
    ReadingScore,
    ShowReadings,
    StopOnInterrupt,
    TrainingInterrupted,
    TrainLogger,
    WarmupCosine,
    float32_copy,
)
from mltu.utils.errors import InputError
from model import train_model

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3)).astype(np.float32)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return train_model((32, 48, 3), 4)


def run_onnx(path, images):
    onnx_model = OnnxInferenceModel(path, force_cpu=True)
    return onnx_model.model.run(None, {onnx_model.input_names[0]: images})[0]


def test_onnx_equals_keras_for_any_batch(tmp_path, model):
    Model2onnx.model2onnx(model, tmp_path / "m.onnx", {})
    for images in (IMAGES, IMAGES[:1]):
        assert run_onnx(tmp_path / "m.onnx", images) == pytest.approx(model.predict(images, verbose=0), abs=1e-5)
    operators = [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node]
    assert operators.count("LSTM") == 2  # not unrolled into loops, which would be many times slower
    assert "Loop" not in operators


def test_metadata_are_json(tmp_path, model):
    metadata = {"vocab": 'é"\\', "height": 32, "nested": {"a": [1, None]}}
    Model2onnx.model2onnx(model, tmp_path / "m.onnx", metadata)
    assert OnnxInferenceModel(tmp_path / "m.onnx").metadata == metadata
    stored = {one.key: one.value for one in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(stored["nested"]) == metadata["nested"]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_exported_in_float32(tmp_path, model, policy):
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


def test_conversion_happens_when_training_ends(tmp_path, model):
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


def test_log_has_a_line_an_epoch_and_is_private(tmp_path, caplog, capsys):
    logger = TrainLogger(tmp_path / "run")
    logger.on_epoch_end(0, {"loss": 1.5, "val_CER": 0.25})
    logger.on_epoch_end(1, {"loss": 0.5})
    logger.on_train_end()
    lines = (tmp_path / "run" / "logs.log").read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("INFO epoch 1; loss: 1.5; val_CER: 0.25")
    assert not caplog.records
    assert capsys.readouterr().err == ""


def test_readings_are_shown_and_kept(tmp_path, model, capsys):
    callback = ShowReadings(IMAGES[:2], ["ab", "ç"], "abcd", tmp_path / "readings.txt")
    callback.set_model(model)
    callback.on_epoch_end(4)
    shown = capsys.readouterr().out
    assert "epoch 5\n  true ab\n  read " in shown
    assert shown.strip() == (tmp_path / "readings.txt").read_text(encoding="utf-8").strip()


def test_score_follows_the_loss_until_the_network_reads():
    epochs = [
        {"val_CER": 1.0, "val_loss": 50.0},
        {"val_CER": 1.02, "val_loss": 40.0},
        {"val_CER": 0.8, "val_loss": 45.0},
        {"val_CER": 0.3, "val_loss": 60.0},
    ]
    for epoch, logs in enumerate(epochs):
        ReadingScore().on_epoch_end(epoch, logs)
    scores = [logs["val_score"] for logs in epochs]
    assert scores == sorted(scores, reverse=True)
    assert scores[2:] == [0.8, 0.3]
    logs = {"loss": 1.0}
    ReadingScore().on_epoch_end(0, logs)
    assert logs == {"loss": 1.0}


def test_interrupts_wait_for_the_end_of_the_batch():
    before = signal.getsignal(signal.SIGINT)
    callback = StopOnInterrupt()
    callback.on_train_begin()
    try:
        callback.on_train_batch_end(0)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(TrainingInterrupted):
            callback.on_train_batch_end(1)
        with pytest.raises(TrainingInterrupted):
            callback.on_test_batch_end(1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        callback.on_train_end()
    assert signal.getsignal(signal.SIGINT) is before


def test_the_learning_rate_rises_in_a_line_and_falls_along_a_cosine():
    schedule = WarmupCosine(peak=0.1, warmup_steps=4, total_steps=100, steps_per_epoch=10)
    assert [schedule.rate(step, step / 100) for step in range(4)] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert schedule.rate(50, 0.5) == pytest.approx(0.05)
    assert schedule.rate(100, 1.0) == pytest.approx(0)
    assert schedule.rate(200, 2.0) == pytest.approx(0)
