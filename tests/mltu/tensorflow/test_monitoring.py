from typing import ClassVar

import keras
import numpy as np
import pytest

from mltu.run_folder import RunFolder
from mltu.tensorflow.callbacks import Clock
from mltu.tensorflow.monitoring import EpochBar, ShowReadings, SilenceHint, StageTimes, TrainLogger, duration
from model import train_model

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 48, 3)).astype(np.float32)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return train_model((32, 48, 3), 4)


def test_train_logger_writes_a_line_per_epoch_and_is_private(tmp_path, caplog, capsys):
    logger = TrainLogger(tmp_path / "run")
    logger.on_epoch_end(0, {"loss": 1.5, "val_CER": 0.25})
    logger.on_epoch_end(1, {"loss": 0.5})
    logger.on_train_end()
    lines = (tmp_path / "run" / "logs.log").read_text().splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("INFO epoch 1; loss: 1.5; val_CER: 0.25")
    assert not caplog.records
    assert capsys.readouterr().err == ""


def test_show_readings_prints_and_keeps_them(tmp_path, model, capsys):
    callback = ShowReadings(IMAGES[:2], ["ab", "ç"], "abcd", tmp_path / "readings.txt")
    callback.set_model(model)
    callback.on_epoch_end(4)
    shown = capsys.readouterr().out
    assert "epoch 5\n  true ab\n  read " in shown
    assert shown.strip() == (tmp_path / "readings.txt").read_text(encoding="utf-8").strip()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3569, "59 min"), (3571, "1 h 0 min"), (200_000, "2 d 7 h")],
)
def test_duration_is_for_people(seconds, text):
    assert duration(seconds) == text


class Record:
    """Stands in for a provider, with the timings of a network that waits for its data."""

    timings: ClassVar = {"idle": 0.0, "waited": 3.0, "lines": 40}

    def reset_timings(self):
        pass


@pytest.mark.parametrize(("batches", "told"), [(2, False), (20, True)])
def test_stage_times_tell_the_bottleneck_of_long_epochs_only(tmp_path, capsys, batches, told):
    folder = RunFolder(tmp_path)
    times = StageTimes(Record(), folder, 9, Clock())
    times.on_epoch_begin(0)
    for batch in range(batches):
        times.on_train_batch_end(batch)
    times.on_epoch_end(0)
    shown = capsys.readouterr().out
    assert ("ready 0% of the time: loading is the bottleneck; raise --train_workers; at most" in shown) == told
    assert "lines per second" in shown
    assert folder.timing.read_text().splitlines()[1].startswith("1,40,")


def test_silence_hint_ends_when_the_network_reads(capsys):
    hint = SilenceHint()
    for loss, score in ((90.0, 91.0), (80.0, 81.0), (85.0, 86.0), (20.0, 0.5)):
        hint.on_epoch_end(0, {"val_loss": loss, "val_score": score})
    first, second, third = capsys.readouterr().out.splitlines()
    assert "Nothing is read yet, as usual" in first
    assert "val_loss 80: it falls" in second
    assert "val_loss 85: the lowest was 80" in third


@pytest.mark.parametrize("over", [True, False])
def test_epoch_bar_shows_the_batches_of_an_epoch_that_the_clock_ended(capsys, over):
    clock = Clock()
    bar = EpochBar(clock)
    bar.set_params({"verbose": 2, "epochs": 3, "steps": 57})
    bar.on_train_begin()
    bar.on_epoch_begin(1)
    bar.on_train_batch_end(11)
    clock.over = over
    bar.on_epoch_end(1, {"loss": 2.0})
    shown = capsys.readouterr().out
    assert ("12/57 - " in shown) == over
    assert ("The time was over after 12 of the 57 batches of epoch 2." in shown) == over
    assert ("57/57 - " in shown) != over
