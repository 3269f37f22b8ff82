import pytest

from configs import ModelConfigs
from mltu.datasets import Sample
from mltu.datasets.from_configs import split_samples
from mltu.utils.errors import InputError


def test_split_samples_with_an_own_validation_table_checks_its_writers(tmp_path):
    samples = [Sample("a.png", "a", "w1"), Sample("b.png", "b", "w2")]
    (tmp_path / "val.csv").write_text("image,text,writer\nc.png,c,w2\n")
    (tmp_path / "again.csv").write_text("a.png,a\n")
    values = {"dataset": "table", "data_path": "x.csv", "val_path": str(tmp_path / "val.csv")}
    with pytest.raises(InputError, match="such as w2"):
        split_samples(ModelConfigs(**values), samples)
    again = ModelConfigs(**values | {"val_path": str(tmp_path / "again.csv")})
    with pytest.raises(InputError, match=r"such as .*a\.png"):  # the same table on both sides, writers unknown
        split_samples(again, [Sample(str(tmp_path / "a.png"), "a")])
    parts, _ = split_samples(ModelConfigs(**values, allow_shared_writers=True), samples)
    assert [[sample.text for sample in part] for part in parts.values()] == [["a", "b"], ["c"]]


def test_split_samples_of_iam_without_writers_warns_and_keeps_first_parts_of_forms_together(caplog):
    forms = [
        f"{letter}{number:02d}-{rest}" for letter in "abc" for number in range(4) for rest in ("000", "000u", "007x")
    ]
    samples = [Sample(f"{form}-{n}.png", "text", "", form) for form in forms for n in range(2)]
    configs = ModelConfigs(dataset="iam", data_path="IAM", train_fraction=0.7)
    parts, _ = split_samples(configs, samples)
    sides = [{sample.form.split("-")[0] for sample in part} for part in parts.values()]
    assert all(sides)
    assert not set.intersection(*sides)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    message = record.getMessage()
    assert "writers of 72 of 72 lines are unknown" in message
    assert "forms.txt" in message
    assert "\n" not in message
    caplog.clear()
    split_samples(configs, [sample._replace(writer=sample.form) for sample in samples])
    assert not caplog.records
    # other datasets have no such ids
    table = ModelConfigs(dataset="table", data_path="x.csv", train_fraction=0.7)
    parts, _ = split_samples(table, samples)
    assert set.intersection(*({sample.form.split("-")[0] for sample in part} for part in parts.values()))
    assert not caplog.records
