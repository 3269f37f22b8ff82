import re
from dataclasses import fields

import pytest

from configs import ModelConfigs
from mltu.utils.errors import InputError


def test_defaults_are_the_promised_run():
    configs = ModelConfigs()
    assert (configs.dataset, configs.unit, configs.split) == ("iam", "sentences", "random")
    assert configs.data_path == "Datasets/IAM_Sentences"
    assert (configs.height, configs.width, configs.batch_size) == (96, 1408, 32)
    assert (configs.learning_rate, configs.train_epochs, configs.dropout) == (0.0005, 1000, 0.2)
    assert re.fullmatch(r"Models/handwriting/\d{12}", configs.model_path)
    assert ModelConfigs(dataset="synthetic").data_path == "Datasets/Synthetic"
    assert re.fullmatch(r"Models/mine/\d{12}", ModelConfigs(name="mine").model_path)


def test_every_field_has_a_comment():
    comments = ModelConfigs.field_comments()
    for field in fields(ModelConfigs):
        assert len(comments[field.name]) > 10


def test_a_saved_configuration_is_the_same(tmp_path):
    configs = ModelConfigs(model_path=str(tmp_path), vocab="ab' \"é", learning_rate=1e-5)
    assert ModelConfigs.load(configs.save()) == configs


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"height": 8}, "height: must be at least 16"),
        ({"batch_size": 0}, "batch_size: must be at least 1"),
        ({"dropout": 1.0}, "dropout"),
        ({"train_fraction": 0}, "train_fraction"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"augmentors": "RandomSlent"}, "did you mean RandomSlant"),
        ({"dataset": "table"}, "data_path: must name the CSV"),
        ({"dataset": "alto"}, "data_path: must name the folder"),
        ({"dataset": "synthetic", "split": "aachen"}, "split"),
        ({"split": "lists"}, "train_list"),
        ({"val_path": "x.csv"}, "val_path"),
        ({"vocab": "aa"}, "vocab"),
        ({"architecture": "line", "width": 200}, "width: must be a multiple"),
        ({"seed": 2**32}, "seed"),
        ({"name": 7}, "quotes"),
        ({"precision": "float64"}, "precision: must be one of"),
    ],
)
def test_what_cannot_work_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        ModelConfigs(**values)


def test_augmentation_can_be_switched_off():
    assert ModelConfigs.from_args(["--augmentors", "none"]).augmentors == ()
    assert ModelConfigs.from_args(["--augmentors", "RandomSlant, RandomRotate"]).augmentors == (
        "RandomSlant",
        "RandomRotate",
    )
