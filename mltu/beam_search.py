"""CTC beam search with a language model and a word list.

Everywhere `log_probs` are the natural logarithms of a network's output for one line, shape (steps, classes); the
last class is the blank of CTC, see :mod:`mltu.ctc`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from .ctc import MIN_LOG_PROB, greedy_decode, text_log_prob
from .lexicon import LEXICON_COST, Lexicon

BEAM_WIDTH = 16  # prefixes that are kept after each step
PRUNE = 1e-3  # probability below which a character is not tried at a step
LM_WEIGHT = 0.3
CHARACTER_BONUS = 1.25  # nats; makes up for what the language model takes from each character


class Scorer(Protocol):
    """Scores a text character by character, whatever its picture shows; all values are natural logarithms.

    States can be hashed, and equal states score alike, so that scorers can cache their results.
    """

    start: Hashable  # state at the beginning of a line

    def scores(self, state: Any) -> np.ndarray:
        """The score that each next character adds, shape (len(vocab),)."""

    def advance(self, state: Any, index: int) -> Hashable:
        """State after one more character, an index of the vocabulary."""

    def end(self, state: Any) -> float:
        """The score that the end of the line adds."""


class LanguageModel(Protocol):
    """Makes a scorer, as :class:`mltu.language_model.CharacterModel` does."""

    def scorer(self, vocab: str | Sequence[str], weight: float, bonus: float) -> Scorer:
        """weight * log p(character | text before) + bonus for each character, weight * log p(end) at the end."""


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
        path = greedy_decode(log_probs)[0]
        # the beam can lose the text of the best path, which is therefore compared with its result
        if not np.array_equal(path, labels):
            score = self.score(log_probs, path)
            if score > found and score > self.score(log_probs, labels):
                return path
        return labels

    def score(self, log_probs: np.ndarray, labels: Sequence[int] | np.ndarray) -> float:
        """The score of a given text, which the search maximises; :meth:`search` misses paths that it pruned."""
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
        log_probs = np.fmax(log_probs, MIN_LOG_PROB, dtype=np.float64)  # a copy
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
        self.rows = np.zeros(
            (256 if scorers else 0, blank)
        )  # of each prefix of the tree: scores of the next characters
        self._score_next(0)
        self.prefixes = np.zeros(1, np.int64)
        self.shorter = np.full(1, -1)
        self.last = np.full(1, -1)
        self.with_blank = np.zeros(1)  # log probability, with what scorers added, of paths that end in a blank
        self.without = np.full(1, -np.inf)  # and of those that end in the last character
        self.either = np.zeros(1)

    def pause(self, log_prob: float) -> None:
        """Pass steps at which only the blank is tried; `log_prob` is the sum of its logarithms there."""
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
        """Store the score of each character after a new prefix."""
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
