import logging
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.datasets import (
    PUBLISHED_SPLITS,
    Sample,
    list_split,
    published_split,
    random_split,
    shared_writers,
    unassigned,
)
from mltu.utils.errors import InputError


def make(writers, forms=None):
    forms = forms or [""] * len(writers)
    return [Sample(f"{i}.png", "text", w, f) for i, (w, f) in enumerate(zip(writers, forms, strict=True))]


@given(st.lists(st.integers(0, 15), min_size=2, max_size=80), st.floats(0.05, 0.95), st.integers(0, 5))
def test_random_split_is_a_partition_by_writer(writers, train, seed):
    samples = make([f"w{writer}" for writer in writers])
    left, right = random_split(samples, train, seed)
    assert sorted(left + right) == sorted(samples)
    assert left
    assert right
    assert (left, right) == random_split(samples, train, seed)
    if len(set(writers)) > 1:
        assert not shared_writers({"train": left, "val": right})
        largest = max(map(writers.count, writers))
        target = len(samples) * (1 - train)
        # whole writers are moved, so at worst the share is missed by the largest of them
        assert abs(len(right) - target) <= largest + 1


def test_random_split_meets_the_share_and_depends_on_the_seed():
    samples = make([f"w{i // 10}" for i in range(1000)])
    splits = [random_split(samples, 0.9, seed)[1] for seed in range(3)]
    assert [len(val) for val in splits] == [100] * 3
    assert splits[0] != splits[1] != splits[2]


def test_random_split_separates_forms_then_images_of_unknown_writers():
    forms = make([""] * 20, [f"f{i // 5}" for i in range(20)])
    train, val = random_split(forms, 0.75)
    assert not {sample.form for sample in train} & {sample.form for sample in val}
    assert len(random_split(make([""] * 10), 0.9)[1]) == 1


def test_random_split_splits_one_writer_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING):
        train, val = random_split(make(["me"] * 10), 0.8)
    assert (len(train), len(val)) == (8, 2)
    assert "one writer" in caplog.text


def test_random_split_refuses_too_few_samples():
    with pytest.raises(InputError, match="one sample"):
        random_split(make(["a"]))
    with pytest.raises(InputError, match="share"):
        random_split(make(["a", "b"]), 1.0)
    with pytest.raises(InputError, match="same image"):
        random_split([Sample("a.png", "x"), Sample("a.png", "y")])


@pytest.mark.parametrize(("name", "counts"), [("aachen", (747, 115, 336)), ("official", (747, 105 + 115, 232))])
def test_published_split_has_the_published_sizes(name, counts):
    files = {file for split in PUBLISHED_SPLITS.values() for part in split.values() for file in part}
    folder = resources.files("mltu.datasets") / "iam_splits"
    forms = {form for file in files for form in (folder / f"{file}.txt").read_text().split()}
    parts = published_split([Sample(f"{form}.png", "x", "", form) for form in forms], name)
    assert tuple(len(parts[part]) for part in ("train", "val", "test")) == counts
    assert len({sample for part in parts.values() for sample in part}) == sum(counts)


def test_published_split_leaves_other_forms_out():
    samples = [Sample("a.png", "x", "", "a01-000u"), Sample("b.png", "x", "", "zzz")]
    with pytest.raises(InputError, match="val side of the aachen split"):
        published_split(samples, "aachen")
    with pytest.raises(InputError, match="no published split"):
        published_split(samples, "other")


def test_list_split_takes_writers_forms_or_images(tmp_path):
    samples = make(["w1", "w2", "w3", "w4"], ["f1", "f2", "f3", "f4"])
    lists = {}
    for part, ids in {"train": "w1\n\nf2\r\n", "val": "2.png", "test": "w4"}.items():
        lists[part] = tmp_path / f"{part}.txt"
        lists[part].write_text(ids)
    parts = list_split(samples, lists)
    assert {part: [s.image for s in found] for part, found in parts.items()} == {
        "train": ["0.png", "1.png"],
        "val": ["2.png"],
        "test": ["3.png"],
    }
    for ids, message in (
        ("w1", "both name w1"),
        ("0", r"0\.png is on the train and on the val side"),  # the image of writer w1
        ("nobody", "val side of the lists"),
        ("\n", "empty"),
    ):
        lists["val"].write_text(ids)
        with pytest.raises(InputError, match=message):
            list_split(samples, lists)
    with pytest.raises(InputError, match="cannot be read"):
        list_split(samples, {**lists, "val": tmp_path / "none.txt"})


def test_shared_writers_finds_them():
    left, right = make(["a", "b", ""], ["", "", "f"]), make(["b", "c", ""], ["", "", "f"])
    assert shared_writers({"train": left, "val": right}) == ["0.png", "1.png", "2.png", "b", "f"]
    assert shared_writers({"train": left, "val": [Sample("x.png", "t", "", "g")]}) == []


def test_random_split_keeps_a_form_with_its_writer():
    samples = [Sample(f"{i}.png", "t", *hand) for i, hand in enumerate([("w", "f"), ("", "f"), ("w", "g"), ("v", "h")])]
    for seed in range(5):
        train, val = random_split(samples, 0.5, seed)
        assert {len(train), len(val)} == {1, 3}
    assert shared_writers({"train": samples[:1], "val": samples[1:2]}) == ["w"]


def test_unassigned_names_samples_on_no_list():
    samples = make(["a", "b", "c"])
    assert [entry.source for entry in unassigned(samples, {"train": samples[:1], "val": samples[2:]})] == ["1.png"]
