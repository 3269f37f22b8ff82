import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.utils.parallel import map_ahead


@pytest.fixture
def pool():
    with ThreadPoolExecutor(3) as pool:
        yield pool


@given(count=st.integers(0, 30), ahead=st.integers(1, 40), threads=st.integers(1, 4))
def test_results_come_in_order(count, ahead, threads):
    with ThreadPoolExecutor(threads) as pool:
        assert list(map_ahead(pool, lambda x: x * x, iter(range(count)), ahead)) == [x * x for x in range(count)]


def test_order_does_not_depend_on_which_is_done_first(pool):
    second_done = threading.Event()

    def slow_first(number):
        if number == 0:
            assert second_done.wait(60)
        if number == 1:
            second_done.set()
        return number

    assert list(map_ahead(pool, slow_first, range(5), 3)) == list(range(5))


def test_items_are_taken_as_results_are_asked_for(pool):
    taken = []

    def endless():
        for number in count():
            taken.append(number)
            yield number

    results = map_ahead(pool, lambda x: -x, endless(), 4)
    assert taken == []
    for asked in range(1, 20):
        assert next(results) == 1 - asked
        assert len(taken) == asked + 4
    results.close()
    assert len(taken) == 23


def test_several_are_worked_on_at_once(pool):
    meeting = threading.Barrier(3)

    def meet(number):
        meeting.wait(60)  # each waits for two others
        return number

    assert list(map_ahead(pool, meet, range(6), 6)) == list(range(6))


def test_what_has_not_begun_is_dropped_when_the_caller_stops():
    begun, go_on = [], threading.Event()

    def work(number):
        begun.append(number)
        if number:
            assert go_on.wait(60)
        return number

    with ThreadPoolExecutor(1) as pool:
        results = map_ahead(pool, work, range(100), 10)
        assert list(islice(results, 1)) == [0]
        results.close()
        go_on.set()
    assert begun in ([0], [0, 1])


def test_errors_come_where_their_result_would_and_end_the_work():
    begun, go_on = [], threading.Event()

    def work(number):
        begun.append(number)
        if number == 2:
            raise ValueError("the third")
        if number > 2:
            assert go_on.wait(60)
        return number

    with ThreadPoolExecutor(1) as pool:
        results = map_ahead(pool, work, range(100), 10)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="the third"):
            next(results)
        go_on.set()
    assert max(begun) <= 3
