"""What came of loading: which samples failed, and where the time went."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ..datasets import Skipped
from ..utils.errors import InputError
from .loader import STAGES


def as_skipped(sample: Sequence, reason: str) -> Skipped:
    """A sample that failed, and the reason without the sample's own name."""
    return Skipped(str(sample[0]), reason.removeprefix(f"{sample[0]}: "))


class LoadingRecord:
    """The record of one provider, whose batches several threads may ask for."""

    def __init__(self) -> None:
        self.dropped: list[Skipped] = []  # each sample once
        self.failure: InputError | None = None  # that ended the iteration
        self._dropped_samples: set[tuple[str, str]] = set()
        self._lock = threading.Lock()
        self.reset_timings()

    @property
    def timings(self) -> dict[str, float]:
        """Seconds of each stage, seconds waited and idle, and lines loaded, since :meth:`reset_timings`."""
        with self._lock:
            return dict(self._timings)

    def reset_timings(self) -> None:
        """Start all timings at 0."""
        self._timings = {**dict.fromkeys((*STAGES, "waited", "idle"), 0.0), "lines": 0}

    def add(self, **amounts: float) -> None:
        """Add to the timings of these names."""
        with self._lock:
            for name, amount in amounts.items():
                self._timings[name] += amount

    def drop(self, sample: Sequence, reason: str) -> Skipped | None:
        """Note a sample that failed; None if it has been noted before."""
        name = (str(sample[0]), str(sample[1]))
        with self._lock:
            if name in self._dropped_samples:
                return None
            self._dropped_samples.add(name)
            self.dropped.append(as_skipped(sample, reason))
            return self.dropped[-1]

    @contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Keep an `InputError` that ends this block as `failure`."""
        try:
            yield
        except InputError as error:
            self.failure = error
            raise
