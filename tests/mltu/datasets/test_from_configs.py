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
