import time

import numpy as np
import pandas as pd
import pytest

from mltu.augmentors import RandomBrightness, RandomSlant
from mltu.dataProvider import DataProvider, Mixture
from mltu.datasets import Sample, Skipped, read_table
from mltu.preprocessors import ImageReader
from mltu.transformers import ImagePadding, ImageResizer, LabelIndexer, LabelPadding, LineResizer
from mltu.utils.errors import InputError

TRANSFORMERS = [ImageResizer(80, 16), LabelIndexer("abcdefghij"), LabelPadding(10, 3)]


@pytest.fixture
def samples(png, line_image):
    return [
        Sample(str(png(f"{i}.png", np.roll(line_image, 10 * i, axis=1))), "abcdefghij"[i], f"w{i // 2}")
        for i in range(10)
    ]


def make(samples, **options):
    return DataProvider(samples, data_preprocessors=[ImageReader()], transformers=TRANSFORMERS, **options)


def labels(provider):
    return [batch[1][:, 0].tolist() for batch in provider]


def test_batches_hold_every_sample_once(samples):
    provider = make(samples, batch_size=4)
    batches = list(provider)
    assert len(provider) == len(batches) == 3
    assert [images.shape for images, _ in batches] == [(4, 16, 80, 3), (4, 16, 80, 3), (2, 16, 80, 3)]
    assert batches[0][1].tolist()[0][1:] == [10, 10]
    assert sorted(sum(labels(provider), [])) == list(range(10))
    with pytest.raises(IndexError):
        provider[3]


def test_order_depends_on_seed_and_epoch_only(samples):
    first, again, other = make(samples, seed=1), make(samples, seed=1, workers=4), make(samples, seed=2)
    epochs = []
    for _ in range(3):
        epochs.append(labels(first))
        assert labels(again) == epochs[-1]
        first.on_epoch_end()
        again.on_epoch_end()
    assert len({str(epoch) for epoch in epochs}) == 3
    assert labels(other) != epochs[0]
    assert labels(make(samples, seed=1, initial_epoch=3)) == epochs[2]
    first.epoch = 2
    assert labels(first) == epochs[1]
    assert sum(labels(make(samples, shuffle=False)), []) == list(range(10))


def test_augmentation_depends_on_seed_and_epoch_not_on_workers_or_cache(samples):
    options = {"augmentors": [RandomBrightness(1), RandomSlant(1)], "shuffle": False, "seed": 3}
    one, many = make(samples, **options), make(samples, workers=4, use_cache=True, **options)
    for _ in range(2):
        assert all(np.array_equal(a[0], b[0]) for a, b in zip(one, many, strict=True))
    before = one[0][0]
    one.on_epoch_end()
    assert not np.array_equal(before, one[0][0])


def test_the_cache_saves_reading_and_respects_its_bound(samples):
    reads = []

    def reader(path, label):
        reads.append(path)
        return ImageReader()(path, label)

    def count(megabytes):
        reads.clear()
        provider = DataProvider(samples, [reader], transformers=TRANSFORMERS, use_cache=True, cache_mb=megabytes)
        for _ in range(2):
            list(provider)
        return len(reads)

    assert count(100) == 10
    assert count(0) == 20
    twice = [[samples[0].image, "a"], [samples[0].image, "b"]]  # a table and its corrected copy
    assert labels(make(twice, use_cache=True, shuffle=False)) == labels(make(twice, shuffle=False)) == [[0, 1]]


def test_validation_drops_and_names_what_cannot_be_used(samples, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    bad = [Sample(str(tmp_path / "broken.png"), "a"), Sample(samples[0].image, "?"), Sample(samples[0].image, "abcd")]
    provider = make(samples[:3] + bad, workers=2)
    dropped = provider.validate()
    assert provider.samples == samples[:3]
    assert [one.source for one in dropped] == [sample.image for sample in bad]
    for one, word in zip(dropped, ("not an image", "vocabulary", "max_text_length"), strict=True):
        assert word in one.reason
        assert not one.reason.startswith(one.source)
    with pytest.raises(InputError, match=r"none of 3 samples .*broken\.png"):
        make(bad, skip_validation=False)


def test_a_file_that_goes_away_is_left_out(samples, tmp_path):
    provider = make(samples, batch_size=10)
    (tmp_path / "3.png").unlink()
    assert sorted(provider[0][1][:, 0].tolist()) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    with pytest.raises(InputError, match="no sample of batch 0"):
        make([Sample(str(tmp_path / "3.png"), "a")])[0]


def test_each_sample_that_fails_is_named_once(samples, tmp_path, caplog):
    provider = make(samples, batch_size=5, workers=2)
    for name in ("3.png", "7.png"):
        (tmp_path / name).unlink()
    for provider.epoch in (1, 2, 3):
        assert sum(map(len, labels(provider))) == 8
    assert sorted(provider.dropped) == [Skipped(samples[i].image, "no such file") for i in (3, 7)]
    assert [caplog.text.count(f"{i}.png: no such file") for i in (3, 7, 1)] == [1, 1, 0]
    other = provider.with_samples(samples[:3])
    assert (labels(other), other.dropped, other.failure, provider.failure) == ([[0, 1, 2]], [], None, None)


def test_the_error_that_ends_an_iteration_is_kept(samples, tmp_path):
    (tmp_path / "1.png").unlink()
    provider = make(samples[:3], batch_size=1, shuffle=False)
    batches = iter(provider)
    next(batches)
    assert provider.failure is None
    with pytest.raises(InputError, match="no sample of batch 1") as caught:
        next(batches)
    assert provider.failure is caught.value
    assert provider.dropped == [Skipped(samples[1].image, "no such file")]


def test_an_epoch_can_begin_in_the_middle(samples):
    provider, whole = make(samples, batch_size=2, seed=1), labels(make(samples, batch_size=2, seed=1))
    provider.first_batch = 3
    assert labels(provider) == whole[3:]
    assert [provider[i][1][:, 0].tolist() for i in range(5)] == [whole[3]] * 4 + whole[4:]
    assert len(provider) == 5
    provider.epoch = 1
    assert provider.first_batch == 3
    provider.on_epoch_end()
    assert provider.first_batch == 0
    assert labels(provider) == labels(make(samples, batch_size=2, seed=1, initial_epoch=2))
    with pytest.raises(ValueError, match="first_batch"):
        provider.first_batch = 5


class Slow:
    """A step that takes some time; as preprocessor, augmentor or transformer."""

    def __init__(self, seconds):
        self.seconds = seconds

    def __call__(self, data, annotation):
        time.sleep(self.seconds)
        return data, annotation


def test_timings_tell_whether_data_or_network_is_the_bottleneck(samples):
    provider = DataProvider(
        samples,
        [ImageReader(), Slow(0.02)],
        batch_size=5,
        augmentors=[Slow(0.01)],
        transformers=[*TRANSFORMERS, Slow(0.005)],
    )
    list(provider)
    slow = provider.timings
    for stage, seconds in (("read", 0.2), ("augment", 0.1), ("transform", 0.05)):
        assert seconds <= slow[stage] < seconds + slow["waited"]
    assert slow["lines"] == 10
    assert slow["waited"] > 0.3  # one worker
    assert slow["idle"] < slow["waited"] / 10
    provider.reset_timings()
    assert set(provider.timings.values()) == {0}
    batches = iter(provider)
    for _ in range(2):
        next(batches)
        time.sleep(0.4)  # while the network works, the rest is loaded
    assert list(batches) == []
    ready = provider.timings
    assert ready["idle"] >= 0.8
    assert ready["waited"] < slow["waited"]


def test_split_separates_writers_and_augments_training_only(samples):
    provider = make(samples, augmentors=[RandomSlant(1)], seed=5)
    train, val = provider.split(0.6)
    assert len(train.samples) == 6
    assert len(val.samples) == 4
    assert not {s.writer for s in train.samples} & {s.writer for s in val.samples}
    assert train.augmentors
    assert not val.augmentors
    assert sum(labels(val), []) == ["abcdefghij".index(sample.text) for sample in val.samples]
    head, tail = provider.split(0.8, shuffle=False)
    assert head.samples + tail.samples == samples


def test_to_csv_can_be_read_again(samples, tmp_path):
    path = tmp_path / "out" / "lines.csv"
    make(samples).to_csv(path)
    assert read_table(path)[0] == samples
    assert labels(make(str(path), shuffle=False)) == labels(make(samples, shuffle=False))
    make(samples).to_csv(path, index=True)
    assert pd.read_csv(path)["index"].tolist() == list(range(10))
    assert read_table(path)[0] == samples


def test_takes_data_frames_lists_and_a_limit(samples):
    frame = pd.DataFrame([[*sample[:2], None] for sample in samples])
    assert len(make(frame).split(0.5)[0].samples) == 5
    assert labels(make(frame, shuffle=False)) == labels(make([list(sample) for sample in samples], shuffle=False))
    assert len(make(samples, limit=3).samples) == 3
    with pytest.raises(InputError, match="no samples"):
        make([])


def test_batches_of_one_shape(png):
    samples = [[str(png(f"{i}.png", np.full((16, 40 + 40 * (i % 3)), 200, np.uint8))), "a"] for i in range(11)]
    options = {"transformers": [LineResizer(16, 128, 32)], "same_shape": True, "batch_size": 2}
    provider = DataProvider(samples, [ImageReader()], seed=4, **options)
    provider.validate()
    for _ in range(2):
        batches = list(provider)
        assert len(provider) == len(batches) == 6  # of 4, 4 and 3 lines
        assert sorted(len(images) for images, _ in batches) == [1, 2, 2, 2, 2, 2]
        assert {images.shape[2] for images, _ in batches} == {64, 96, 128}
        provider.on_epoch_end()
    again = DataProvider(samples, [ImageReader()], seed=4, initial_epoch=3, workers=2, **options)
    assert [images.shape for images, _ in again] == [images.shape for images, _ in provider]
    in_order = provider.with_samples(samples)
    assert [images.shape[2] for images, _ in in_order] == [64, 64, 96, 96, 128, 128]


def test_shuffled_epochs_have_as_many_batches_whatever_the_shapes(png):
    samples = [[str(png(f"{i}.png", np.full((16, 40 + 40 * (i % 3)), 200, np.uint8))), "a"] for i in range(13)]
    options = {"transformers": [LineResizer(16, 128, 32)], "same_shape": True, "batch_size": 4}
    provider = DataProvider(samples, [ImageReader()], seed=4, batch_postprocessors=[ImagePadding()], **options)
    orders = []
    for _ in range(3):
        batches = list(provider)
        assert sorted(len(images) for images, _ in batches) == [1, 4, 4, 4]
        # of 5, 4 and 4 lines of the three widths, at most one batch each mixes neighbours
        assert sorted(images.shape[2] for images, _ in batches) == [64, 96, 128, 128]
        orders.append([images.shape[2] for images, _ in batches])
        provider.on_epoch_end()
    assert len({tuple(order) for order in orders}) > 1
    assert [len(images) for images, _ in provider.with_samples(samples)] == [4, 1, 4, 4]


def test_batches_can_be_postprocessed_and_stay_lists(samples):
    pad = LabelPadding(padding_value=10, use_on_batch=True)
    provider = DataProvider(
        samples,
        [ImageReader()],
        5,
        False,
        transformers=[LabelIndexer("abcdefghij")],
        batch_postprocessors=[pad],
        numpy=False,
    )
    images, padded = provider[0]
    assert [image.shape for image in images] == [(40, 200, 3)] * 5
    assert padded.tolist() == [[0], [1], [2], [3], [4]]


def test_a_mixture_draws_by_weight_and_wears_out_no_sample_before_the_others():
    samples = [(np.zeros((2, 2)), f"{group}{i}") for group, count in (("a", 10), ("b", 4)) for i in range(count)]
    groups = np.array([0] * 10 + [1] * 4)
    base = DataProvider(samples, batch_size=4, seed=3)
    mixed = base.with_samples(samples, shuffle=True, mixture=Mixture(groups, (0.75, 0.25), 12))

    def epoch(number):
        mixed.epoch = number
        return [sample[1] for index in range(len(mixed)) for sample in mixed.get_batch_annotations(index)]

    first, second, third = (epoch(number) for number in (1, 2, 3))
    for one in (first, second, third):
        assert (len(one), sum(text.startswith("b") for text in one)) == (12, 3)
    assert first == epoch(1)
    assert first != second
    drawn_b = [text for one in (first, second, third) for text in one if text.startswith("b")] + [
        text for text in epoch(4) if text.startswith("b")
    ]
    assert sorted(drawn_b) == sorted(["b0", "b1", "b2", "b3"] * 3)
    assert len({text for one in (first, second) for text in one if text.startswith("a")}) == 10
