import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mltu.augmentors import (
    RandomBrightness,
    RandomElasticTransform,
    RandomPaper,
    RandomSaltAndPepper,
    RandomSlant,
)
from mltu.dataProvider import DataProvider, Mixture
from mltu.datasets import Sample, Skipped, read_table
from mltu.loading import shared_memory
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


def test_DataProvider_batches_hold_every_sample_once(samples):
    provider = make(samples, batch_size=4)
    batches = list(provider)
    assert len(provider) == len(batches) == 3
    assert [images.shape for images, _ in batches] == [(4, 16, 80, 3), (4, 16, 80, 3), (2, 16, 80, 3)]
    assert batches[0][1].tolist()[0][1:] == [10, 10]
    assert sorted(sum(labels(provider), [])) == list(range(10))
    with pytest.raises(IndexError):
        provider[3]


def test_DataProvider_order_depends_on_seed_and_epoch_only(samples):
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


def test_DataProvider_augmentation_depends_on_seed_and_epoch_not_on_workers_or_cache(samples):
    options = {"augmentors": [RandomBrightness(1), RandomSlant(1)], "shuffle": False, "seed": 3}
    single, cached = make(samples, **options), make(samples, workers=4, use_cache=True, **options)
    for _ in range(2):
        assert all(np.array_equal(a[0], b[0]) for a, b in zip(single, cached, strict=True))
    before = single[0][0]
    single.on_epoch_end()
    assert not np.array_equal(before, single[0][0])


def test_cache_saves_reading_and_respects_its_bound(samples):
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


def test_validate_drops_and_names_unusable_samples(samples, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    bad = [Sample(str(tmp_path / "broken.png"), "a"), Sample(samples[0].image, "?"), Sample(samples[0].image, "abcd")]
    provider = make(samples[:3] + bad, workers=2)
    dropped = provider.validate()
    assert provider.samples == samples[:3]
    assert [skipped.source for skipped in dropped] == [sample.image for sample in bad]
    for skipped, word in zip(dropped, ("not an image", "vocabulary", "max_text_length"), strict=True):
        assert word in skipped.reason
        assert not skipped.reason.startswith(skipped.source)
    with pytest.raises(InputError, match=r"none of 3 samples .*broken\.png"):
        make(bad, skip_validation=False)


def test_DataProvider_a_file_that_goes_away_is_left_out(samples, tmp_path):
    provider = make(samples, batch_size=10)
    (tmp_path / "3.png").unlink()
    assert sorted(provider[0][1][:, 0].tolist()) == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    with pytest.raises(InputError, match="no sample of batch 0"):
        make([Sample(str(tmp_path / "3.png"), "a")])[0]


def test_DataProvider_each_sample_that_fails_is_named_once(samples, tmp_path, caplog):
    provider = make(samples, batch_size=5, workers=2)
    for name in ("3.png", "7.png"):
        (tmp_path / name).unlink()
    for provider.epoch in (1, 2, 3):
        assert sum(map(len, labels(provider))) == 8
    assert sorted(provider.dropped) == [Skipped(samples[i].image, "no such file") for i in (3, 7)]
    assert [caplog.text.count(f"{i}.png: no such file") for i in (3, 7, 1)] == [1, 1, 0]
    other = provider.with_samples(samples[:3])
    assert (labels(other), other.dropped, other.failure, provider.failure) == ([[0, 1, 2]], [], None, None)


def test_DataProvider_the_error_that_ends_an_iteration_is_kept(samples, tmp_path):
    (tmp_path / "1.png").unlink()
    provider = make(samples[:3], batch_size=1, shuffle=False)
    batches = iter(provider)
    next(batches)
    assert provider.failure is None
    with pytest.raises(InputError, match="no sample of batch 1") as caught:
        next(batches)
    assert provider.failure is caught.value
    assert provider.dropped == [Skipped(samples[1].image, "no such file")]


def test_DataProvider_an_epoch_can_begin_in_the_middle(samples):
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


def test_parts_divide_each_batch_and_stand_in_for_empty_ones(samples):
    provider = make(samples, batch_size=4, shuffle=False)
    provider.first_batch = 1
    parts = [(labels[:, 0].tolist(), counted) for _, labels, counted in provider.parts([0, 2], 3)]
    assert parts == [([4, 7], 2), ([6], 1), ([8], 1), ([8], 0)]  # the last batch has no third part


class Clock:
    """Stands in for the system's clock, and goes on when told to."""

    def __init__(self):
        self.now = 0.0

    def takes(self, seconds):
        """A step of the pipeline that takes this long."""

        def step(data, annotation):
            self.now += seconds
            return data, annotation

        return step


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.perf_counter", lambda: clock.now)
    return clock


def test_timings_tell_the_stages_and_the_waiting_for_them(samples, clock):
    provider = DataProvider(
        samples,
        [ImageReader(), clock.takes(2)],
        batch_size=10,
        augmentors=[clock.takes(1)],
        transformers=[*TRANSFORMERS, clock.takes(0.5)],
    )
    list(provider)
    stages = {"read": 20, "augment": 10, "transform": 5, "stack": 0}
    assert provider.timings == {**stages, "waited": 35, "idle": 0, "lines": 10}
    provider.reset_timings()
    assert set(provider.timings.values()) == {0}


def test_timings_count_ready_batches_as_idle_while_the_network_works(samples, clock):
    provider = make(samples, batch_size=5)
    for _ in provider:
        clock.now += 4  # the network works
    assert (provider.timings["waited"], provider.timings["idle"]) == (0, 8)


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


def test_DataProvider_takes_data_frames_lists_and_a_limit(samples):
    frame = pd.DataFrame([[*sample[:2], None] for sample in samples])
    assert len(make(frame).split(0.5)[0].samples) == 5
    assert labels(make(frame, shuffle=False)) == labels(make([list(sample) for sample in samples], shuffle=False))
    assert len(make(samples, limit=3).samples) == 3
    with pytest.raises(InputError, match="no samples"):
        make([])


def test_DataProvider_batches_of_one_shape(png):
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


def test_DataProvider_shuffled_epochs_have_as_many_batches_whatever_the_shapes(png):
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


def test_DataProvider_batches_can_be_postprocessed_and_stay_lists(samples):
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


def test_DataProvider_a_mixture_draws_by_weight_and_wears_out_no_sample_before_the_others():
    samples = [(np.zeros((2, 2)), f"{group}{i}") for group, count in (("a", 10), ("b", 4)) for i in range(count)]
    groups = np.array([0] * 10 + [1] * 4)
    base = DataProvider(samples, batch_size=4, seed=3)
    mixed = base.with_samples(samples, shuffle=True, mixture=Mixture(groups, (0.75, 0.25), 12))

    def epoch(number):
        mixed.epoch = number
        return [sample[1] for index in range(len(mixed)) for sample in mixed.get_batch_annotations(index)]

    first, second, third = (epoch(number) for number in (1, 2, 3))
    for texts in (first, second, third):
        assert (len(texts), sum(text.startswith("b") for text in texts)) == (12, 3)
    assert first == epoch(1)
    assert first != second
    drawn_b = [text for text in first + second + third + epoch(4) if text.startswith("b")]
    assert sorted(drawn_b) == sorted(["b0", "b1", "b2", "b3"] * 3)
    assert len({text for text in first + second if text.startswith("a")}) == 10


# --- worker processes -----------------------------------------------------------------------


@pytest.fixture
def in_processes():
    """Makes providers that load in two processes, and closes them at the end."""
    made = []

    def make_in_processes(samples, **options):
        made.append(make(samples, **{"use_multiprocessing": True, "workers": 2, "seed": 3, **options}))
        return made[-1]

    yield make_in_processes
    for provider in made:
        provider.close()


def ask(provider, expression):
    """What a Python expression is in a worker process."""
    return provider._processes.calling(eval)(expression)


def test_DataProvider_processes_load_the_same_batches_as_threads(samples, in_processes):
    augmentors = [RandomSlant(1), RandomPaper(1), RandomElasticTransform(1), RandomSaltAndPepper(1)]
    threads = make(samples, seed=3, augmentors=augmentors)
    processes = in_processes(samples, augmentors=augmentors, use_cache=True)
    for epoch in (1, 2):  # read, and from the cache
        threads.epoch = processes.epoch = epoch
        for ours, theirs in zip(threads, processes, strict=True):
            np.testing.assert_array_equal(ours[0], theirs[0])
            np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_array_equal(threads[1][0], processes[1][0])
    timings = processes.timings
    assert timings["lines"] == 24
    assert min(timings[stage] for stage in ("read", "augment", "transform", "stack", "waited")) > 0
    loaded = ask(processes, "list(__import__('sys').modules)")
    assert "mltu.loading.loader" in loaded
    slow = {"tensorflow", "keras", "torch", "jax", "onnxruntime", "pandas", "tqdm", "train", "mltu.datasets"}
    assert not slow & {*loaded}
    val = processes.with_samples(samples[:3])
    assert labels(val) == [[0, 1, 2]]
    assert val._processes is processes._processes


def test_DataProvider_processes_share_the_cache_within_its_bound(samples, in_processes, tmp_path):
    filled_first, filled_on_the_way = (in_processes(samples, use_cache=True) for _ in range(2))
    assert filled_first.validate() == []
    whole = sum(map(len, labels(filled_on_the_way)))
    half = in_processes(samples, batch_size=10, use_cache=True, cache_mb=0.13)  # of images of 24,000 bytes
    half.validate()
    for sample in samples:
        Path(sample.image).unlink()
    for provider in (filled_first, filled_on_the_way):
        assert sum(map(len, labels(provider))) == whole == 10
        assert provider.dropped == []
    assert sum(map(len, labels(half))) == len(samples) - len(half.dropped) == 5
    half.close()
    with pytest.raises(InputError, match="no sample"):
        list(half)


def test_DataProvider_a_worker_process_that_dies_gives_an_error_and_the_next_iteration_works(samples, in_processes):
    provider = in_processes(samples)
    with pytest.raises(InputError, match=r"ended without an answer \(exit code 3"):
        ask(provider, "__import__('os')._exit(3)")
    assert sum(map(len, labels(provider))) == 10
    assert provider.failure is None


def test_DataProvider_what_other_processes_cannot_import_is_refused_with_the_remedy(samples, in_processes, monkeypatch):
    def of_the_script(data, annotation):
        return data, annotation

    of_the_script.__module__, of_the_script.__qualname__ = "__main__", "of_the_script"
    monkeypatch.setattr(sys.modules["__main__"], "of_the_script", of_the_script, raising=False)
    provider = in_processes(samples)
    for augmentor in (lambda data, annotation: (data, annotation), of_the_script):
        provider.augmentors = [augmentor]
        with pytest.raises(InputError, match="--load_in_processes no, use_multiprocessing=False") as caught:
            list(provider)
        assert provider.failure is caught.value
        assert ("lambda" if augmentor is not of_the_script else "of_the_script") in str(caught.value)


def test_DataProvider_processes_name_what_they_leave_out(samples, in_processes):
    provider = in_processes(samples)
    Path(samples[3].image).unlink()
    for provider.epoch in (1, 2):
        assert sum(map(len, labels(provider))) == 9
    assert provider.dropped == [Skipped(samples[3].image, "no such file")]


SCRIPT = """
import signal, sys
from mltu.dataProvider import DataProvider
from mltu.preprocessors import ImageReader
from mltu.loading import shared_memory

samples = [(sys.argv[2], "a")] * 40
provider = DataProvider(samples, [ImageReader()], 2, use_cache=True, use_multiprocessing=True, numpy=False)
provider.process_data(samples[0])
batches = iter(provider)
next(batches)
print(*shared_memory._segments, flush=True)
if sys.argv[1] == "raise":
    raise KeyError("of the script")
if sys.argv[1] in ("wait", "all"):
    signal.pause()
"""


@pytest.fixture
def run_script(png):
    """Starts the script, to end in a certain way, as the leader of a process group."""
    begun = []

    def run(ending):
        command = [sys.executable, "-c", SCRIPT, ending, str(png())]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        begun.append(subprocess.Popen(command, env=environment, start_new_session=True, **pipes))
        return begun[-1]

    yield run
    for script in begun:
        script.kill()
        script.communicate()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_DataProvider_no_process_and_no_shared_memory_is_left_behind(run_script):
    endings = [("end", 0), ("raise", 0), ("wait", signal.SIGINT), ("wait", signal.SIGKILL)]
    endings += [("all", signal.SIGKILL)] * hasattr(os, "memfd_create")
    for script, (ending, sent) in [(run_script(ending), (ending, sent)) for ending, sent in endings]:
        segments = script.stdout.readline().split()
        assert segments
        if sent == signal.SIGINT or ending == "all":
            os.killpg(script.pid, sent)  # as a terminal does
        elif sent:
            script.kill()
        _, errors = script.communicate(timeout=60)  # the workers hold the other end of the pipe
        for name in segments:
            with pytest.raises(FileNotFoundError):
                shared_memory._attach(name)
        if ending == "end":
            assert (errors, script.returncode) == ("", 0)
        elif sent != signal.SIGKILL:  # after which Python says that it has cleaned up
            assert errors.count("Traceback") == 1
            assert "resource_tracker" not in errors
