import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mltu.augmentors import RandomBrightness, RandomElasticTransform, RandomPaper, RandomSaltAndPepper, RandomSlant
from mltu.dataProvider import DataProvider, Mixture
from mltu.datasets import Sample, Skipped, read_table
from mltu.loading import shared_memory
from mltu.preprocessors import ImageReader
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding, LineResizer
from mltu.utils.errors import InputError

TRANSFORMERS = [ImageResizer(80, 16), LabelIndexer("abcdefghij"), LabelPadding(10, 3)]


@pytest.fixture
def samples(png, line_image):
    return [
        Sample(str(png(f"{i}.png", np.roll(line_image, 10 * i, axis=1))), "abcdefghij"[i], f"w{i // 2}")
        for i in range(10)
    ]


def make(samples, **options):
    return DataProvider(samples, [ImageReader()], **{"transformers": TRANSFORMERS, **options})


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
    epochs = [labels(make(samples, seed=1, initial_epoch=epoch)) for epoch in (1, 2, 3)]
    assert len({str(epoch) for epoch in [*epochs, labels(make(samples, seed=2))]}) == 4
    provider = make(samples, seed=1, workers=4)
    assert labels(provider) == epochs[0]
    provider.on_epoch_end()
    assert labels(provider) == epochs[1]
    provider.epoch = 3
    assert labels(provider) == epochs[2]
    assert sum(labels(make(samples, shuffle=False)), []) == list(range(10))


def test_DataProvider_augmentation_depends_on_seed_and_epoch_not_on_workers_or_cache(samples):
    options = {"augmentors": [RandomBrightness(1), RandomSlant(1)], "shuffle": False, "seed": 3}
    single, cached = make(samples, **options), make(samples, workers=4, use_cache=True, **options)
    for _ in range(2):
        assert all(np.array_equal(a[0], b[0]) for a, b in zip(single, cached, strict=True))
    before = single[0][0]
    single.on_epoch_end()
    assert not np.array_equal(before, single[0][0])


def test_DataProvider_cache_saves_reading_within_its_bound(samples):
    reads = []

    def reader(path, label):
        reads.append(path)
        return ImageReader()(path, label)

    for megabytes, count in ((100, 10), (0, 20)):
        reads.clear()
        provider = DataProvider(samples, [reader], transformers=TRANSFORMERS, use_cache=True, cache_mb=megabytes)
        assert [sum(map(len, labels(provider))) for _ in range(2)] == [10, 10]
        assert len(reads) == count


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


@pytest.mark.parametrize("processes", [False, True])
def test_DataProvider_leaves_out_samples_that_fail_and_names_each_once(samples, in_processes, caplog, processes):
    provider = (in_processes if processes else make)(samples, batch_size=5, workers=2)
    for index in (3, 7):
        Path(samples[index].image).unlink()
    for provider.epoch in (1, 2, 3):
        assert sorted(sum(labels(provider), [])) == [0, 1, 2, 4, 5, 6, 8, 9]
    assert sorted(provider.dropped) == [Skipped(samples[index].image, "no such file") for index in (3, 7)]
    assert [caplog.text.count(f"{index}.png: no such file") for index in (3, 7, 1)] == [1, 1, 0]
    other = provider.with_samples(samples[:3])
    assert (labels(other), other.dropped) == ([[0, 1, 2]], [])


def test_DataProvider_keeps_the_error_that_ends_an_iteration(samples):
    provider = make(samples[:3], batch_size=1, shuffle=False)
    Path(samples[1].image).unlink()
    with pytest.raises(InputError, match="no sample of batch 1"):
        provider[1]
    batches = iter(provider)
    next(batches)
    assert provider.failure is None
    with pytest.raises(InputError, match="no sample of batch 1") as caught:
        next(batches)
    assert provider.failure is caught.value
    assert provider.with_samples(samples).failure is None


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


def test_DataProvider_parts_divide_each_batch_and_stand_in_for_empty_ones(samples):
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
    transformers = [*TRANSFORMERS, clock.takes(0.5)]
    provider = make(samples, batch_size=10, augmentors=[clock.takes(1)], transformers=transformers)
    list(provider)
    stages = {"read": 0, "augment": 10, "transform": 5, "stack": 0}
    assert provider.timings == {**stages, "waited": 15, "idle": 0, "lines": 10}


def test_timings_count_ready_batches_as_idle_while_the_network_works(samples, clock):
    provider = make(samples, batch_size=5)
    for _ in provider:
        clock.now += 4  # the network works
    assert (provider.timings["waited"], provider.timings["idle"]) == (0, 8)


def test_split_separates_writers_and_augments_training_only(samples):
    provider = make(samples, augmentors=[RandomSlant(1)], seed=5)
    train, val = provider.split(0.6)
    assert (len(train.samples), len(val.samples)) == (6, 4)
    assert not {sample.writer for sample in train.samples} & {sample.writer for sample in val.samples}
    assert (train.augmentors, val.augmentors) == (provider.augmentors, [])
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


def test_DataProvider_plans_batches_by_the_shapes_of_the_data(png):
    samples = [[str(png(f"{i}.png", np.full((16, 40 + 40 * (i % 3)), 200, np.uint8))), "a"] for i in range(11)]
    options = {"transformers": [LineResizer(16, 128, 32)], "same_shape": True, "batch_size": 2, "seed": 4}
    checked, unchecked = make(samples, **options), make(samples, workers=2, **options)
    checked.validate()
    shapes = [images.shape for images, _ in checked]
    assert sorted(count for count, *_ in shapes) == [1, 2, 2, 2, 2, 2]  # of 4, 4 and 3 lines
    assert [images.shape for images, _ in unchecked] == shapes
    in_order = checked.with_samples(samples[::-1])
    assert [images.shape[2] for images, _ in in_order] == [64, 64, 96, 96, 128, 128]


def test_DataProvider_batches_can_be_postprocessed_and_stay_lists(samples):
    options = {"transformers": TRANSFORMERS[1:2], "batch_postprocessors": [LabelPadding(10, use_on_batch=True)]}
    images, padded = make(samples, batch_size=5, shuffle=False, numpy=False, **options)[0]
    assert [image.shape for image in images] == [(40, 200, 3)] * 5
    assert padded.tolist() == [[0], [1], [2], [3], [4]]


def test_DataProvider_draws_from_a_mixture_of_the_samples_that_can_be_used(samples):
    groups = np.array([1, *[0] * 6, *[1] * 4])
    options = {"shuffle": True, "mixture": Mixture(groups, (0.75, 0.25), 8)}
    mixed = make(samples, seed=3).with_samples([Sample("none.png", "a"), *samples], **options)
    mixed.validate()
    for mixed.epoch in (1, 2):
        drawn = Mixture(groups[1:], (0.75, 0.25), 8).draw(3, mixed.epoch)
        assert sorted(sum(labels(mixed), [])) == sorted(drawn)
    assert len(mixed) == 2


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
    loaded = processes._processes.calling(eval)("list(__import__('sys').modules)")
    assert "mltu.loading.loader" in loaded
    slow = {"tensorflow", "keras", "torch", "jax", "onnxruntime", "pandas", "tqdm", "train", "mltu.datasets"}
    assert not slow & {*loaded}
    assert processes.with_samples(samples)._processes is processes._processes


def test_DataProvider_processes_share_the_cache(samples, in_processes):
    filled_first, filled_on_the_way = (in_processes(samples, use_cache=True) for _ in range(2))
    assert filled_first.validate() == []
    list(filled_on_the_way)
    for sample in samples:
        Path(sample.image).unlink()
    for provider in (filled_first, filled_on_the_way):
        assert sum(map(len, labels(provider))) == 10
    filled_first.close()
    with pytest.raises(InputError, match="no sample"):
        list(filled_first)


def test_DataProvider_refuses_functions_that_processes_cannot_import(samples, in_processes, monkeypatch):
    def of_the_script(data, annotation):
        return data, annotation

    of_the_script.__module__, of_the_script.__qualname__ = "__main__", "of_the_script"
    monkeypatch.setattr(sys.modules["__main__"], "of_the_script", of_the_script, raising=False)
    provider = in_processes(samples, augmentors=[of_the_script])
    with pytest.raises(InputError, match=r"of_the_script.*--load_in_processes no, use_multiprocessing=False") as caught:
        list(provider)
    assert provider.failure is caught.value


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
        _, errors = script.communicate(timeout=300)  # the workers hold the other end of the pipe
        for name in segments:
            with pytest.raises(FileNotFoundError):
                shared_memory._attach(name)
        if ending == "end":
            assert (errors, script.returncode) == ("", 0)
        elif sent != signal.SIGKILL:  # after which Python says that it has cleaned up
            assert errors.count("Traceback") == 1
            assert "resource_tracker" not in errors
