"""What the fuzzer tries on a reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

from .spoiling import spoil

SECRET = "../secret"  # beside every dataset there are files of this name, which no reader may open
OUTSIDE = (  # names of files outside the dataset, and other names that may lead astray
    *(f"{SECRET}.png", f"./{SECRET}.png", f"b/../{SECRET}.png", "..\\secret.png", "b\\..\\..\\secret.png"),
    *("C:..\\secret.png", f"file://{SECRET}.png", "....//secret.png", "..", "../", "b/../../table/../secret.png"),
    *("a.png\0/../secret.png", f"{SECRET}.png\0.png", "~/secret.png", "$HOME/secret.png"),
    *("x" * 5000, "x/" * 3000 + "a.png"),
)


class Input(NamedTuple):
    """A file to read: its name in the dataset, and its content."""

    name: str
    content: bytes


# name of the file -> its content, or a function that makes it; the part before `:` tells attacks apart
Attacks = Mapping[str, bytes | Callable[[], bytes]]


@dataclass(frozen=True)
class Target:
    """A reader, and the files that are tried on it."""

    read: Callable[[Path], Iterable[str] | None]  # reads a file and gives its messages on parts that it skips
    seeds: Callable[[], list[Input]]  # valid files
    attacks: Callable[[], Attacks]
    tokens: tuple[bytes, ...] = ()  # to put into files
    companions: Callable[[], list[Input]] = list  # files that are always in the dataset
    vary: Callable[[Random], Input] | None = None  # files spoiled by their structure, half of all
    repair: Callable[[bytes], bytes] | None = None  # makes checksums right, so that more than these is tried

    def make(self, name: str, seed: int, number: int) -> Input:
        """The input of a number: attacks have the even ones until there are no more, spoiled files the others.

        Number 1 is a valid file. The name is that of the target.
        """
        attacks = list(self.attacks().items())
        if number % 2 == 0 and number // 2 < len(attacks):
            title, content = attacks[number // 2]
            return Input(title.split(":")[-1], content if isinstance(content, bytes) else content())
        if number == 1:
            return self.seeds()[0]
        random = Random(f"{seed} {name} {number}")
        if self.vary is not None and random.random() < 0.5:
            return self.vary(random)
        seeds = self.seeds()
        title, content = random.choice(seeds)
        content = spoil(random, content, [valid.content for valid in seeds], self.tokens)
        return Input(title, self.repair(content) if self.repair and random.random() < 0.5 else content)
