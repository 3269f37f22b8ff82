import numpy as np
import pytest

from mltu import Image
from mltu.loading.cache import Cache, make_entry, restore

PIXELS = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
SAMPLE = ("a.png", "text")


@pytest.fixture(params=[False, True], ids=["own", "shared"])
def cache(request):
    cache = Cache(1, request.param)
    yield cache
    cache.close()


def test_cache_gives_copies_of_what_was_put(cache):
    annotation = [1, 2]
    cache.put(SAMPLE, make_entry(PIXELS, annotation))
    annotation.append(3)
    for _ in range(2):
        data, labels = restore(cache.get(SAMPLE))
        assert np.array_equal(data, PIXELS)
        assert labels == [1, 2]
        data[:] = 0  # as an augmentor might
        labels.clear()
    assert cache.get(("a.png", "other text")) is None


def test_cache_keeps_what_an_image_knows_beside_its_pixels(cache):
    cache.put(SAMPLE, make_entry(Image(PIXELS, path="a.png", color="RGB"), "text"))
    image, _ = restore(cache.get(SAMPLE))
    assert (image.path, image.color) == ("a.png", "RGB")
    assert np.array_equal(image.numpy(), PIXELS)


def test_cache_keeps_the_first_entry_of_a_sample(cache):
    for value in (1, 2):
        cache.put(SAMPLE, make_entry(np.full(8, value, np.uint8), "text"))
    assert restore(cache.get(SAMPLE))[0].tolist() == [1] * 8


def test_cache_refuses_what_does_not_fit_and_takes_what_does(cache):
    for number, size in enumerate((700_000, 400_000, 200_000)):
        cache.put((str(number), ""), make_entry(np.zeros(size, np.uint8), ""))
    assert [cache.get((str(number), "")) is not None for number in range(3)] == [True, False, True]
    assert cache.room <= 100_000


def test_cache_takes_only_samples_that_are_known_by_path_and_text(cache):
    cache.put((PIXELS, "text"), make_entry(PIXELS, "text"))
    assert cache.get((PIXELS, "text")) is None
    for data in ("no array", np.array([object()]), np.empty(0)):
        assert make_entry(data, "text") is None
    cache.put(SAMPLE, None)
    assert cache.get(SAMPLE) is None


def test_cache_is_empty_and_takes_nothing_after_close(cache):
    cache.put(SAMPLE, make_entry(PIXELS, "text"))
    cache.close()
    assert (cache.get(SAMPLE), cache.room) == (None, 0)
    cache.put(SAMPLE, make_entry(PIXELS, "text"))
    assert cache.get(SAMPLE) is None
