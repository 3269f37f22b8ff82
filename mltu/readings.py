"""Results of reading: pages of lines, lines of characters, each with its place and confidence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Character(NamedTuple):
    """One character that was read."""

    text: str
    confidence: float  # estimated probability that it is right, 0 to 1
    start: float  # where it begins and ends, as shares of the width of the line's image
    end: float
    alternatives: tuple[tuple[str, float], ...] = ()  # other characters and their probabilities, best first


class Word(NamedTuple):
    """A word of a line: characters between spaces."""

    text: str
    confidence: float  # estimated probability that all of it is right
    start: float
    end: float


class Peaks(NamedTuple):
    """What the network says of each character of a line, at the step where the character is most probable."""

    log_probs: np.ndarray  # natural logarithms, shape (characters, classes)
    labels: np.ndarray  # class indices of the characters, shape (characters,)


def find_words(text: str, characters: Sequence[Character], word_exponent: float) -> tuple[Word, ...]:
    """The words of a line, of which :class:`LineReading` says what the arguments are."""
    found = []
    for match in re.finditer(r"\S+", text):
        part = characters[match.start() : match.end()]
        confidence = float(np.prod([character.confidence for character in part]) ** word_exponent)
        found.append(Word(match[0], confidence, part[0].start, part[-1].end))
    return tuple(found)


def line_confidence(
    text: str, characters: Sequence[Character], word_exponent: float, line_exponent: float = 1.0
) -> float:
    """Probability that all of a line is right: a power of its characters', at most that of its least sure word.

    On lines that nothing was fitted to, the product was right without an exponent, unless a language model chose.
    """
    product = float(np.prod([character.confidence for character in characters])) if characters else 0.0
    return min([product**line_exponent, *(word.confidence for word in find_words(text, characters, word_exponent))])


@dataclass(frozen=True, eq=False)
class LineReading:
    """A line that was read.

    Attributes:
        text: the text.
        confidence: estimated probability that all of it is right; 0 where nothing was read.
        characters: those of the text, in order.
        polygon: outline on the page, pixels, shape (points, 2), clockwise from the upper left.
        frame: upper and lower edge, on the page, of the level image that was read: points at equal steps of its
            width, in writing direction; pixels, shape (2, points, 2).
        baseline: on the page, in writing direction, shape (points, 2); None where it was not looked for.
        region: number of the block of writing, such as a column, that the line belongs to, from 0.
        word_exponent: a word's confidence is the product of its characters' to this power; 1 if errors were
            independent and no character were ever left out.
        peaks: what the confidences were computed from, if it was to be kept for calibration.
    """

    text: str
    confidence: float
    characters: tuple[Character, ...]
    polygon: np.ndarray
    frame: np.ndarray
    baseline: np.ndarray | None = None
    region: int = 0
    word_exponent: float = 1.0
    peaks: Peaks | None = None

    @property
    def characters_right(self) -> float:
        """Estimated share of its characters that are right; 0 where nothing was read."""
        return float(np.mean([character.confidence for character in self.characters])) if self.characters else 0.0

    @property
    def words(self) -> tuple[Word, ...]:
        """The words of the text."""
        return find_words(self.text, self.characters, self.word_exponent)

    def parts(self, min_confidence: float) -> list[tuple[str, bool]]:
        """The words of the text and the spaces between them, each with whether it is a word less sure than that."""
        words = iter(self.words)
        pieces = re.findall(r"\s+|\S+", self.text)
        return [(piece, not piece.isspace() and next(words).confidence < min_confidence) for piece in pieces]

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the polygon, in pixels of the page."""
        (left, top), (right, bottom) = self.polygon.min(axis=0), self.polygon.max(axis=0)
        return int(left), int(top), int(right), int(bottom)

    def corners_of(self, part: Word | Character) -> np.ndarray:
        """Upper left, upper right, lower right and lower left of a part as it slopes; pixels, shape (4, 2)."""
        upper, lower = self._edges_of([part.start, part.end])
        return np.concatenate([upper, lower[::-1]])

    def _edges_of(self, shares: Sequence[float]) -> np.ndarray:
        """Points of the frame's upper and lower edge at shares of its width, shape (2, shares, 2)."""
        steps = np.linspace(0, 1, self.frame.shape[1])
        places = [[np.interp(shares, steps, edge[:, axis]) for axis in (0, 1)] for edge in self.frame]
        return np.array(places).transpose(0, 2, 1)

    def box_of(self, part: Word | Character) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of a part of the line, in pixels of the page."""
        steps = np.linspace(0, 1, self.frame.shape[1])
        # the ends of the part, and the points of the frame between them
        shares = np.concatenate([[part.start, part.end], steps[(steps > part.start) & (steps < part.end)]])
        corners = self._edges_of(shares).reshape(-1, 2)
        left, top, right, bottom = self.box
        low = np.clip(np.floor(corners.min(axis=0)), (left, top), (right, bottom)).astype(int)
        high = np.clip(np.ceil(corners.max(axis=0)), (left, top), (right, bottom)).astype(int)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])


@dataclass(frozen=True)
class PageReading:
    """The reading of one image: a page, or a single line, whose polygon is then the whole image.

    Attributes:
        source: the file as it was named, or "-" for standard input.
        page: number in a file of several pages, from 1.
        width: of the image, pixels.
        height: of the image, pixels.
        lines: in reading order.
        picture: the image as a JPEG file, for a format that shows it; else empty.
    """

    source: str
    page: int
    width: int
    height: int
    lines: tuple[LineReading, ...]
    picture: bytes = field(default=b"", repr=False)

    @property
    def text(self) -> str:
        """The lines, one below the other."""
        return "\n".join(line.text for line in self.lines)
