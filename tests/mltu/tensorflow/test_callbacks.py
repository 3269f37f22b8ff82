import os
import signal
from types import SimpleNamespace

import keras
import pytest

from mltu.tensorflow.callbacks import (
    EpochNumber,
    StopOnBadLoss,
    StopOnInterrupt,
    TrainingInterrupted,
    ValidationScore,
    WarmupCosine,
)
from mltu.tensorflow.failures import BadLoss


def test_validation_score_follows_the_loss_until_the_network_reads():
    epochs = [
        {"val_CER": 1.0, "val_loss": 50.0},
        {"val_CER": 1.02, "val_loss": 40.0},
        {"val_CER": 0.8, "val_loss": 45.0},
        {"val_CER": 0.3, "val_loss": 60.0},
    ]
    for epoch, logs in enumerate(epochs):
        ValidationScore().on_epoch_end(epoch, logs)
    scores = [logs["val_score"] for logs in epochs]
    assert scores == sorted(scores, reverse=True)
    assert scores[2:] == [0.8, 0.3]
    logs = {"loss": 1.0}
    ValidationScore().on_epoch_end(0, logs)
    assert logs == {"loss": 1.0}


def test_stop_on_interrupt_waits_for_the_end_of_the_batch():
    before = signal.getsignal(signal.SIGINT)
    callback = StopOnInterrupt()
    callback.on_train_begin()
    try:
        callback.on_train_batch_end(0)
        os.kill(os.getpid(), signal.SIGINT)
        for stop in (callback.on_train_batch_end, callback.on_test_batch_end):
            with pytest.raises(TrainingInterrupted):
                stop(1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        callback.on_train_end()
    assert signal.getsignal(signal.SIGINT) is before


def test_warmup_cosine_rises_in_a_line_and_falls_along_a_cosine():
    schedule = WarmupCosine(peak=0.1, warmup_steps=4, total_steps=100, steps_per_epoch=10)
    assert [schedule.rate(step, step / 100) for step in range(4)] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert [schedule.rate(step, step / 100) for step in (50, 100, 200)] == pytest.approx([0.05, 0, 0])


def test_epoch_number_is_that_of_keras_counted_from_one():
    provider = SimpleNamespace(epoch=7)
    EpochNumber(provider).on_epoch_begin(2)
    assert provider.epoch == 3


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), -float("inf")])
def test_stop_on_bad_loss_names_epoch_and_batch(loss):
    callback = StopOnBadLoss()
    callback.on_epoch_begin(2)
    callback.on_train_batch_end(5, {"loss": 1.0})
    with pytest.raises(BadLoss, match="NaN or infinite in epoch 3, batch 7"):
        callback.on_train_batch_end(6, {"loss": loss})


def test_names_of_the_mltu_library_are_found_here():
    from mltu.tensorflow.callbacks import Model2onnx, TrainLogger

    assert issubclass(Model2onnx, keras.callbacks.Callback)
    assert issubclass(TrainLogger, keras.callbacks.Callback)
