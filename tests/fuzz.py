"""Try hostile files on every reader of the project. Linux only.

    python tests/fuzz.py                                     a minute, divided among all readers
    python tests/fuzz.py --seconds 600 --seed 1 --target images,pages
    python tests/fuzz.py --inputs 100                        so many inputs for each reader, however long it takes
    python tests/fuzz.py --replay FILE --target alto         one input that was found, again

Each input is made from the seed, the reader and its number, and read in a process of its own. A reader may accept it,
or refuse it by an InputError whose message is one line. All else is a finding: another exception, a crash, a file
opened outside the dataset, a program run, code executed, a connection, more memory than `--memory_mb`, or more than
20 seconds of computing. Findings are kept as files, to be replayed.

Exit codes: 0 nothing found, 1 findings, 2 wrong use, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import ctypes
import multiprocessing
import os
import re
import resource
import signal
import sys
import tempfile
import time
import typing
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fuzz_inputs import SECRET, TARGETS, Input, Target, image_file  # noqa: E402

from mltu.configs import ArgumentParser, nearest  # noqa: E402
from mltu.inputs import RENDER_PDF  # noqa: E402
from mltu.utils.errors import LINE_BREAKS, LONGEST, InputError  # noqa: E402

# On top of what the imports take. An image of 64 megapixels with four channels takes 256 MB as Pillow has it and 192 MB
# as the result; decoders hold more at once: OpenJPEG 1,024 MB (32 bits a value) beside those 256 and some 200 of packed
# values, which is 1,500 MB; WebP two canvases and a copy. Pages of PDF files are drawn within 1,536 MB of addresses.
MEMORY_MB = 2000
SLOW = 20.0  # seconds of computing for an input that count as a hang
STUCK = 120.0  # seconds after which an input that does not compute is given up
KEPT = 20  # findings of a reader that are written as files
FORBIDDEN = re.compile(
    r"subprocess|os\.(system|exec|posix_spawn|fork)|pty|socket\.|urllib|pickle\.find_class|ctypes\.dl"
)
READABLE = tuple(map(os.path.realpath, (sys.prefix, sys.base_prefix, ROOT, "/proc", "/dev/null")))
IN_OPEN = 0x20  # of inotify
SECRET_ENDINGS = (".png", ".bin", ".csv", ".txt", ".xml", ".yaml")


HEADER = ("target", "inputs", "refused", "accepted", "findings", "memory")


class Result(NamedTuple):
    """What came of an input."""

    outcome: str  # accepted or refused, or empty after a finding
    problems: list[str]  # what should not have been
    memory: float = 0.0  # megabytes at most, above what the process had before
    said: str = ""  # why it was refused


# --- in the process that reads --------------------------------------------------------------


class Watch:
    """Notes what a reader does to the system, of what Python knows, and of what its libraries do to the secrets.

    Args:
        secrets: files that must not be opened, which the system watches.
    """

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
        """Gives a list that in the end holds what was noted; only files in the current folder may be opened."""
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
    broken = [f"a message of more than one line: {one!r:.200}" for one in messages if LINE_BREAKS.search(one)]
    return broken + [f"a message of {len(one)} characters" for one in messages if len(one) > LONGEST]


def place_of(error: BaseException) -> str:
    """File and line that raised it."""
    last = error.__traceback__
    while last.tb_next:
        last = last.tb_next
    return f"{Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}"


class Reading:
    """A reader in its dataset, which is a folder of its own.

    Args:
        target: what reads.
        folder: is made the current one.
        watch: of this process.
    """

    def __init__(self, target: Target, folder: Path, watch: Watch) -> None:
        self.target = target
        self.watch = watch
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.base = 0.0
        for item in target.seeds():  # what is imported late is imported now
            self.read(item)
        self.watch.libc.malloc_trim(0)
        self.base = memory("VmRSS")

    def read(self, item: Input) -> Result:
        """Read an input and see what happens."""
        os.chdir(self.folder)
        for one in (*self.target.companions(), item):
            Path(one.name).parent.mkdir(parents=True, exist_ok=True)
            Path(one.name).write_bytes(one.content)
        self.watch.libc.malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # from here on VmHWM counts anew
        children, start = children_memory(), time.process_time()
        with self.watch.watching() as seen:
            outcome, problems, said = self.outcome(Path(item.name))
        seconds, grown = time.process_time() - start, children_memory()
        if seconds > SLOW:
            problems.append(f"took {seconds:.0f} seconds")
        Path(item.name).unlink(missing_ok=True)
        used = memory("VmHWM") - self.base + (grown if grown > children else 0)
        return Result(outcome, [*problems, *dict.fromkeys(seen)], used, said)

    def outcome(self, path: Path) -> tuple[str, list[str], str]:
        """(accepted, refused or nothing; what should not have been; why it was refused)"""
        try:
            return "accepted", complaints(list(self.target.read(path))), ""
        except InputError as error:
            return "refused", complaints([str(error)]), str(error)
        except BaseException as error:  # whatever it is, it is what is looked for
            return "", [f"{type(error).__name__} at {place_of(error)}: {str(error)!r:.300}"], ""


def serve(connection: Connection, targets: Mapping[str, Target], box: Path) -> None:
    """Read what comes through the connection, as name of the target and input, and send back what came of it."""
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


# --- in the process that watches ------------------------------------------------------------


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
        """Have an input read.

        Args:
            name: of the target.
            item: the input.
        """
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
        """Until there is an answer; otherwise what is wrong."""
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


@dataclass
class Tally:
    """What came of the inputs of one target."""

    counts: Counter = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    memory: float = 0.0

    def row(self, name: str) -> tuple[str, ...]:
        numbers = (sum(self.counts.values()), self.counts["refused"], self.counts["accepted"], len(self.findings))
        return (name, *(f"{number:,}" for number in numbers), f"{self.memory:,.0f} MB")


def keep(folder: Path, name: str, item: Input, number: int, given: argparse.Namespace) -> Path:
    """Write an input that was found, to be read again."""
    folder.mkdir(parents=True, exist_ok=True)
    ending = LINE_BREAKS.sub("_", item.name.replace("/", "+"))[-80:]
    path = folder / f"{name}-{given.seed}-{number}-{ending}"
    path.write_bytes(item.content)
    return path


def try_target(reader: Reader, name: str, target: Target, given: argparse.Namespace) -> Tally:
    """Try inputs until their number or the time is reached. Shows a progress bar."""
    tally = Tally()
    end = time.monotonic() + given.seconds / len(given.target)
    with tqdm(total=given.inputs or None, desc=name, unit=" inputs") as bar:
        number = 0
        while number < given.inputs if given.inputs else time.monotonic() < end:
            item = target.make(name, given.seed, number)
            result = reader.read(name, item)
            tally.counts[result.outcome or "failed"] += 1
            tally.memory = max(tally.memory, result.memory)
            if result.problems:
                tally.findings.append("; ".join(result.problems))
                if len(tally.findings) <= KEPT:
                    path = keep(given.findings, name, item, number, given)
                    bar.write(f"{path}: {tally.findings[-1]}", file=sys.stderr)
            number += 1
            bar.update()
    return tally


def replay(reader: Reader, given: argparse.Namespace) -> int:
    """Read one file again; returns the exit code."""
    name = re.sub(r"^\w+-\d+-\d+-", "", given.replay.name).replace("+", "/")
    result = reader.read(given.target[0], Input(name, given.replay.read_bytes()))
    print(f"{given.replay}: {result.outcome or 'failed'}, {result.memory:.0f} MB; {result.said}")
    for problem in result.problems:
        print(problem)
    return 1 if result.problems else 0


def show(rows: Sequence[Sequence[str]]) -> None:
    """Print a table, its first column on the left and the others on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.ljust(width) if not place else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells))


def parse(args: Sequence[str] | None, targets: Mapping[str, Target]) -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--seconds", metavar="N", type=float, default=60.0, help="of all readers together [60]")
    add("--inputs", metavar="N", type=int, default=0, help="for each reader, in place of --seconds")
    add("--seed", metavar="N", type=int, default=0, help="of what is random [0]")
    add("--target", metavar="NAME,...", default=",".join(targets), help=f"[{','.join(targets)}]")
    add("--memory_mb", metavar="N", type=float, default=MEMORY_MB, help=f"that an input may take [{MEMORY_MB}]")
    default = Path(tempfile.gettempdir()) / "fuzz-findings"
    add("--findings", metavar="DIR", type=Path, default=default, help=f"folder for what is found [{default}]")
    add("--replay", metavar="FILE", type=Path, help="read this file with the reader of --target")
    given = parser.parse_args(args)
    given.target = given.target.split(",")
    unknown = sorted(set(given.target) - targets.keys())
    if unknown:
        parser.error(f"--target: there is no {unknown[0]}{nearest(unknown[0], targets)}")
    if given.replay and (len(given.target) != 1 or not given.replay.is_file()):
        parser.error("--replay: name a file, and its reader with --target")
    return given


def main(args: Sequence[str] | None = None, targets: Mapping[str, Target] = TARGETS) -> int:
    """The command line; returns the exit code."""
    given = parse(args, targets)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as box:
        reader = Reader({name: targets[name] for name in given.target}, Path(box), given.memory_mb)
        try:
            if given.replay:
                return replay(reader, given)
            tallies = {name: try_target(reader, name, targets[name], given) for name in given.target}
        except KeyboardInterrupt:
            print("stopped", file=sys.stderr)
            return 130
        finally:
            reader.stop()
    show([HEADER, *(tally.row(name) for name, tally in tallies.items())])
    print(f"{sum(tally.counts.total() for tally in tallies.values()):,} inputs tried, seed {given.seed}")
    return 1 if any(tally.findings for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
