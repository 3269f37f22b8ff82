import numpy as np
import pytest

from mltu.loading import shared_memory
from mltu.loading.shared_memory import ALIGNMENT, SharedArrays, read


@pytest.fixture
def shared():
    """Room for a thousand bytes."""
    arrays = SharedArrays(1000)
    yield arrays
    arrays.close()


def test_shared_arrays_are_read_as_copies(shared):
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.array([[7]], np.uint8)]
    spans = [shared.keep(array) for array in arrays]
    for array, span in zip(arrays, spans, strict=True):
        copy = read(span)
        assert (copy.dtype, copy.tolist()) == (array.dtype, array.tolist())
        copy[:] = 0
        assert read(span).tolist() == array.tolist()
        assert span.start % ALIGNMENT == 0


def test_shared_arrays_respect_their_bound(shared):
    assert shared.room == 1000
    assert shared.keep(np.zeros(1001, np.uint8)) is None
    assert shared.keep(np.zeros(900, np.uint8))
    assert shared.room < 100
    assert shared.keep(np.zeros(100, np.uint8)) is None
    assert shared.keep(np.zeros(10, np.uint8))


def test_shared_arrays_use_several_segments_up_to_their_bound(monkeypatch):
    monkeypatch.setattr(shared_memory, "SEGMENT", 4096)
    arrays = SharedArrays(10_000)
    spans = [arrays.keep(np.full(2000, number, np.uint8)) for number in range(5)]
    assert len({span.segment for span in spans if span}) == 2
    assert [read(span)[0] for span in spans if span] == [0, 1, 2, 3]
    assert spans[4] is None
    arrays.close()


def test_shared_arrays_say_when_the_system_has_no_more_memory(shared, monkeypatch, caplog):
    monkeypatch.setattr(shared_memory, "_new_segment", lambda size: None)
    assert shared.keep(np.zeros(10, np.uint8)) is None
    assert shared.room == 0
    assert "the cache is full sooner" in caplog.text


def test_shared_arrays_give_their_memory_back(shared):
    span = shared.keep(np.zeros(10, np.uint8))
    shared.close()
    with pytest.raises(FileNotFoundError):
        read(span)
    assert shared.keep(np.zeros(10, np.uint8)) is None
    forgotten = SharedArrays(1000)
    span = forgotten.keep(np.zeros(10, np.uint8))
    del forgotten
    with pytest.raises(FileNotFoundError):
        read(span)
