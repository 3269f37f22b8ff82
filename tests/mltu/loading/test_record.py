from concurrent.futures import ThreadPoolExecutor

import pytest

from mltu.datasets import Sample, Skipped
from mltu.loading.record import LoadingRecord, as_skipped
from mltu.utils.errors import InputError


def test_as_skipped_names_a_sample_once():
    assert as_skipped(Sample("a.png", "x"), "a.png: no such file") == Skipped("a.png", "no such file")
    assert as_skipped(("a.png", "x"), "too long") == Skipped("a.png", "too long")


def test_record_adds_timings_of_several_threads_and_starts_again():
    record = LoadingRecord()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: record.add(read=0.5, lines=2), range(100)))
    assert record.timings["read"] == 50
    assert record.timings["lines"] == 200
    assert record.timings["waited"] == 0
    record.reset_timings()
    assert set(record.timings.values()) == {0}


def test_record_drops_a_sample_once():
    record = LoadingRecord()
    assert record.drop(("a.png", "x"), "a.png: too small") == Skipped("a.png", "too small")
    assert record.drop(("a.png", "x"), "a.png: too small") is None
    record.drop(("a.png", "y"), "too long")  # the same image under another text is another sample
    assert record.dropped == [Skipped("a.png", "too small"), Skipped("a.png", "too long")]


def test_record_keeps_the_failure_that_ends_a_block():
    record = LoadingRecord()
    with pytest.raises(InputError) as caught, record.noting_failure():
        raise InputError("nothing left")
    assert record.failure is caught.value
