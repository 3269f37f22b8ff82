import numpy as np
import pytest

from mltu.augmentors import RandomBrightness
from mltu.loading.cache import Cache, make_entry
from mltu.loading.loader import STAGES, Job, Loader


def read(path, text):
    """Stands in for an image reader: an image of one value, the number that the path is."""
    return np.full((2, 2), int(path), np.uint8), text


def double(data, annotation):
    return data * 2, annotation


def loader(preprocessors=(read,), augmentors=(), transformers=()):
    return Loader(preprocessors, augmentors, transformers, (), True)


def job(*paths, cache=None):
    samples = [(path, f"text {path}") for path in paths]
    return Job.of(samples, [[0, 1, number] for number in range(len(samples))], cache or Cache(0))


def test_loader_stacks_a_batch_in_order():
    batch = loader(transformers=[double], augmentors=[double])(job("3", "1", "2"))
    assert batch.data[:, 0, 0].tolist() == [12, 4, 8]
    assert batch.annotations.tolist() == ["text 3", "text 1", "text 2"]
    assert (batch.lines, batch.failed, batch.fresh) == (3, [], [])
    assert tuple(batch.seconds) == STAGES
    assert min(batch.seconds.values()) >= 0


def test_loader_raises_any_error_that_is_not_about_a_sample():
    with pytest.raises(ZeroDivisionError):
        loader(transformers=[lambda data, annotation: 1 / 0])(job("1"))


def test_loader_augments_by_the_seed_of_each_sample():
    work = job("100", "100")
    augmenting = loader(augmentors=[RandomBrightness(1)])
    first, again = augmenting(work), augmenting(work)
    assert np.array_equal(first.data, again.data)
    assert not np.array_equal(first.data[0], first.data[1])


def test_loader_takes_entries_of_the_cache_and_returns_new_ones_that_fit():
    cache = Cache(9e-6)  # two images of four bytes
    cache.put(("7", "text 7"), make_entry(np.full((2, 2), 70, np.uint8), "text 7"))
    batch = loader()(job("7", "1", "2", cache=cache))
    assert batch.data[:, 0, 0].tolist() == [70, 1, 2]
    assert [position for position, _ in batch.fresh] == [1]


def test_loader_process_fills_the_cache_before_augmentation():
    cache = Cache(1)
    sample = ("5", "text")
    data, annotation = loader(augmentors=[double], transformers=[double]).process(
        sample, np.random.default_rng(0), cache
    )
    assert (data[0, 0], annotation) == (20, "text")
    plain, _ = loader(preprocessors=[], augmentors=[double]).process(sample, None, cache)  # nothing reads any more
    assert plain[0, 0] == 5
