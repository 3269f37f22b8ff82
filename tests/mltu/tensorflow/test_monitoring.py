import keras
import numpy as np
import pytest

from mltu.tensorflow.monitoring import ShowReadings, TrainLogger, duration
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
