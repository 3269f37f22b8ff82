"""The process that watches: it starts the one that reads, anew when an input has ended it."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .child import Result, serve
from .inputs.base import Input, Target

STUCK = 120.0  # seconds after which an input that does not compute is given up


class Reader:
    """The process that reads, started anew when an input has ended it."""

    def __init__(self, targets: Mapping[str, Target], box: Path, limit: float) -> None:
        self.targets = targets
        self.box = box
        self.limit = limit
        self.context = multiprocessing.get_context("spawn")  # a process that has inherited nothing
        self.process: Any = None
        self.connection: Any = None

    def read(self, name: str, item: Input) -> Result:
        """Have an input read by the target of that name."""
        if self.process is None:
            self._start()
        try:
            self.connection.send((name, item))
            problem = self._wait()
            if not problem:
                result = self.connection.recv()
                too_much = [f"took {result.memory:.0f} MB"] if result.memory > self.limit else []
                return result._replace(problems=result.problems + too_much)
        except (EOFError, OSError):
            self.process.join()
            problem = f"the process ended with code {self.process.exitcode}"
        self.stop()
        return Result("", [problem])

    def _start(self) -> None:
        self.connection, other = self.context.Pipe()
        self.process = self.context.Process(target=serve, args=(other, self.targets, self.box), daemon=True)
        self.process.start()
        other.close()
        self.connection.recv()

    def _wait(self) -> str:
        """Wait for an answer; the finding if there is none."""
        statm = Path(f"/proc/{self.process.pid}/statm")
        start, most = time.monotonic(), self.limit * 1.5 + 1000  # the imports are some 300 MB
        while not self.connection.poll(0.05):
            if int(statm.read_text().split()[1]) * resource.getpagesize() > most * 2**20:
                return f"took more than {most:.0f} MB"
            if time.monotonic() - start > STUCK:
                return f"did nothing for {STUCK:.0f} seconds"
        return ""

    def stop(self) -> None:
        """End the process; one that waits for an input ends by itself."""
        if self.process is not None:
            self.connection.close()
            self.process.join(1)
            self.process.kill()
            self.process.join()
            self.process = None
