"""The process that reads: an input is read here, and everything that the reader does is watched."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
import sys
import time
import traceback
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from mltu.inputs import RENDER_PDF
from mltu.utils.errors import LINE_BREAKS, MAX_MESSAGE, InputError

from .inputs.base import SECRET, Input, Target
from .inputs.images import image_file

ROOT = Path(__file__).resolve().parent.parent
MAX_SECONDS = 20.0  # of computing for an input; more counts as a hang
FORBIDDEN = re.compile(
    r"subprocess|os\.(system|exec|posix_spawn|fork)|pty|socket\.|urllib|pickle\.find_class|ctypes\.dl"
)
READABLE = tuple(map(os.path.realpath, (sys.prefix, sys.base_prefix, ROOT, "/proc", "/dev/null")))
IN_OPEN = 0x20  # of inotify
SECRET_ENDINGS = (".png", ".bin", ".csv", ".txt", ".xml", ".yaml")


class Result(NamedTuple):
    """The result of an input."""

    outcome: str  # accepted or refused, or empty after a finding
    problems: list[str]  # the findings
    memory: float = 0.0  # megabytes at most, above what the process had before
    reason: str = ""  # why it was refused


class Watch:
    """Notes what a reader does to the system, as far as Python knows, and to the secrets, as the system knows."""

    def __init__(self, secrets: Sequence[Path]) -> None:
        self.active = False
        self.dataset = ""
        self.seen: list[str] = []
        self.libc = ctypes.CDLL(None)
        self.inotify = self.libc.inotify_init1(os.O_NONBLOCK)
        for path in secrets:
            self.libc.inotify_add_watch(self.inotify, os.fsencode(path), IN_OPEN)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, args: tuple) -> None:
        if not self.active:
            return
        if event == "open" and not isinstance(args[0], int):
            path = Path(os.path.realpath(os.fsdecode(args[0])))
            if not any(path.is_relative_to(folder) for folder in (self.dataset, *READABLE)):
                self.seen.append(f"opened {path}")
        elif event == "exec" and re.match("<(?!frozen)", args[0].co_filename):
            # by typing: the annotations of our own classes, which are texts
            if sys._getframe(1).f_code.co_filename != typing.__file__:
                self.seen.append(f"executed code of {args[0].co_filename}")
        elif FORBIDDEN.match(event) and str(RENDER_PDF) not in str(args):
            self.seen.append(f"{event} {args!r:.200}")

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        """Gives a list that in the end holds the notes; only files in the current folder may be opened."""
        self.seen = []
        self.dataset = os.path.realpath(".")
        self.active = True
        try:
            yield self.seen
        finally:
            self.active = False
            with suppress(BlockingIOError):  # nothing happened to the secrets
                os.read(self.inotify, 4096)
                self.seen.append("opened a file beside the dataset")


def memory(name: str) -> float:
    """A line of the kernel's account of this process (VmRSS, or VmHWM: its highest), in megabytes."""
    return int(re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[1]) / 1024


def children_memory() -> float:
    """The most that one of the processes started so far had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def complaints(messages: Sequence[str]) -> list[str]:
    """What is wrong with messages for a person."""
    broken = [f"a message of more than one line: {text!r:.200}" for text in messages if LINE_BREAKS.search(text)]
    return broken + [f"a message of {len(text)} characters" for text in messages if len(text) > MAX_MESSAGE]


def place_of(error: BaseException) -> str:
    """File and line that raised it."""
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return f"{Path(frame.f_code.co_filename).name}:{line}"


class Reading:
    """A reader in its dataset, which is a folder of its own."""

    def __init__(self, target: Target, folder: Path, watch: Watch) -> None:
        self.target = target
        self.watch = watch
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.base = 0.0
        for item in target.seeds():  # late imports happen now
            self.read(item)
        self.watch.libc.malloc_trim(0)
        self.base = memory("VmRSS")

    def read(self, item: Input) -> Result:
        """Read an input and watch."""
        os.chdir(self.folder)
        for file in (*self.target.companions(), item):
            Path(file.name).parent.mkdir(parents=True, exist_ok=True)
            Path(file.name).write_bytes(file.content)
        self.watch.libc.malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # from here on VmHWM counts anew
        children, start = children_memory(), time.process_time()
        with self.watch.watching() as seen:
            outcome, problems, reason = self.outcome(Path(item.name))
        seconds, grown = time.process_time() - start, children_memory()
        if seconds > MAX_SECONDS:
            problems.append(f"took {seconds:.0f} seconds")
        Path(item.name).unlink(missing_ok=True)
        used = memory("VmHWM") - self.base + (grown if grown > children else 0)
        return Result(outcome, [*problems, *dict.fromkeys(seen)], used, reason)

    def outcome(self, path: Path) -> tuple[str, list[str], str]:
        """(accepted, refused or nothing; findings; why it was refused)"""
        try:
            return "accepted", complaints(list(self.target.read(path) or ())), ""
        except InputError as error:
            return "refused", complaints([str(error)]), str(error)
        except BaseException as error:  # any other error is a finding
            return "", [f"{type(error).__name__} at {place_of(error)}: {str(error)!r:.300}"], ""


def serve(connection: Connection, targets: Mapping[str, Target], box: Path) -> None:
    """Read each (name of the target, input) that comes through the connection, and send back its result."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for stream in (1, 2):  # progress bars of readers
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    watch = Watch(write_secrets(box))
    readings: dict[str, Reading] = {}
    connection.send("ready")
    with suppress(EOFError):
        while True:
            name, item = connection.recv()
            if name not in readings:
                readings[name] = Reading(targets[name], box / name, watch)
            connection.send(readings[name].read(item))


def write_secrets(box: Path) -> list[Path]:
    """Files beside the datasets that every format could read; returns their paths."""
    content = {".png": image_file("L.png"), ".bin": bytes(1152), ".csv": b"secret.png,secret\n"}
    paths = [(box / "dataset" / SECRET).resolve().with_suffix(ending) for ending in SECRET_ENDINGS]
    for path in paths:
        path.write_bytes(content.get(path.suffix, b"secret"))
    return paths
