"""Arrays that several processes read without copies of their own."""

from __future__ import annotations

import logging
import mmap
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from typing import NamedTuple

import numpy as np

from .workers import when_gone

logger = logging.getLogger(__name__)

SEGMENT = 32_000_000  # bytes of a piece of shared memory, unless less is left
ALIGNMENT = 64  # bytes
OPEN_FILES = "/proc/{}/fd/"  # of a process, on Linux


class Span(NamedTuple):
    """Where in shared memory an array lies."""

    segment: str
    start: int
    shape: tuple[int, ...]
    dtype: np.dtype


class MemoryFile:
    """Memory that is an open file, mapped, in the manner of `SharedMemory`; owns the descriptor."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.buf = mmap.mmap(descriptor, 0)

    def unlink(self) -> None:
        """Let go of the file, so that no other process finds it any more."""
        os.close(self.descriptor)

    def close(self) -> None:
        """Let go of the memory."""
        self.buf.close()


_segments: dict[str, SharedMemory | MemoryFile] = {}  # those that this process has made or looked into


class SharedArrays:
    """Arrays in shared memory, up to a limit in bytes. Only the process that made it adds, one thread at a time.

    The memory is given back by :meth:`close`, when the object is collected, when the interpreter ends, and when the
    process is killed: by Linux, elsewhere by Python's resource tracker.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._names: list[str] = []  # of the segments, the last of which is being filled
        self._start, self._end = 0, 0  # of the free part of it
        when_gone(self, _release, self._names)

    @property
    def room(self) -> int:
        """Bytes of the largest array that still fits."""
        return max(self._end - self._start, self._left)

    def keep(self, array: np.ndarray) -> Span | None:
        """Copy an array to shared memory; None if there is no room for it."""
        if array.nbytes > self._end - self._start and not self._add_segment(array.nbytes):
            return None
        span = Span(self._names[-1], self._start, array.shape, array.dtype)
        _array(span)[...] = array
        self._start += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        return span

    def _add_segment(self, needed: int) -> bool:
        size = min(self._left, max(SEGMENT, needed))
        if size < needed:
            return False
        name = _new_segment(size)
        if name is None:
            self._left = 0
            logger.warning("no more shared memory is to be had: the cache is full sooner than cache_mb says")
            return False
        self._names.append(name)
        self._left -= size
        self._start, self._end = 0, size
        return True

    def close(self) -> None:
        """Give the memory back; nothing can be kept any more."""
        self._left = self._start = self._end = 0
        _release(self._names)


def _new_segment(size: int) -> str | None:
    """Name of a new piece of shared memory; None if the system has too little left."""
    try:
        if hasattr(os, "memfd_create"):
            return _new_memory_file(size)
        with _untracked("unregister"):  # where this fails, Python gives back a segment that is not registered yet
            segment = SharedMemory(create=True, size=size)
    except OSError:
        return None
    _segments[segment.name] = segment
    return segment.name


def _new_memory_file(size: int) -> str:
    """As :func:`_new_segment` on Linux: an unnamed file, which is gone with its last process, however that ends.

    Other processes find it among the open files of this one.
    """
    descriptor = os.memfd_create("cache")
    try:
        os.posix_fallocate(descriptor, 0, size)  # writing to memory that is only promised may kill the process
        memory = MemoryFile(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    name = f"{OPEN_FILES.format(os.getpid())}{descriptor}"
    _segments[name] = memory
    return name


def _release(names: list[str]) -> None:
    while names:
        segment = _segments.pop(names.pop())
        segment.unlink()
        with suppress(BufferError):  # still being read; it goes with its last reader
            segment.close()


def _attach(name: str) -> SharedMemory | MemoryFile:
    """A piece of memory of another process, which alone is to clean it up."""
    if name.startswith("/proc/"):
        return MemoryFile(os.open(name, os.O_RDWR))
    if sys.version_info >= (3, 13):
        return SharedMemory(name, track=False)
    with _untracked("register"):
        return SharedMemory(name)


@contextmanager
def _untracked(what: str) -> Iterator[None]:
    """Keep Python's resource tracker out: it is told nothing of what is registered, or unregistered, meanwhile."""
    function = getattr(resource_tracker, what)
    setattr(resource_tracker, what, lambda *names: None)
    try:
        yield
    finally:
        setattr(resource_tracker, what, function)


def _array(span: Span) -> np.ndarray:
    if span.segment not in _segments:
        _segments[span.segment] = _attach(span.segment)
    return np.ndarray(span.shape, span.dtype, _segments[span.segment].buf, span.start)


def read(span: Span) -> np.ndarray:
    """A copy of an array in shared memory, in any process."""
    return _array(span).copy()
