"""A word list as a scorer of :mod:`mltu.beam_search`."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from .utils.errors import InputError

LEXICON_COST = 1.5  # nats for a word that is not listed; 3 is better if the list has nearly all words
CACHED = 2**17  # characters after a state whose score is remembered
JOINERS = "'-"
# typographic apostrophes and hyphens, and the plain ones that they equal
PLAIN = str.maketrans({"’": "'", "ʼ": "'", "‐": "-", "‑": "-"})


class Spelling(NamedTuple):
    """How far a line has come in a word."""

    parts: tuple[str, ...] = ()  # beginnings of listed words: all of the word, and what follows a joiner
    charged: bool = False  # the cost was paid, so the rest of the word is free
    joined: bool = False  # an apostrophe or a hyphen was last, after which only a letter continues the word


CHARGED = Spelling(charged=True)  # within a word that is not listed


class Lexicon:
    """A word list. Other words are allowed at a cost, charged once each, as soon as no listed word begins so.

    A word is a run of letters, with single apostrophes and hyphens between them. It is listed as it is, or in
    lower case if it is Capitalised or ALL CAPS, or if all its parts between apostrophes and hyphens are: "l'eau"
    is where "l" or "l'" and "eau" are. Spaces, digits and punctuation are free, and end words.

    Args:
        words: the list; entries that are not words are skipped.
        vocab: the network's characters, in the order of its classes.
        cost: of a word that is not listed, nats.

    Raises:
        ValueError: there are no words, or the cost is negative.
    """

    def __init__(self, words: Iterable[str], vocab: str | Sequence[str], cost: float = LEXICON_COST) -> None:
        if not cost >= 0:
            raise ValueError(f"the cost of a word must be 0 or more, not {cost}")
        self.words = sorted({word for word in map(_plain, words) if _is_word(word)})
        if not self.words:
            raise ValueError("there is not one word in the list")
        self.vocab = vocab
        self.cost = cost
        self.start = Spelling()
        self._characters = [_plain(character) for character in vocab]
        self._letters = [_is_letter(character) for character in self._characters]
        self.advance = lru_cache(CACHED)(self._advance)

    @classmethod
    def from_file(cls, path: str | Path, vocab: str | Sequence[str], cost: float = LEXICON_COST) -> Lexicon:
        """Read a word list: UTF-8 text, one word a line, up to the first tab or space, as in frequency lists.

        Raises:
            InputError: the file is missing, not UTF-8, or holds no words.
        """
        try:
            lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
        except OSError as error:
            raise InputError(
                f"{path}: the word list cannot be read ({error.strerror}); name a text file with one word a line"
            ) from None
        except UnicodeDecodeError:
            raise InputError(f"{path}: not a text file in UTF-8; save it as UTF-8, one word a line") from None
        words = [line.split()[0] for line in lines if line.strip()]
        if not any(_is_word(_plain(word)) for word in words):
            raise InputError(f"{path}: holds no words; it should have one word a line")
        return cls(words, vocab, cost)

    def __contains__(self, part: str) -> bool:
        """Whether a word without parts is listed, as it is or in lower case."""
        return any(self._from(form) == form for form in _forms(part))

    def _begins(self, part: str) -> bool:
        """Whether a listed word begins so, as it is or in lower case."""
        own, *lower = _forms(part)
        return self._from(own).startswith(own) or any(self._from(form).startswith(form) for form in lower)

    def _from(self, form: str) -> str:
        """The first listed word that is not before another text in the order of code points."""
        place = bisect_left(self.words, form)
        return self.words[place] if place < len(self.words) else ""

    def _advance(self, state: Spelling, index: int) -> tuple[float, Spelling]:
        """(score of one more character, state after it)."""
        after = self._spell(state, index)
        if after == self.start and not (state.joined and self._characters[index] in JOINERS):
            return self.end(state), after
        return -self.cost * (after.charged and not state.charged), after

    def _spell(self, state: Spelling, index: int) -> Spelling:
        character = self._characters[index]
        if self._letters[index]:
            if state.charged:
                return CHARGED
            parts = tuple(part + character for part in state.parts or ("",) if self._begins(part + character))
            return Spelling(parts) if parts else CHARGED
        within = (state.parts or state.charged) and not state.joined
        if not within or character not in JOINERS:
            return self.start
        parts = tuple(part + character for part in state.parts if self._begins(part + character))
        if any(part in self or part + character in self for part in state.parts):
            parts += ("",)
        return Spelling(parts, charged=not parts, joined=True)

    def end(self, state: Spelling) -> float:
        """What the end of the line adds: the cost of a word that ends unfinished."""
        finished = state.charged or not state.parts or any(part == "" or part in self for part in state.parts)
        return 0.0 if finished else -self.cost


def _plain(text: str) -> str:
    """Composed characters, plain apostrophes and hyphens."""
    return unicodedata.normalize("NFC", text).translate(PLAIN)


def _is_letter(character: str) -> bool:
    return len(character) == 1 and unicodedata.category(character)[0] in "LM"


def _is_word(text: str) -> bool:
    """Whether a text is letters with single joiners between them, or one at its end as in "l'"."""
    parts = re.split(f"[{JOINERS}]", text[:-1] + text[-1:].strip(JOINERS))
    return all(part and all(map(_is_letter, part)) for part in parts)


def _forms(part: str) -> tuple[str, ...]:
    """What a word may be listed as: itself and, if it is Capitalised or ALL CAPS, its lower case."""
    if part[:1].islower():  # as most are
        return (part,)
    lower = part.lower()
    if part[:1] != lower[:1] and (part[1:] == lower[1:] or part == part.upper()):
        return part, lower
    return (part,)
