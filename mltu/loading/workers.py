"""Working ahead: a pool of threads that stays a few items ahead, and processes that compute instead of threads."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import traceback
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from itertools import islice
from queue import LifoQueue
from typing import Any, TypeVar

import cv2

from ..utils.errors import InputError

Item = TypeVar("Item")
Result = TypeVar("Result")

THREADS = "threads (--load_in_processes no, use_multiprocessing=False)"
REMEDY = f"use fewer workers, a lower batch_size or cache_mb, or {THREADS}"


def map_ahead(
    pool: Executor, function: Callable[[Item], Result], items: Iterable[Item], ahead: int
) -> Iterator[Result]:
    """Results in order, computed by a pool at most `ahead` items before they are asked for.

    So however many items there are, few results are held. Work that has not begun is dropped when the caller stops.
    """
    rest = iter(items)
    waiting = deque(pool.submit(function, item) for item in islice(rest, ahead))
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(pool.submit(function, item) for item in islice(rest, 1))
            yield result
    finally:
        for future in waiting:
            future.cancel()


def when_gone(owner: object, function: Callable, *args: Any) -> None:
    """Call a function when an object is collected or the interpreter ends, but not in a fork, which owns nothing."""
    process = os.getpid()
    weakref.finalize(owner, lambda: function(*args) if os.getpid() == process else None)


class WorkerProcesses:
    """Processes that compute functions; each starts when it is first needed and lives until :meth:`close`.

    They are fresh interpreters, which import what a function needs but not the script that runs, so neither its
    threads nor its TensorFlow come along. They ignore Ctrl-C, and end when this process does, however it
    ends, because the pipes to them end then.
    """

    def __init__(self, count: int) -> None:
        self._workers = [_Worker() for _ in range(count)]
        self._free: LifoQueue[_Worker] = LifoQueue()  # those that have started are taken first
        for worker in self._workers:
            self._free.put(worker)
        when_gone(self, _stop, self._workers)

    def calling(self, function: Callable[[Item], Result]) -> Callable[[Item], Result]:
        """The function, but computed in one of the processes; may be called in several threads at once.

        An `InputError` raised there, or if the function cannot be sent there, is raised here; any other error comes as
        a `RuntimeError` with the traceback.
        """
        return partial(self._call, _pickled(function))

    def _call(self, function: bytes, argument: Any) -> Any:
        worker = self._free.get()
        try:
            return worker.ask(function, argument)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """End the processes; a later call starts them anew."""
        _stop(self._workers)


def _pickled(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except (pickle.PicklingError, AttributeError, TypeError, ValueError) as error:  # pickle raises all of these
        raise _not_sent(error) from None


def _not_sent(reason: object) -> InputError:
    return InputError(
        f"what loads the data cannot be sent to worker processes ({reason}); use functions and classes that stand at "
        f"the top level of a module of their own, or {THREADS}"
    )


def _stop(workers: Sequence[_Worker]) -> None:
    for worker in workers:
        worker.stop()


class _Worker:
    """One process, and this side of the pipes to it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen | None = None
        self._function: bytes | None = None  # the last that the process was sent

    def _start(self) -> subprocess.Popen:
        code = f"import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from {__name__} import serve; serve()"
        # a group of its own, to which a terminal sends no Ctrl-C
        windows = sys.platform == "win32"
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP} if windows else {"start_new_session": True}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        try:
            self._process = subprocess.Popen([sys.executable, "-c", code], **pipes, **group)
        except OSError as error:
            raise InputError(f"no process to load data can be started ({error}); {REMEDY}") from None
        self._function = None
        return self._process

    def ask(self, function: bytes, argument: Any) -> Any:
        """The result of a pickled function for an argument."""
        question = _pickled(argument)
        running = self._process
        process = running or self._start()
        try:
            if not running:
                pickle.dump(sys.path, process.stdin)
            pickle.dump((None if function == self._function else function, question), process.stdin)
            process.stdin.flush()
            self._function = function
            kind, answer = pickle.load(process.stdout)
        # the pipes ended, or another thread has closed them
        except (EOFError, OSError, ValueError, pickle.UnpicklingError):
            with suppress(subprocess.TimeoutExpired):
                process.wait(1)
            code = process.returncode
            self.stop()
            raise InputError(
                f"a process that loads data ended without an answer (exit code {code}; -9 as a rule means that memory "
                f"ran out); {REMEDY}"
            ) from None
        except BaseException:  # Ctrl-C: the answer to this question must not be taken for that to the next
            self.stop()
            raise
        if kind == "done":
            return answer
        if kind == "not understood":
            raise _not_sent(answer)
        raise InputError(answer) if kind == "wrong input" else RuntimeError(f"in a worker process:\n{answer}")

    def stop(self) -> None:
        """Kill the process; it holds nothing that could be lost."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # the rest of a question may not have been sent
                pipe.close()


def serve() -> None:
    """Be a worker process: answer the questions on standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)  # the processes share the cores
    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a function prints may come between the answers
    function: Callable | None = None
    with suppress(EOFError, BrokenPipeError):
        while True:
            pickled, question = pickle.load(questions)
            try:
                function = pickle.loads(pickled) if pickled else function
                argument = pickle.loads(question)
            except Exception as error:  # a module that cannot be imported here may raise anything
                answer = pickle.dumps(("not understood", f"{type(error).__name__}: {error}"))
            else:
                answer = _answer(function, argument)
            answers.write(answer)
            answers.flush()
    os._exit(0)  # the usual end would print warnings about pipes that have ended


def _answer(function: Callable, argument: Any) -> bytes:
    try:
        return pickle.dumps(("done", function(argument)), protocol=pickle.HIGHEST_PROTOCOL)
    except InputError as error:
        return pickle.dumps(("wrong input", str(error)))
    except Exception:  # the process that asked must hear of any error
        return pickle.dumps(("error", traceback.format_exc()))
