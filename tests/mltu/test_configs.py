import argparse
import json
import re
import tempfile
from dataclasses import dataclass
from typing import Literal

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from mltu.configs import BaseModelConfigs, convert, setting
from mltu.utils.errors import InputError


@dataclass
class Configs(BaseModelConfigs):
    model_path: str = "run"  # where it goes

    # the size
    height: int = 96  # pixels
    rate: float = 0.5  # of learning, 100%

    # the rest
    fast: bool = False  # hurry
    kind: Literal["iam", "table"] = "iam"  # of data
    names: tuple[str, ...] = ("a", "b")  # of things
    most: int | None = None  # if any


@dataclass
class Limited(BaseModelConfigs):
    size: int = setting(96, "marked", at_least=16)
    count: int = setting(4, at_least=0, below=8)
    share: float = setting(0.5, "marked", "twice", above=0, below=1)
    most: float = setting(1, at_least=0, at_most=1)
    free: float = setting(0.0)


texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "height": st.integers(1 - 2**63, 2**63 - 1),
            "rate": st.floats(allow_nan=False),
            "fast": st.booleans(),
            "kind": st.sampled_from(["iam", "table"]),
            "names": st.lists(texts.filter(lambda text: text and text == text.strip())).map(tuple),
            "most": st.none() | st.integers(1 - 2**63, 2**63 - 1),
        },
    )
)
@example({"names": ("\xa1\x85", "\u2028")})
def test_load_reads_any_values_that_save_wrote(values):
    with tempfile.TemporaryDirectory() as folder:
        configs = Configs.from_dict({**values, "model_path": folder})
        assert Configs.load(configs.save()) == configs


def test_save_writes_values_that_any_yaml_or_json_holds(tmp_path):
    configs = Configs(model_path=str(tmp_path / "run"), rate=1e-4, names=("é",))
    path = configs.save()
    assert path == tmp_path / "run" / "configs.yaml"
    loaded = BaseModelConfigs.load(path)  # without knowing the class, as scripts for reading do
    assert (loaded.rate, loaded.names) == (1e-4, ["é"])
    values = configs.serialize()
    assert json.loads(json.dumps(values)) == yaml.safe_load(yaml.safe_dump(values)) == values


def test_save_takes_plain_classes_as_in_the_library(tmp_path):
    class Plain(BaseModelConfigs):
        def __init__(self):
            super().__init__()
            self.model_path = str(tmp_path)
            self.vocab = "abc"

    Plain().save()
    assert BaseModelConfigs.load(tmp_path / "configs.yaml").vocab == "abc"
    with pytest.raises(ValueError, match="model_path"):
        BaseModelConfigs().save()


def test_from_args_sets_every_field():
    configs = Configs.from_args(
        "--height 64 --rate 1e-4 --fast yes --kind table --names x,y --most 3 --model_path m".split()
    )
    assert configs == Configs("m", 64, 1e-4, True, "table", ("x", "y"), 3)


def test_add_arguments_shows_comments_defaults_choices_and_groups():
    parser = argparse.ArgumentParser()
    Configs.add_arguments(parser)
    top, size, rest = re.split("\n\nthe (?:size|rest):\n", parser.format_help())
    assert "--model_path X where it goes [run]" in " ".join(top.split())
    assert " ".join(size.split()) == "--height X pixels [96] --rate X of learning, 100% [0.5]"
    assert " ".join(rest.split()).startswith(
        "--fast X hurry [False] --kind iam|table of data [iam] --names X of things"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 15}, "size: must be at least 16, not 15"),
        ({"count": -1}, "count: must be at least 0 and below 8, not -1"),
        ({"count": 8}, "count: must be at least 0 and below 8, not 8"),
        ({"share": 0}, "share: must lie between 0 and 1, not 0.0"),
        ({"share": 1}, "share: must lie between 0 and 1, not 1.0"),
        ({"most": 1.5}, "most: must be at least 0 and at most 1, not 1.5"),
        ({"share": float("nan")}, "share: must be a number, not nan"),
    ],
)
def test_setting_refuses_numbers_out_of_range(values, message):
    with pytest.raises(InputError) as error:
        Limited(**values)
    assert str(error.value) == message


def test_setting_takes_the_ends_of_its_range():
    assert Limited(size=16, count=0, share=1e-9, free=-1e300).count == 0
    assert Limited(count=7).count == 7


def test_marked_finds_the_settings_of_a_mark():
    assert Limited.marked("marked") == {"size", "share"}
    assert Limited.marked("twice") == {"share"}
    assert Configs.marked("marked") == set()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("--heigth 3", "did you mean --height"),
        ("--height tall", "height: must be a whole number, not 'tall'"),
        ("--height 1.5", "height: must be a whole number"),
        ("--rate fast", "rate: must be a number"),
        ("--fast maybe", "fast: must be yes or no"),
        ("--kind tabel", "did you mean table"),
        ("--kin table", "did you mean --kind"),
    ],
)
def test_from_args_refuses_wrong_flags_in_one_line(args, message, capsys):
    with pytest.raises((SystemExit, InputError)) as stop:
        Configs.from_args(args.split())
    told = capsys.readouterr().err if stop.type is SystemExit else str(stop.value)
    assert message in told
    assert told.strip().count("\n") == 0
    assert getattr(stop.value, "code", 2) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("heigth: 3", "no setting 'heigth'; did you mean height"),
        ("height: [1]", "height: must be a whole number"),
        ("height: yes", "height: must be a whole number"),
        ("names: 3", "names: must be a list"),
        ("height: .inf", "height: must be a whole number"),
        ("height: .nan", "height: must be a whole number"),
        ("rate: " + "9" * 400, "rate: must be a number"),
        ("model_path: 007", "model_path: must be text, not 7; put it in quotes"),
        ("- a", "name: value"),
        ("a: [", "not a YAML file"),
        ("!!python/object/apply:os.system ['true']", "not a YAML file"),
        ("? [a]\n: b", "not a YAML file"),
        ("a: &x [1]\nb: {<<: [*x, *x]}", "has the alias *x; write the value out"),
        ("height: !!int ''", "has the tag"),
        ("a: " + "[" * 10_000, "has lists in lists, 17 deep"),
        ("a: b\n" * 30_000, "larger than 128 KB"),
        ("rate: 1" + ":1" * 300 + ".5", "not a YAML file"),
        ("height: 0x" + "f" * 5000, "height: must be a whole number below 2^63, not a number of thousands"),
        ("model_path: [" + "x, " * 5000 + "]", "must be text, not ['x', 'x'"),
        ("x" * 100_000 + ": 3", "not a YAML file"),
        ("x" * 1000 + ": 3", "there is no setting 'xxx"),
        ("kind: 'a\n\n\u2028b'", "not 'a\\n\\u2028b'"),
    ],
)
def test_load_refuses_wrong_files_in_one_line(content, message, tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(content)
    with pytest.raises(InputError) as error:
        Configs.load(path)
    assert message in str(error.value)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 300


@pytest.mark.parametrize("name", ["__class__", "_x", "save", "load"])
def test_load_puts_no_value_in_the_place_of_a_method(name, tmp_path):
    (tmp_path / "c.yaml").write_text(f"{name}: text")
    with pytest.raises(InputError, match=f"no setting '{name}'"):
        BaseModelConfigs.load(tmp_path / "c.yaml")


def test_load_names_a_missing_file(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Configs.load(tmp_path / "none.yaml")


def test_convert_takes_values_that_yaml_reads_as_another_type():
    assert convert("rate", yaml.safe_load("1e-4"), float) == 1e-4
    assert convert("rate", 1, float) == 1.0
    assert convert("height", 3.0, int) == 3
    assert convert("err", yaml.safe_load("yes"), Literal["auto", "yes", "no"]) == "yes"
