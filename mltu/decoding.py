"""CTC decoding beyond the best path: beam search with a language model and a word list, and forced alignment.

Everywhere `log_probs` are the natural logarithms of a network's output for one line, shape (steps, classes); the
last class is the blank of CTC (Graves et al., "Connectionist Temporal Classification", ICML 2006).
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from .utils.errors import InputError

FLOOR = -1e3  # stands for the logarithm of zero, so that an impossible step leaves a line readable
BEAM_WIDTH = 16  # prefixes that are kept after each step
PRUNE = 1e-3  # probability below which a character is not tried at a step
LM_WEIGHT = 0.3
CHARACTER_BONUS = 1.25  # nats; makes up for what the language model takes from each character
LEXICON_COST = 1.5  # nats for a word that is not listed; 3 is better if the list has nearly all words
CACHED_ROWS = 2**14
JOINERS = "'-"
# typographic apostrophes and hyphens, and the plain ones that they equal
PLAIN = str.maketrans({"’": "'", "ʼ": "'", "‐": "-", "‑": "-"})


def greedy(log_probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best path decoding: the best class of every step, repeats merged, blanks dropped.

    Args:
        log_probs: shape (steps, classes); probabilities do as well.

    Returns:
        (labels, spans): class indices, shape (labels,), and the first and past-the-last step of each, shape
        (labels, 2).
    """
    path = np.argmax(log_probs, axis=1)
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    ends = np.append(starts, len(path))[1:]
    written = path[starts] != log_probs.shape[1] - 1
    return path[starts][written], np.stack([starts, ends], axis=1)[written]


def _trellis(log_probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The states of a text: its labels with a blank before, between and behind them, two states for each but one.

    Returns:
        (logarithm of emitting each state at each step, shape (steps, states); 0 for states that can follow the last
        but one, else -inf: a blank may be passed over between two different labels).
    """
    states = np.full(2 * len(labels) + 1, log_probs.shape[1] - 1)
    states[1::2] = labels
    passing = np.full(len(states), -np.inf)
    passing[1:2] = 0
    passing[3::2][labels[1:] != labels[:-1]] = 0
    return np.fmax(log_probs, FLOOR, dtype=np.float64)[:, states], passing


def align(log_probs: np.ndarray, labels: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where each label of a given text is emitted, on the most probable path that gives the text.

    Viterbi search: the recursion of Graves et al. (2006), sec. 4.1, with maxima for the sums. For the labels of
    :func:`greedy` the result is the spans of :func:`greedy`.

    Args:
        log_probs: shape (steps, classes).
        labels: class indices, shape (labels,).

    Returns:
        First and past-the-last step of each label, shape (labels, 2).

    Raises:
        ValueError: a label is no character, or there are too few steps for them all.
    """
    labels = np.asarray(labels, np.int64)
    steps, classes = log_probs.shape
    if ((labels < 0) | (labels >= classes - 1)).any():
        raise ValueError(f"labels must be 0 to {classes - 2}, not {labels.min()} to {labels.max()}")
    needed = len(labels) + np.count_nonzero(labels[1:] == labels[:-1])
    if needed > steps:
        raise ValueError(f"the labels need {needed} steps, and there are {steps}")
    read, spans = greedy(log_probs)
    if np.array_equal(read, labels):  # no path is better than the best
        return spans
    emissions, passing = _trellis(log_probs, labels)
    count = emissions.shape[1]
    # two places in front, for the start and for nothing, so that every state has two before it
    scores = np.full(count + 2, -np.inf)
    scores[1] = 0
    moves = np.empty((steps, count), np.int8)
    for step in range(steps):
        stay, one, two = scores[2:], scores[1:-1], scores[:-2] + passing
        best = np.maximum(stay, one)
        moves[step] = one > stay
        moves[step][two > best] = 2
        scores[2:] = np.maximum(best, two) + emissions[step]
        scores[1] = -np.inf
    state = count - 1 if scores[-1] > scores[-2] else count - 2
    path = np.empty(steps, np.int64)
    for step in reversed(range(steps)):
        path[step] = state
        state -= int(moves[step, state])
    written = np.arange(1, count, 2)
    return np.stack([np.searchsorted(path, written), np.searchsorted(path, written, side="right")], axis=1)


def text_log_prob(log_probs: np.ndarray, labels: Sequence[int] | np.ndarray) -> float:
    """Logarithm of the probability of a text: the sum over all paths that give it (Graves et al., 2006, sec. 4.1).

    Args:
        log_probs: shape (steps, classes).
        labels: class indices, shape (labels,).

    Returns:
        Natural logarithm; -inf if there are too few steps.
    """
    emissions, passing = _trellis(log_probs, np.asarray(labels, np.int64))
    scores = np.full(emissions.shape[1] + 2, -np.inf)
    scores[1] = 0
    for emission in emissions:
        before = np.logaddexp(np.logaddexp(scores[2:], scores[1:-1]), scores[:-2] + passing)
        scores[2:] = before + emission
        scores[1] = -np.inf
    return float(np.logaddexp(scores[-1], scores[-2]))


class Scorer(Protocol):
    """What a text is worth beside its picture, character by character; all values are natural logarithms.

    States can be hashed, and equal states score alike, so that scorers can keep what they worked out.
    """

    start: Hashable  # state at the beginning of a line

    def scores(self, state: Any) -> np.ndarray:
        """What each next character adds, shape (len(vocab),)."""

    def advance(self, state: Any, index: int) -> Hashable:
        """State after one more character, an index of the vocabulary."""

    def end(self, state: Any) -> float:
        """What the end of the line adds."""


class LanguageModel(Protocol):
    """What gives a scorer, as :class:`mltu.language_model.CharacterModel` does."""

    def scorer(self, vocab: str | Sequence[str], weight: float, bonus: float) -> Scorer:
        """weight * log p(character | text before) + bonus for each character, weight * log p(end) at the end."""


class Spelling(NamedTuple):
    """Where a line stands in a word."""

    parts: tuple[str, ...] = ()  # beginnings of listed words: all of the word, and what follows a joiner
    charged: bool = False  # the cost was paid, so the rest of the word is free
    joined: bool = False  # an apostrophe or a hyphen was last, after which only a letter continues the word


class Lexicon:
    """A word list. Other words are allowed at a cost, charged once each, as soon as no listed word begins so.

    A word is a run of letters, with single apostrophes and hyphens between them. It is listed as it is, or in
    lower case if it is Capitalised or ALL CAPS, or if all its parts between apostrophes and hyphens are: "l'eau"
    is where "l" or "l'" and "eau" are. Spaces, digits and punctuation are free, and end words.

    Args:
        words: the list; what is no word is passed over.
        vocab: the network's characters, in the order of its classes.
        cost: of a word that is not listed, nats.

    Raises:
        ValueError: not one word, or the cost is negative.
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
        self._letters = np.array([_is_letter(character) for character in self._characters], bool)
        self._joiners = [index for index, character in enumerate(self._characters) if character in JOINERS]
        self._places: dict[str, list[int]] = {}
        for index, character in enumerate(self._characters):
            self._places.setdefault(character, []).append(index)
        self.scores = lru_cache(CACHED_ROWS)(self._scores)
        self._next_letters = lru_cache(CACHED_ROWS)(self._find_next_letters)

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
        return any(self._from(form).startswith(form) for form in _forms(part))

    def _from(self, form: str) -> str:
        """The first listed word that is not before another text in the order of code points."""
        place = bisect_left(self.words, form)
        return self.words[place] if place < len(self.words) else ""

    def _find_next_letters(self, prefix: str) -> str:
        """What listed words with a prefix go on with."""
        found = ""
        place = bisect_left(self.words, prefix)
        while place < len(self.words) and self.words[place].startswith(prefix):
            if self.words[place] == prefix:
                place += 1
                continue
            found += self.words[place][len(prefix)]
            # past all the words that go on with it
            place = bisect_left(self.words, prefix + found[-1] + chr(sys.maxunicode), place)
        return found

    def _scores(self, state: Spelling) -> np.ndarray:
        row = np.zeros(len(self._characters))
        if state.charged:
            return row
        row[self._letters] = -self.cost
        for part in state.parts or ("",):
            for letter in self._next_letters(part):
                row[self._places.get(letter, [])] = 0
            if part == "" or len(_forms(part)) > 1:
                for letter in self._next_letters(part.lower()):
                    for variant in (letter, letter.upper()):
                        if len(_forms(part + variant)) > 1:
                            row[self._places.get(variant, [])] = 0
        if self.end(state):
            row[~self._letters] = -self.cost
        row[self._joiners] = [-self.cost * self.advance(state, index).charged for index in self._joiners]
        return row

    def advance(self, state: Spelling, index: int) -> Spelling:
        """The state after one more character."""
        character = self._characters[index]
        if self._letters[index]:
            parts = tuple(part + character for part in state.parts or ("",) if self._begins(part + character))
            return Spelling(() if state.charged else parts, charged=state.charged or not parts)
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
    lower = part.lower()
    if part[:1] != lower[:1] and (part[1:] == lower[1:] or part == part.upper()):
        return part, lower
    return (part,)


class BeamSearch:
    """CTC prefix beam search with shallow fusion of a language model and a word list.

    Graves and Jaitly, "Towards End-to-End Speech Recognition with Recurrent Neural Networks" (ICML 2014); Hannun
    et al., "First-Pass Large Vocabulary Continuous Speech Recognition using Bi-Directional Recurrent DNNs" (2014).
    The text found has, as far as the beam sees, the highest
    log p(text | picture) + lm_weight * log p(text) + character_bonus * characters - lexicon_cost * words not listed,
    where p(text | picture) sums over all paths; it is never below that of the text of the best path. Several threads
    may use one search.

    Args:
        vocab: the network's characters, in the order of its classes.
        beam_width: how many prefixes are kept after each step.
        language_model: such as a :class:`mltu.language_model.CharacterModel`.
        lm_weight: of its natural logarithms.
        lexicon: a :class:`Lexicon`, with its own cost, or words to make one of.
        lexicon_cost: of a word that is not among the words given, nats.
        character_bonus: for each character if there is a language model, nats; without it short texts win.
        prune: characters less probable than this at a step are not tried there, unless they are the best class; 0
            tries all.

    Raises:
        ValueError: the beam has no width, or the lexicon is for other characters.

    Example:
        >>> search = BeamSearch("ab")
        >>> search(np.log([[0.5, 0.1, 0.4], [0.3, 0.2, 0.5]]))
        array([0])
    """

    def __init__(
        self,
        vocab: str | Sequence[str],
        beam_width: int = BEAM_WIDTH,
        language_model: LanguageModel | None = None,
        lm_weight: float = LM_WEIGHT,
        lexicon: Lexicon | Iterable[str] | None = None,
        lexicon_cost: float = LEXICON_COST,
        character_bonus: float = CHARACTER_BONUS,
        prune: float = PRUNE,
    ) -> None:
        if beam_width < 1:
            raise ValueError(f"beam_width must be at least 1, not {beam_width}")
        self.vocab = vocab
        self.beam_width = beam_width
        self.threshold = math.log(prune) if prune > 0 else -math.inf
        self.scorers: list[Scorer] = []
        if language_model is not None:
            self.scorers.append(language_model.scorer(vocab, lm_weight, character_bonus))
        if lexicon is not None:
            lexicon = lexicon if isinstance(lexicon, Lexicon) else Lexicon(lexicon, vocab, lexicon_cost)
            if list(lexicon.vocab) != list(vocab):
                raise ValueError("the lexicon was made for another vocabulary")
            self.scorers.append(lexicon)

    def __call__(self, log_probs: np.ndarray) -> np.ndarray:
        """The best text.

        Args:
            log_probs: shape (steps, len(vocab) + 1), the blank last.

        Returns:
            Class indices, shape (labels,).

        Raises:
            ValueError: `log_probs` has another number of classes.
        """
        labels, found = self.search(log_probs)[0]
        path = greedy(log_probs)[0]
        # a beam can lose the text of the best path, which is therefore put beside what it found
        if not np.array_equal(path, labels):
            score = self.score(log_probs, path)
            if score > found and score > self.score(log_probs, labels):
                return path
        return labels

    def score(self, log_probs: np.ndarray, labels: Sequence[int] | np.ndarray) -> float:
        """What the search maximises, for a given text; :meth:`search` misses paths that it pruned."""
        total = text_log_prob(log_probs, labels)
        for scorer in self.scorers:
            state = scorer.start
            for label in labels:
                total += float(scorer.scores(state)[label])
                state = scorer.advance(state, int(label))
            total += scorer.end(state)
        return total

    def search(self, log_probs: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """The texts in the beam at the end of the line, best first, each once, with their scores.

        Arguments and errors as in calling it.
        """
        blank = len(self.vocab)
        if log_probs.ndim != 2 or log_probs.shape[1] != blank + 1:
            raise ValueError(f"log_probs must have shape (steps, {blank + 1}), not {log_probs.shape}")
        log_probs = np.fmax(log_probs, FLOOR, dtype=np.float64)  # a copy
        tried = log_probs >= self.threshold
        tried[np.arange(len(tried)), log_probs.argmax(axis=1)] = True
        tried[:, blank] = False
        log_probs[:, :blank][~tried[:, :blank]] = -np.inf
        blanks = log_probs[:, blank]
        columns = np.cumsum(tried, axis=1) - 1
        beam = _Beam(blank, self.scorers)
        done = 0
        for step in np.flatnonzero(tried.any(axis=1)).tolist():
            if step > done:
                beam.pause(blanks[done:step].sum())
            beam.step(log_probs[step], tried[step], columns[step], self.beam_width)
            done = step + 1
        if done < len(log_probs):
            beam.pause(blanks[done:].sum())
        return beam.texts()


class _Beam:
    """Prefixes and their scores. Arrays have one element for each prefix.

    Prefixes are numbered in a tree, where a prefix that was dropped keeps its number: when it comes back, those that
    continue it are known as its own, and no text is in the beam twice.
    """

    def __init__(self, blank: int, scorers: Sequence[Scorer]) -> None:
        self.blank = blank
        self.scorers = scorers
        self.edges = [-1]  # of each prefix of the tree: shorter prefix * (blank + 1) + last character
        self.numbers: dict[int, int] = {}  # edge -> prefix
        self.states = [tuple(scorer.start for scorer in scorers)]
        self.rows = np.zeros((256 if scorers else 0, blank))  # what each prefix of the tree adds for a next character
        self._score_next(0)
        self.prefixes = np.zeros(1, np.int64)
        self.shorter = np.full(1, -1)
        self.last = np.full(1, -1)
        self.with_blank = np.zeros(1)  # log probability, with what scorers added, of paths that end in a blank
        self.without = np.full(1, -np.inf)  # and of those that end in the last character
        self.either = np.zeros(1)

    def pause(self, log_prob: float) -> None:
        """Steps at which nothing but the blank is tried, with the sum of its logarithms."""
        self.either = self.with_blank = self.either + log_prob
        self.without = np.full(len(self.prefixes), -np.inf)

    def step(self, log_probs: np.ndarray, tried: np.ndarray, columns: np.ndarray, width: int) -> None:
        """One step.

        Args:
            log_probs: shape (classes,).
            tried: which characters are tried, shape (classes,).
            columns: place of each of them among those that are tried, shape (classes,).
            width: how many prefixes to keep.
        """
        characters = tried.nonzero()[0]
        count = len(self.prefixes)
        # a character that follows itself needs a blank between
        longer = np.where(self.last[:, None] == characters, self.with_blank[:, None], self.either[:, None])
        longer += log_probs[characters]
        if self.scorers:
            longer += self.rows[self.prefixes[:, None], characters]
        with_blank = self.either + log_probs[self.blank]
        without = self.without + log_probs[self.last]
        # a prefix made longer may be in the beam already
        known, by = ((self.shorter[:, None] == self.prefixes) & tried[self.last][:, None]).nonzero()
        if len(known):
            column = columns[self.last[known]]
            without[known] = np.logaddexp(without[known], longer[by, column])
            longer[by, column] = -np.inf
        either = np.logaddexp(with_blank, without)
        scores = np.concatenate([either, longer.ravel()])
        chosen = scores.argpartition(-width)[-width:] if len(scores) > width else np.arange(len(scores))
        chosen = chosen[scores[chosen] > -np.inf]
        stay, new = chosen[chosen < count], chosen[chosen >= count]
        by, column = np.divmod(new - count, len(characters))
        shorter, last = self.prefixes[by], characters[column]
        numbers = [self._number(*pair) for pair in zip(shorter.tolist(), last.tolist(), strict=True)]
        self.prefixes = np.concatenate([self.prefixes[stay], np.array(numbers, np.int64)])
        self.shorter = np.concatenate([self.shorter[stay], shorter])
        self.last = np.concatenate([self.last[stay], last])
        self.with_blank = np.concatenate([with_blank[stay], np.full(len(new), -np.inf)])
        score = scores[new]
        self.without = np.concatenate([without[stay], score])
        self.either = np.concatenate([either[stay], score])

    def _number(self, shorter: int, last: int) -> int:
        """Number of a prefix in the tree, where it is put if it is new."""
        edge = shorter * (self.blank + 1) + last
        number = self.numbers.setdefault(edge, len(self.edges))
        if number == len(self.edges):
            self.edges.append(edge)
            if self.scorers:
                states = zip(self.scorers, self.states[shorter], strict=True)
                self.states.append(tuple(scorer.advance(state, last) for scorer, state in states))
                self._score_next(number)
        return number

    def _score_next(self, number: int) -> None:
        """Note what scorers give each character after a new prefix."""
        if not self.scorers:
            return
        if number == len(self.rows):
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        for scorer, state in zip(self.scorers, self.states[number], strict=True):
            self.rows[number] += scorer.scores(state)

    def texts(self) -> list[tuple[np.ndarray, float]]:
        """Labels and score of each prefix as a whole text, best first."""
        scores = self.either
        if self.scorers:
            scores = scores + [self._end(number) for number in self.prefixes.tolist()]
        best_first = np.argsort(-scores, kind="stable")
        return [(self._labels(int(self.prefixes[place])), float(scores[place])) for place in best_first]

    def _end(self, number: int) -> float:
        return sum(scorer.end(state) for scorer, state in zip(self.scorers, self.states[number], strict=True))

    def _labels(self, number: int) -> np.ndarray:
        labels = []
        while number:
            number, label = divmod(self.edges[number], self.blank + 1)
            labels.append(label)
        return np.array(labels[::-1], np.int64)
