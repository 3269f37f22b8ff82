from concurrent.futures import ThreadPoolExecutor

from mltu.datasets import Skipped
from mltu.loading.record import LoadingRecord


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
