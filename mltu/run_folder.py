"""The folder of a run: who may write to it, and what it keeps of how the run was made."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .utils.errors import InputError
from .utils.files import LOCK, write_whole
from .utils.machine import processor_field

RECORD = "run.json"


@contextmanager
def reserved(folder: str | Path) -> Iterator[None]:
    """Keep other runs out of a folder. The lock is the system's, so it ends with the process, however that ends.

    Raises:
        InputError: another run is at work there.
    """
    lock = FileLock(Path(folder) / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(f"{folder}: another run is at work there; choose another --model_path") from None
    try:
        yield
    finally:
        lock.release()


def add_record(folder: str | Path, project: str | Path, **more: Any) -> None:
    """Add to `run.json` how a run, or a part of it after a stop, was started.

    Each entry has the time, the command line, Python and system, the versions of all packages, and the
    project's git commit with whether files differ from it.

    Args:
        folder: of the run.
        project: folder of the project.
        more: further values to keep, as JSON has them.
    """
    path = Path(folder) / RECORD
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    entries.append(
        {
            "started": datetime.now().astimezone().isoformat(timespec="seconds"),
            "command": [sys.executable, *sys.argv],
            "folder": os.getcwd(),
            "python": platform.python_version(),
            "system": platform.platform(),
            "processor": processor_field("model name") or platform.processor(),
            "cores": os.cpu_count(),
            **more,
            "git": git_state(project),
            "packages": {one.name: one.version for one in importlib.metadata.distributions()},
        }
    )
    write_whole(path, (json.dumps(entries, indent=2) + "\n").encode())


def git_state(project: str | Path) -> Mapping[str, Any] | None:
    """The commit of a project, and whether its files differ from it; None without git or a repository."""

    def git(*args: str) -> str:
        return subprocess.run(
            ["git", "-C", str(project), *args], capture_output=True, text=True, check=True, timeout=30
        ).stdout.strip()

    try:
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None
