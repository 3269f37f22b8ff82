"""The folder of a run: its files, who may write to it, and what it keeps of how the run was made."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .configs import BaseModelConfigs
from .datasets.base import Sample, Skipped, write_skipped
from .inferenceModel import INT8
from .utils.errors import InputError
from .utils.files import write_atomic
from .utils.machine import processor_field

LOCK = ".run.lock"  # not that of files.one_at_a_time, which a reader of data may need in the same folder


class RunFolder:
    """All files of a run as attributes, and who may write them; :meth:`opened` makes the folder."""

    STATE_KEYS = frozenset("data weights batches seconds epochs counters seeds metrics swapped".split())

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        # Output files of a run; a folder that has any of these holds a run.
        self.configs = self.path / "configs.yaml"
        self.record = self.path / "run.json"
        self.train, self.val, self.test = (self.path / f"{part}.csv" for part in ("train", "val", "test"))
        self.skipped = self.path / "skipped.csv"
        self.bad_batch = self.path / "bad_batch.csv"
        self.epochs = self.path / "training.csv"
        self.timing = self.path / "timing.csv"
        self.curves = self.path / "curves.png"
        self.log = self.path / "logs.log"
        self.readings = self.path / "readings.txt"
        self.network = self.path / "network.txt"
        self.results = self.path / "results.json"
        self.weights = self.path / "model.keras"
        self.onnx = self.path / "model.onnx"
        self.failed_onnx = self.path / "model.failed.onnx"
        self.int8 = self.path / INT8
        self.products = [file for file in vars(self).values() if file != self.path]  # all so far
        # Output files of sanity checks, and what runs keep for themselves.
        self.samples = self.path / "samples.png"
        self.sweep_table, self.sweep_picture = self.path / "find_lr.csv", self.path / "find_lr.png"
        self.tensorboard = self.path / "logs"
        self.state = self.path / "state"
        self.state_table = self.state / "state.json"

    @contextmanager
    def opened(self, resume: bool = False, overwrite: bool = False, writes: bool = True) -> Iterator[dict[str, Any]]:
        """Reserve the folder, and make it if it is not there; removed again if nothing is written.

        The lock is the system's, so it ends with the process, however that ends. Where another worker writes, or
        nobody, the folder is neither made nor reserved. To overwrite is to let :meth:`begin` replace an earlier run.

        Yields:
            The saved state of a run that is resumed, besides its weights; else it is empty.

        Raises:
            InputError: another run is using the folder, or it holds an earlier run, none to be resumed, or cannot
                be written.
        """
        if not writes:
            yield self.read_state() if resume else {}
            return
        made: list[Path] = []  # the folders that were not there before, the innermost first
        if resume:
            self._check_state()  # before a lock is left in the folder
        else:
            self._check(overwrite)
            made = [path for path in (self.path, *self.path.parents) if not path.exists()]
            self.path.mkdir(parents=True, exist_ok=True)
        try:
            with reserved(self.path):
                if not resume:
                    self._check(overwrite)  # another run may have come first
                yield self.read_state() if resume else {}
        finally:
            with suppress(OSError):  # where something is in a folder, it stays
                if made and os.listdir(self.path) == [LOCK]:
                    (self.path / LOCK).unlink()
                for path in made:
                    path.rmdir()

    def _check(self, overwrite: bool) -> None:
        if not overwrite and any(path.exists() for path in (*self.products, self.tensorboard, self.state)):
            raise InputError(f"{self.path}: holds an earlier run; choose another --model_path, or add --overwrite")
        there = next(path for path in (self.path, *self.path.absolute().parents) if path.exists())
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise InputError(f"{self.path}: cannot be used for a run; {there} is not a folder that can be written")

    def read_state(self) -> dict[str, Any]:
        """The saved state besides the weights; empty if none was saved yet, InputError if it cannot be read."""
        path = self.state_table
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(state, dict) or self.STATE_KEYS - state.keys() or type(state["counters"]) is not dict:
                raise ValueError("it is not one, or of another version")
            return state
        except FileNotFoundError:
            self._check_state()
            print(f"{self.path}: stopped before anything was saved; training starts from the beginning")
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path}: the state of the run cannot be read ({error}); start it again") from None

    def _check_state(self) -> None:
        """Refuse to train a run anew that has ended, or weights that are not of a run here."""
        ended = self.results.exists() or not self.train.exists()
        if self.weights.exists() and ended and not self.state_table.exists():
            raise InputError(
                f"{self.path}: has no state to go on from; start another run from its weights with --init_from"
            )

    def check_lines(self, saved: Mapping[str, Any], samples: Sequence[Sample]) -> None:
        """Raise InputError if a resumed run would not go on with the training lines that it began with."""
        if saved["data"] != lines_digest(samples):
            raise InputError(
                f"{self.state}: the training lines are no longer those that the run began with; bring them back, or "
                "start another run from its weights with --init_from"
            )

    def begin(
        self,
        configs: BaseModelConfigs,
        providers: Mapping[str, Any],
        skipped: Sequence[Skipped],
        clear: bool,
        **about: Any,
    ) -> None:
        """Write settings, lists, and a record `about` the run; clear: remove the files of an earlier run first."""
        if clear:
            for path in self.products:
                path.unlink(missing_ok=True)
            for path in (self.tensorboard, self.state):
                shutil.rmtree(path, ignore_errors=True)
        configs.save()
        self.add_record(**about)
        self.write_lists(providers, skipped)

    def write_lists(self, providers: Mapping[str, Any], skipped: Sequence[Skipped]) -> None:
        """Write the samples of each provider ("train", "val", "test") and the skipped entries, as tables."""
        for part, provider in providers.items():
            provider.to_csv(self.path / f"{part}.csv")
        write_skipped(self.skipped, skipped)

    def write_results(self, results: Mapping[str, Any]) -> None:
        """Write the values of the whole run as JSON."""
        write_atomic(self.results, (json.dumps(results, indent=2) + "\n").encode())

    def add_record(self, project: str | Path, **about: Any) -> None:
        """Add to `run.json` how the run, or its part after a stop, was started.

        Each entry has the time, the command line, Python and system, the versions of all packages, the git commit of
        the project in that folder with whether files differ from it, and further values.
        """
        entries = json.loads(self.record.read_text(encoding="utf-8")) if self.record.exists() else []
        entries.append(
            {
                "started": datetime.now().astimezone().isoformat(timespec="seconds"),
                "command": [sys.executable, *sys.argv],
                "folder": os.getcwd(),
                "python": platform.python_version(),
                "system": platform.platform(),
                "processor": processor_field("model name") or platform.processor(),
                "cores": os.cpu_count(),
                **about,
                "git": git_state(project),
                "packages": {package.name: package.version for package in importlib.metadata.distributions()},
            }
        )
        write_atomic(self.record, (json.dumps(entries, indent=2) + "\n").encode())


def lines_digest(samples: Sequence[Sample]) -> str:
    """Digest of the names of images and the texts of samples, wherever their folder is."""
    lines = "\n".join(f"{Path(sample.image).name}\t{sample.text}" for sample in samples)
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; InputError if another run is using it."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        raise InputError(f"{folder}: another run is using this folder; choose another --model_path") from None
    try:
        yield
    finally:
        lock.release()


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
