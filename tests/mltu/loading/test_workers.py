import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.loading.workers import WorkerProcesses, map_ahead
from mltu.utils.errors import InputError

# --- looking ahead --------------------------------------------------------------------------


@pytest.fixture
def pool():
    with ThreadPoolExecutor(3) as pool:
        yield pool


@given(count=st.integers(0, 30), ahead=st.integers(1, 40), threads=st.integers(1, 4))
def test_map_ahead_gives_results_in_order(count, ahead, threads):
    with ThreadPoolExecutor(threads) as pool:
        assert list(map_ahead(pool, lambda x: x * x, iter(range(count)), ahead)) == [x * x for x in range(count)]


def test_map_ahead_keeps_the_order_whichever_is_done_first(pool):
    second_done = threading.Event()

    def slow_first(number):
        if number == 0:
            assert second_done.wait(60)
        if number == 1:
            second_done.set()
        return number

    assert list(map_ahead(pool, slow_first, range(5), 3)) == list(range(5))


def test_map_ahead_takes_items_as_results_are_asked_for(pool):
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


@pytest.mark.parametrize("fails", [False, True])
def test_map_ahead_begins_nothing_more_when_the_caller_stops_or_work_fails(fails):
    begun, go_on = [], threading.Event()

    def work(number):
        begun.append(number)
        if fails and number == 2:
            raise ValueError("the third")
        assert number < 3 or go_on.wait(60)
        return number

    with ThreadPoolExecutor(1) as pool:
        results = map_ahead(pool, work, range(100), 10)
        assert [next(results), next(results)] == [0, 1]
        if fails:
            with pytest.raises(ValueError, match="the third"):
                next(results)
        else:
            results.close()
        go_on.set()
    assert max(begun) <= 3


# --- worker processes -----------------------------------------------------------------------


@pytest.fixture
def processes():
    processes = WorkerProcesses(1)
    yield processes
    processes.close()


PID = "__import__('os').getpid()"


def test_worker_processes_compute_elsewhere_and_ignore_ctrl_c(processes):
    evaluate = processes.calling(eval)
    pid = evaluate(PID)
    assert pid != os.getpid()
    if hasattr(os, "killpg"):
        os.kill(pid, signal.SIGINT)  # as a terminal's Ctrl-C might
    assert evaluate(PID) == pid
    assert processes.calling(len)("four") == 4
    processes.close()
    assert evaluate(PID) not in (pid, os.getpid())


def test_worker_processes_pass_errors_on_and_answer_although_they_print(processes):
    assert processes.calling(eval)("print('noise', flush=True) or 7") == 7
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        processes.calling(eval)("1 / 0")
    refusal = "(_ for _ in ()).throw(__import__('mltu.utils.errors').utils.errors.InputError('a.png: too small'))"
    with pytest.raises(InputError, match=r"^a\.png: too small$"):
        processes.calling(eval)(refusal)
    with pytest.raises(InputError, match="use_multiprocessing=False"):
        processes.calling(lambda value: value)


def test_worker_processes_that_die_are_one_line_and_replaced(processes):
    evaluate = processes.calling(eval)
    with pytest.raises(InputError, match=r"ended without an answer \(exit code 3;.*memory.*fewer workers") as caught:
        evaluate("__import__('os')._exit(3)")
    assert "\n" not in str(caught.value)
    assert evaluate("6 * 7") == 42
