"""A character n-gram model as an automaton, which scores the characters of a line one after another."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .language_model_estimation import Level

SHARE = 0.15  # of equal probabilities, with which names and numbers cost less than the model says


class Automaton:
    """The states are the contexts of a model, from the empty one, state 0, to the longest.

    The probability of a symbol that was not seen in a context is that in the context without its oldest character,
    times a share; all others are stored. Arrays are kept as memoryviews, which are faster for single numbers, and the
    symbols as a text, which is searched faster still.

    Args:
        levels: of the model, for each length of context from 0.
        symbols: how many there are; the last is the line break.

    Attributes:
        start: the state at the beginning of a line.
    """

    def __init__(self, levels: Sequence[Level], symbols: int) -> None:
        offsets = np.cumsum([0, *(len(level.keys) for level in levels)])
        log_probs: list[np.ndarray] = []
        following: list[np.ndarray] = []  # the state after each n-gram
        probs, states = np.full(symbols, 1 / symbols), np.zeros(symbols, np.int64)
        ngrams = np.arange(symbols)  # context * symbols + next symbol of the level before
        earlier, last = np.zeros(1, np.int64), np.zeros(1, np.int64)
        for length, level in enumerate(levels):
            contexts = np.repeat(np.arange(len(level.keys)), np.diff(level.first))
            # the same symbols in the contexts without their oldest character
            shorter = (level.keys // symbols)[contexts] * symbols + level.symbols
            places, known = _find(ngrams, shorter)
            # a model that was built knows them all; in the file of another they may be missing
            lower = np.where(known, probs[places], 1 / symbols)
            states = np.where(known, states[places], 0)
            probs = level.probabilities + level.backoffs[contexts] * lower
            ngrams = contexts * symbols + level.symbols
            if length + 1 < len(levels):
                # the n-gram that each longer context is: what it has before its newest character, and that
                shorter, oldest = np.divmod(levels[length + 1].keys, symbols)
                if length:
                    earlier, known = _find(level.keys, earlier[shorter] * symbols + oldest)
                    last = last[shorter]
                else:
                    earlier, known, last = np.zeros(len(oldest), np.int64), np.ones(len(oldest), bool), oldest
                places, same = _find(ngrams, earlier * symbols + last)
                known &= same
                states[places[known]] = offsets[length + 1] + np.flatnonzero(known)
            log_probs.append(np.log(probs))
            following.append(states)
        shorter = [level.keys // symbols + offset for level, offset in zip(levels[1:], offsets, strict=False)]
        followers = np.concatenate([np.diff(level.first) for level in levels])
        self._first = memoryview(np.concatenate([[0], np.cumsum(followers)]))
        self._symbols = "".join(map(chr, np.concatenate([level.symbols for level in levels]).tolist()))
        self._log_probs = memoryview(np.concatenate(log_probs))
        self._following = memoryview(np.concatenate(following))
        self._log_backoffs = memoryview(np.log(np.concatenate([level.backoffs for level in levels])))
        self._shorter = memoryview(np.concatenate([np.zeros(1, np.int64), *shorter]))
        self._unseen = -math.log(symbols)
        self.start = self.step(0, symbols - 1)[1]

    def step(self, state: int, symbol: int) -> tuple[float, int]:
        """(natural logarithm of the probability of a symbol, state after it); any other number is never seen."""
        log_prob, symbol = 0.0, chr(symbol)
        while True:
            place = self._symbols.find(symbol, self._first[state], self._first[state + 1])
            if place >= 0:
                return log_prob + self._log_probs[place], self._following[place]
            log_prob += self._log_backoffs[state]
            if state == 0:
                return log_prob + self._unseen, 0
            state = self._shorter[state]


def _find(rising: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(place of each wanted number, whether it is there)."""
    places = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return places, rising[places] == wanted


class CharacterScorer:
    """A :class:`mltu.beam_search.Scorer` over a network's vocabulary, see :meth:`.CharacterModel.scorer`.

    Args:
        automaton: of a model.
        alphabet: of the model.
        vocab: the network's characters, in the order of its classes.
        weight: factor of the logarithms of the probabilities.
        bonus: added for each character.
        share: of equal probabilities of all characters, which are mixed with those of the model.
    """

    def __init__(
        self,
        automaton: Automaton,
        alphabet: str,
        vocab: str | Sequence[str],
        weight: float,
        bonus: float,
        share: float = SHARE,
    ) -> None:
        self.automaton = automaton
        self.weight = weight
        self.bonus = bonus
        self.start = automaton.start
        self._own = 1 - share
        self._equal = share / (len(alphabet) + 1)
        self._break = len(alphabet)
        known = {character: symbol for symbol, character in enumerate(alphabet)}
        self._symbols = [known.get(character, len(known) + 1) for character in vocab]

    def advance(self, state: int, index: int) -> tuple[float, int]:
        """(score of a character, state after it)."""
        log_prob, after = self.automaton.step(state, self._symbols[index])
        # as _mixed does, without the cost of calling it
        return self.weight * math.log(self._own * math.exp(log_prob) + self._equal) + self.bonus, after

    def end(self, state: int) -> float:
        """The score of the end of the line."""
        return self.weight * self._mixed(self.automaton.step(state, self._break)[0])

    def _mixed(self, log_prob: float) -> float:
        return math.log(self._own * math.exp(log_prob) + self._equal)
