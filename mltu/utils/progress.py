"""Progress of long work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm


class ProgressBar(tqdm):
    """A progress bar on a terminal; elsewhere, as in log files, a line every `log_seconds`, and none for short work."""

    def __init__(self, *args: Any, log_seconds: float = 30.0, **options: Any) -> None:
        self._logs = not _is_terminal(options.get("file") or sys.stderr)
        if self._logs:
            options |= {"mininterval": log_seconds, "maxinterval": log_seconds, "delay": log_seconds, "ncols": 0}
        super().__init__(*args, **options)

    @staticmethod
    def status_printer(file: TextIO) -> Callable[[str], None]:
        """How the present state is written: over the last one on a terminal, else on a line of its own."""
        if _is_terminal(file):
            return tqdm.status_printer(file)

        def print_line(state: str) -> None:
            file.write(state + "\n")
            file.flush()

        return print_line

    def clear(self, nolock: bool = False) -> None:
        """Make room for a message; in a log file there is nothing to clear."""
        if not self._logs:
            super().clear(nolock)

    def refresh(self, nolock: bool = False, lock_args: tuple | None = None) -> bool | None:
        """Write the present state; in a log file not after each message, which is when tqdm has the lock already."""
        return None if self._logs and nolock else super().refresh(nolock, lock_args)

    def close(self) -> None:
        """Write the last state."""
        if self._logs and not self.disable:
            if self.last_print_t >= self.start_t + self.delay:
                self.display()
            self.sp = None  # so that tqdm does not write it again
        super().close()


def _is_terminal(file: TextIO) -> bool:
    return getattr(file, "isatty", lambda: False)()
