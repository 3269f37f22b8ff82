"""Try hostile files on every reader of the project. Linux only.

    python -m fuzz                                     a minute, divided among all readers
    python -m fuzz --seconds 600 --seed 1 --target images,pages
    python -m fuzz --inputs 100                        so many inputs for each reader, however long it takes
    python -m fuzz --replay FILE --target alto         one input with a finding, again

Each input is made from the seed, the reader and its number, and read in a process of its own. A reader may accept it,
or refuse it by an InputError whose message is one line. Anything else is a finding: another exception, a crash, a file
opened outside the dataset, a program run, code executed, a connection, more memory than `--memory_mb`, or more than
20 seconds of computing. Findings are kept as files, to be replayed.

Exit codes: 0 nothing found, 1 findings, 2 wrong use, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports, so that Ctrl-C ends them in one line too
    from mltu.utils.console import guard_imports

    guard_imports("fuzz")

import argparse
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mltu.configs import ArgumentParser, suggestion
from mltu.utils.console import command
from mltu.utils.errors import LINE_BREAKS
from mltu.utils.progress import ProgressBar

from .inputs import TARGETS
from .inputs.base import Input, Target
from .parent import Reader

# On top of what the imports take. An image of 64 megapixels with four channels takes 256 MB as Pillow has it and 192 MB
# as the result; decoders hold more at once: OpenJPEG 1,024 MB (32 bits a value) beside those 256 and some 200 of packed
# values, which is 1,500 MB; WebP two canvases and a copy. Pages of PDF files are drawn within 1,536 MB of addresses.
MEMORY_MB = 2000
MAX_KEPT = 20  # findings of a reader that are written as files
HEADER = ("target", "inputs", "refused", "accepted", "findings", "memory")


@dataclass
class Tally:
    """The results of a target's inputs."""

    counts: Counter = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    memory: float = 0.0

    def row(self, name: str) -> tuple[str, ...]:
        numbers = (sum(self.counts.values()), self.counts["refused"], self.counts["accepted"], len(self.findings))
        return (name, *(f"{number:,}" for number in numbers), f"{self.memory:,.0f} MB")


def keep(folder: Path, name: str, item: Input, number: int, given: argparse.Namespace) -> Path:
    """Write an input with a finding, to be read again."""
    folder.mkdir(parents=True, exist_ok=True)
    ending = LINE_BREAKS.sub("_", item.name.replace("/", "+"))[-80:]
    path = folder / f"{name}-{given.seed}-{number}-{ending}"
    path.write_bytes(item.content)
    return path


def try_target(reader: Reader, name: str, target: Target, given: argparse.Namespace) -> Tally:
    """Try inputs until their number or the time is reached. Shows a progress bar."""
    tally = Tally()
    end = time.monotonic() + given.seconds / len(given.target)
    with ProgressBar(total=given.inputs or None, desc=name, unit=" inputs") as bar:
        number = 0
        while number < given.inputs if given.inputs else time.monotonic() < end:
            item = target.make(name, given.seed, number)
            result = reader.read(name, item)
            tally.counts[result.outcome or "failed"] += 1
            tally.memory = max(tally.memory, result.memory)
            if result.problems:
                tally.findings.append("; ".join(result.problems))
                if len(tally.findings) <= MAX_KEPT:
                    path = keep(given.findings, name, item, number, given)
                    bar.write(f"{path}: {tally.findings[-1]}", file=sys.stderr)
            number += 1
            bar.update()
    return tally


def replay(reader: Reader, given: argparse.Namespace) -> int:
    """Read one file again; returns the exit code."""
    name = re.sub(r"^\w+-\d+-\d+-", "", given.replay.name).replace("+", "/")
    result = reader.read(given.target[0], Input(name, given.replay.read_bytes()))
    print(f"{given.replay}: {result.outcome or 'failed'}, {result.memory:.0f} MB; {result.reason}")
    for problem in result.problems:
        print(problem)
    return 1 if result.problems else 0


def show(rows: Sequence[Sequence[str]]) -> None:
    """Print a table, its first column on the left and the others on the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        numbers = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        print("  ".join((first.ljust(widths[0]), *numbers)))


def parse(args: Sequence[str] | None, targets: Mapping[str, Target]) -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__, prog="fuzz")
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
        parser.error(f"--target: there is no {unknown[0]}{suggestion(unknown[0], targets)}")
    if given.replay and (len(given.target) != 1 or not given.replay.is_file()):
        parser.error("--replay: name a file, and its reader with --target")
    return given


@command("fuzz")
def main(args: Sequence[str] | None = None, targets: Mapping[str, Target] = TARGETS) -> int:
    """The command line; returns the exit code."""
    given = parse(args, targets)
    with tempfile.TemporaryDirectory(prefix="fuzz-") as box:
        reader = Reader({name: targets[name] for name in given.target}, Path(box), given.memory_mb)
        try:
            if given.replay:
                return replay(reader, given)
            tallies = {name: try_target(reader, name, targets[name], given) for name in given.target}
        finally:
            reader.stop()
    show([HEADER, *(tally.row(name) for name, tally in tallies.items())])
    print(f"{sum(tally.counts.total() for tally in tallies.values()):,} inputs tried, seed {given.seed}")
    return 1 if any(tally.findings for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
