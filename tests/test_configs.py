import dataclasses
import re
from dataclasses import fields

import pytest

from configs import RESUMABLE, TEXTS, ModelConfigs
from mltu.utils.errors import InputError


def test_ModelConfigs_defaults_are_the_promised_run():
    configs = ModelConfigs()
    assert (configs.dataset, configs.unit, configs.split) == ("iam", "sentences", "random")
    assert configs.data_path == "Datasets/IAM_Sentences"
    assert (configs.height, configs.width, configs.batch_size) == (96, 1408, 32)
    assert (configs.learning_rate, configs.train_epochs, configs.dropout) == (0.0005, 1000, 0.2)
    assert re.fullmatch(r"Models/handwriting/\d{12}", configs.model_path)
    assert ModelConfigs(dataset="synthetic").data_path == "Datasets/Synthetic"
    assert re.fullmatch(r"Models/mine/\d{12}", ModelConfigs(name="mine").model_path)


def test_field_comments_cover_every_setting_in_nine_groups():
    comments = ModelConfigs.field_comments()
    assert list(comments) == [field.name for field in fields(ModelConfigs)]
    assert all(len(comment) > 10 for _, comment in comments.values())
    titles = list(dict.fromkeys(title for title, _ in comments.values()))
    assert len(titles) == 9
    assert (titles[0], titles[-1]) == ("the run", "the machine")
    assert comments["dropout"] == ("the network", "share of units dropped in training")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"height": 8}, "height: must be at least 16, not 8"),
        ({"batch_size": 0}, "batch_size: must be at least 1, not 0"),
        ({"max_minutes": -1}, "max_minutes: must be at least 0, not -1"),
        ({"dropout": 1.0}, "dropout: must be at least 0 and below 1, not 1"),
        ({"train_fraction": 0}, "train_fraction: must lie between 0 and 1, not 0"),
        ({"learning_rate": -1}, "learning_rate: must lie between 0 and 10, not -1"),
        ({"mix_weights": (1.0, 2.0)}, "mix_weights: must be 1 numbers above 0"),
        ({"mix": ("a.yaml",), "mix_weights": (1.0, 0.0)}, "mix_weights: must be 2 numbers above 0"),
        ({"augmentors": "RandomSlent"}, "did you mean RandomSlant"),
        ({"dataset": "table"}, "data_path: must name the CSV"),
        ({"dataset": "alto"}, "data_path: must name the folder"),
        ({"dataset": "page"}, "data_path: must name the folder"),
        ({"dataset": "synthetic", "split": "aachen"}, "split: aachen is a split of IAM"),
        ({"split": "lists"}, "train_list"),
        ({"val_path": "x.csv"}, "val_path: goes with --dataset table"),
        ({"vocab": "aa"}, "vocab: has a character twice"),
        ({"architecture": "line", "width": 200}, "width: must be a multiple"),
        ({"seed": 2**32}, "seed: must be at least 0 and below 4294967296, not 4294967296"),
        ({"name": 7}, "quotes"),
        ({"precision": "float64"}, "precision: must be one of"),
    ],
)
def test_ModelConfigs_refuses_what_cannot_work(values, message):
    with pytest.raises(InputError, match=message):
        ModelConfigs(**values)


def test_from_args_can_switch_augmentation_off():
    assert ModelConfigs.from_args(["--augmentors", "none"]).augmentors == ()
    given = ModelConfigs.from_args(["--augmentors", "RandomSlant, RandomRotate"])
    assert given.augmentors == ("RandomSlant", "RandomRotate")


def test_marks_are_on_the_settings_that_may_change_on_resuming_and_those_that_change_the_texts():
    assert ModelConfigs.marked(RESUMABLE) == set(
        "max_minutes save_minutes train_epochs train_workers load_in_processes cache_mb log_lines distribute "
        "replicas".split()
    )
    assert ModelConfigs.marked(TEXTS) == set(
        "dataset data_path unit val_path samples text_file fonts max_chars width steps_per_column drop_text "
        "plain_quotes mix".split()
    )


def test_completed_takes_vocabulary_and_length_from_the_texts():
    configs = ModelConfigs(precision="auto")
    completed = configs.completed(["bad", "cab", "é b"])
    assert (completed.vocab, completed.max_text_length) == (" abcdé", 3)
    assert dataclasses.replace(completed, vocab="", max_text_length=0) == configs == ModelConfigs(precision="auto")


def test_completed_begins_with_the_known_characters_and_the_quickest_precision():
    completed = ModelConfigs(precision="auto").completed(iter(["zab", "q"]), "za", quickest_precision="mixed_float16")
    assert (completed.vocab, completed.precision) == ("zabq", "mixed_float16")
    configs = ModelConfigs(vocab="xyz", max_text_length=7, precision="mixed_bfloat16")
    assert configs.completed(["a", "ab"], "k", 50, "float32") == configs


@pytest.mark.parametrize(("set_length", "steps", "length"), [(0, 3, 3), (0, 9, 5), (8, 6, 6), (8, 9, 8), (8, 0, 8)])
def test_completed_expects_no_longer_text_than_the_network_has_steps(set_length, steps, length):
    completed = ModelConfigs(max_text_length=set_length).completed(["a", "abcde"], max_steps=steps)
    assert completed.max_text_length == length


def written(path, **values):
    ModelConfigs(**values, model_path=str(path.parent)).save(path.name)
    return str(path.parent)


def test_initial_gives_the_settings_of_the_other_run(tmp_path):
    line = written(tmp_path / "line" / "configs.yaml", architecture="line", height=64, vocab="abc")
    reference = written(tmp_path / "reference" / "configs.yaml", height=64)
    assert ModelConfigs(architecture="line", height=48, init_from=line).initial().vocab == "abc"
    assert ModelConfigs(height=64, init_from=reference).initial().height == 64
    for folder, height, other in ((line, 64, "architecture"), (reference, 96, "height")):
        with pytest.raises(InputError, match=f"was trained with another {other}"):
            ModelConfigs(height=height, init_from=folder).initial()


def test_from_flags_lets_flags_win_over_the_file(tmp_path):
    written(tmp_path / "configs.yaml", height=32, batch_size=4)
    configs = ModelConfigs.from_flags({"batch_size": "8"}, str(tmp_path / "configs.yaml"))
    assert (configs.height, configs.batch_size) == (32, 8)
    assert configs.model_path != str(tmp_path)  # which the earlier run keeps


def test_from_flags_resumes_in_the_folder_with_its_settings(tmp_path):
    folder = written(tmp_path / "configs.yaml", height=32)
    configs = ModelConfigs.from_flags({"train_epochs": "7"}, resumed_folder=folder)
    assert (configs.height, configs.train_epochs, configs.model_path) == (32, 7, folder)
    with pytest.raises(InputError, match="--resume keeps the settings of the run; only --cache_mb, "):
        ModelConfigs.from_flags({"height": "64"}, resumed_folder=folder)
