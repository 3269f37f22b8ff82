"""Progress of long work."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TextIO

from tqdm import tqdm


class ProgressBar(tqdm):
    """A progress bar on a terminal; elsewhere, as in a log file, a line now and then, and none for short work.

    Args:
        args: as for `tqdm`.
        log_seconds: between two lines outside a terminal, and before the first.
        options: as for `tqdm`.
    """

    def __init__(self, *args: Any, log_seconds: float = 30.0, **options: Any) -> None:
        if not _is_terminal(options.get("file") or sys.stderr):
            options |= {"mininterval": log_seconds, "maxinterval": log_seconds, "delay": log_seconds, "ncols": 0}
        super().__init__(*args, **options)

    @staticmethod
    def status_printer(file: TextIO) -> Callable[[str], None]:
        """How the present state is written: over the last one on a terminal, else on a line of its own."""
        if _is_terminal(file):
            return tqdm.status_printer(file)
        before = ""

        def print_line(state: str) -> None:
            nonlocal before
            file.write(before + state)  # tqdm ends the last line itself
            file.flush()
            before = "\n"

        return print_line


def _is_terminal(file: TextIO) -> bool:
    return getattr(file, "isatty", lambda: False)()
