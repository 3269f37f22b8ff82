"""CTC beam search with a language model and a word list.

Everywhere `log_probs` are the natural logarithms of a network's output for one line, shape (steps, classes); the
last class is the blank of CTC, see :mod:`mltu.ctc`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from threading import Lock
from typing import Any, Protocol

import numpy as np

from .ctc import MIN_LOG_PROB, greedy_decode, text_log_prob
from .lexicon import LEXICON_COST, Lexicon

BEAM_WIDTH = 16  # prefixes that are kept after each step
PRUNE = 5e-3  # probability below which a character is not tried at a step
MARGIN = 3e-3  # share of the probability of the best prefix, below which others are dropped
LM_WEIGHT = 0.5
CHARACTER_BONUS = 1.25  # nats; makes up for what the language model takes from each character
# nats for a character: lines of the language are above, names and other languages below; on validation lines of
# French and on German names, -2.8 keeps the gain for the former and most of what the latter would lose
LIKELY = -2.8
MAX_SCORE = 600.0  # nats for a character; its exponential is a float
MAX_MOVES = 2**18  # of scorers that are remembered; some 60 MB


class Scorer(Protocol):
    """Scores a text character by character, whatever its picture shows; all values are natural logarithms.

    States can be hashed, and equal states score alike, so that scorers can cache their results.
    """

    start: Hashable  # state at the beginning of a line

    def advance(self, state: Any, index: int) -> tuple[float, Hashable]:
        """(score that one more character adds, state after it); the character is an index of the vocabulary."""

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
        margin: prefixes are dropped if they are less probable than the best times this; 0 drops none.
        likely: mean natural logarithm of the probability of the characters of a text, by the language model, below
            which the text is not one of the language, and that of the best path is taken; None takes all.
        merge: keep only the best of the prefixes with the same last character and the same states of all scorers,
            which go on alike, so that the beam holds different ones; otherwise it holds the best texts, however alike.

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
        margin: float = MARGIN,
        likely: float | None = None,
        merge: bool = True,
    ) -> None:
        if beam_width < 1:
            raise ValueError(f"beam_width must be at least 1, not {beam_width}")
        self.vocab = vocab
        self.beam_width = beam_width
        self.prune = prune
        self.margin = margin
        self.likely = likely
        self.merge = merge
        self.scorers: list[Scorer] = []
        self._judge = None if language_model is None or likely is None else language_model.scorer(vocab, 1.0, 0.0)
        if language_model is not None:
            self.scorers.append(language_model.scorer(vocab, lm_weight, character_bonus))
        if lexicon is not None:
            lexicon = lexicon if isinstance(lexicon, Lexicon) else Lexicon(lexicon, vocab, lexicon_cost)
            if list(lexicon.vocab) != list(vocab):
                raise ValueError("the lexicon was made for another vocabulary")
            self.scorers.append(lexicon)
        self._futures = _Futures(self.scorers, len(vocab))

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
        if self._judge and _text_score(self._judge, labels) < self.likely * (len(labels) + 1):
            return path
        # the beam can lose the text of the best path, which is therefore compared with its result, unless it could not
        # win if it were the only text that the picture allows
        if not np.array_equal(path, labels) and self._scorers_score(path) > found:
            score = self.score(log_probs, path)
            if score > found and score > self.score(log_probs, labels):
                return path
        return labels

    def score(self, log_probs: np.ndarray, labels: Sequence[int] | np.ndarray) -> float:
        """The score of a given text, which the search maximises; :meth:`search` misses paths that it pruned."""
        return text_log_prob(log_probs, labels) + self._scorers_score(labels)

    def _scorers_score(self, labels: Iterable[int]) -> float:
        return sum(_text_score(scorer, labels) for scorer in self.scorers)

    def search(self, log_probs: np.ndarray) -> list[tuple[np.ndarray, float]]:
        """The texts in the beam at the end of the line, best first, each once, with their scores.

        Arguments and errors as in calling it.
        """
        blank = len(self.vocab)
        if log_probs.ndim != 2 or log_probs.shape[1] != blank + 1:
            raise ValueError(f"log_probs must have shape (steps, {blank + 1}), not {log_probs.shape}")
        log_probs = np.fmax(log_probs, MIN_LOG_PROB)
        peaks = log_probs.max(axis=1, initial=MIN_LOG_PROB).astype(np.float64)
        tried = log_probs >= (math.log(self.prune) if self.prune > 0 else -math.inf)
        tried[np.arange(len(tried)), log_probs.argmax(axis=1)] = True
        tried[:, blank] = False
        steps, labels = tried.nonzero()
        probs = np.exp(log_probs[steps, labels] - peaks[steps])  # relative to the best class of each step
        rows: dict[int, dict[int, float]] = {}  # of the steps where a character is tried: label -> probability
        for step, label, prob in zip(steps.tolist(), labels.tolist(), probs.tolist(), strict=True):
            rows.setdefault(step, {})[label] = prob
        blanks = np.exp(log_probs[:, blank] - peaks).tolist()
        if len(self._futures.moves) > MAX_MOVES:
            self._futures = _Futures(self.scorers, blank)
        beam = _Beam(self._futures, float(peaks.sum()))
        done = 0
        for step, row in rows.items():
            if step > done:
                beam.pause()
            beam.step(row, blanks[step], self.beam_width, self.margin, self.merge)
            done = step + 1
        return beam.texts()


def _text_score(scorer: Scorer, labels: Iterable[int]) -> float:
    """What a scorer adds for a whole text."""
    state, total = scorer.start, 0.0
    for label in labels:
        score, state = scorer.advance(state, int(label))
        total += score
    return total + scorer.end(state)


class _Futures:
    """What may follow a prefix: all that scorers and CTC know of it, numbered. Lines and threads share it.

    Args:
        scorers: of characters.
        classes: number of the characters.
    """

    def __init__(self, scorers: Sequence[Scorer], classes: int) -> None:
        self.scorers = scorers
        self._advances = [scorer.advance for scorer in scorers]
        self.classes = classes
        self.states = [[scorer.start for scorer in scorers]]  # of the scorers, for each future
        self.numbers: dict[tuple, int] = {}  # (last label, states) -> future
        self.moves: dict[int, tuple[float, int]] = {}  # future * classes + label -> what `move` returns
        self._lock = Lock()

    def move(self, future: int, label: int) -> tuple[float, int]:
        """(exponential of the score of one more character, future after it), which are remembered in `moves`."""
        score, states = 0.0, []
        for advance, state in zip(self._advances, self.states[future], strict=True):
            added, state = advance(state, label)
            score += added
            states.append(state)
        factor = math.exp(score if -MAX_SCORE < score < MAX_SCORE else math.copysign(MAX_SCORE, score))
        key = (label, *states)
        number = self.numbers.get(key)
        if number is None:
            with self._lock:
                number = self.numbers.setdefault(key, len(self.states))
                if number == len(self.states):
                    self.states.append(states)
        self.moves[future * self.classes + label] = factor, number
        return factor, number

    def end(self, future: int) -> float:
        """The score of the end of the line."""
        return sum(scorer.end(state) for scorer, state in zip(self.scorers, self.states[future], strict=True))


class _Beam:
    """The prefixes that are kept, with the probabilities of their paths so far, relative to the best prefix.

    Prefixes are numbered in a tree, where a prefix that was dropped keeps its number: when it comes back, those that
    continue it are known as its own, and no text is in the beam twice. A step has some ten prefixes and two or three
    characters, for which plain loops are faster than arrays.
    """

    def __init__(self, futures: _Futures, log_prob: float) -> None:
        self.known = futures
        self.log_prob = log_prob  # what the logarithms of all probabilities lack
        self.edges: dict[int, int] = {}  # shorter prefix * classes + last label -> prefix
        self.shorter = [-1]  # of each prefix of the tree: the prefix without its last character
        self.labels = [-1]  # its last label
        self.futures = [0]
        # of each prefix of the beam, with what scorers added
        self.with_blank = {0: 1.0}  # probability of the paths that end in a blank
        self.without = {0: 0.0}  # of those that end in the last label
        self.total = {0: 1.0}

    def pause(self) -> None:
        """Pass steps at which only the blank is tried; its probability relative to the best class is 1 there."""
        self.with_blank = self.total
        self.without = dict.fromkeys(self.total, 0.0)

    def step(self, row: dict[int, float], blank: float, width: int, margin: float, merge: bool) -> None:
        """One step.

        Args:
            row: probability of each character that is tried.
            blank: that of the blank.
            width, margin, merge: as for :class:`BeamSearch`.
        """
        labels, futures, edges = self.labels, self.futures, self.edges
        classes, moves = self.known.classes, self.known.moves
        with_blank = {prefix: total * blank for prefix, total in self.total.items()}
        without = {prefix: prob * row.get(labels[prefix], 0.0) for prefix, prob in self.without.items()}
        characters = list(row.items())
        for shorter, before in self.total.items():
            last, future_base, edge_base = labels[shorter], futures[shorter] * classes, shorter * classes
            for label, prob in characters:
                # a character that follows itself needs a blank between
                prob *= self.with_blank[shorter] if label == last else before
                # the best prefix has the probability 1, and so has the best class
                if prob <= margin:
                    continue
                factor, future = moves.get(future_base + label) or self.known.move(futures[shorter], label)
                prob *= factor
                prefix = edges.get(edge_base + label, -1)
                if prefix in without:  # it was in the beam
                    without[prefix] += prob
                elif prob > margin:
                    if prefix < 0:
                        prefix = edges[edge_base + label] = len(labels)
                        self.shorter.append(shorter)
                        labels.append(label)
                        futures.append(future)
                    without[prefix] = prob
        total = without.copy()
        for prefix, prob in with_blank.items():
            total[prefix] += prob
        best = max(total.values())
        least = margin * best
        kept = [prefix for prefix, prob in total.items() if prob > least]
        if len(kept) > 1:
            kept.sort(key=total.__getitem__, reverse=True)
            if merge:
                firsts: dict[int, int] = {}
                for prefix in kept:
                    firsts.setdefault(futures[prefix], prefix)
                kept = list(firsts.values())
            del kept[width:]
        self.with_blank = {prefix: with_blank.get(prefix, 0.0) / best for prefix in kept}
        self.without = {prefix: without[prefix] / best for prefix in kept}
        self.total = {prefix: total[prefix] / best for prefix in kept}
        self.log_prob += math.log(best)

    def texts(self) -> list[tuple[np.ndarray, float]]:
        """Labels and score of each prefix as a whole text, best first."""
        found = [
            (self._labels(prefix), self.log_prob + math.log(total) + self.known.end(self.futures[prefix]))
            for prefix, total in self.total.items()
        ]
        return sorted(found, key=lambda text: -text[1])

    def _labels(self, prefix: int) -> np.ndarray:
        labels = []
        while prefix:
            labels.append(self.labels[prefix])
            prefix = self.shorter[prefix]
        return np.array(labels[::-1], np.int64)
