"""Estimation of a character n-gram model: counts of n-grams, and modified Kneser-Ney smoothing.

Chen and Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling" (TR-10-98, Harvard, 1998).
Symbols are numbers: the characters of the alphabet in the order of their code points, then the line break.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .utils.errors import InputError
from .utils.progress import ProgressBar

BREAK = "\n"  # between lines: as a prediction it ends a line, in a context it begins one
PRUNED_FROM = 5  # characters; rare n-grams as long as this or longer are dropped
MAX_ENTRIES = 2**23  # n-grams of a model; loading takes some 80 bytes of memory for each
MIN_DISCOUNT = 0.01  # keeps every probability above zero
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)  # for texts too small to estimate them


class Level(NamedTuple):
    """The part of a model for contexts of one length.

    Contexts are numbered by (number of the context without its oldest character, oldest character), n-grams by
    (number of the context, next symbol).
    """

    keys: np.ndarray  # int64, shape (contexts,), rising: shorter context * symbols + oldest symbol
    totals: np.ndarray  # int64, shape (contexts,): sum of the counts, dropped n-grams included
    first: np.ndarray  # int64, shape (contexts + 1,): where the n-grams of each context begin
    symbols: np.ndarray  # int64, shape (n-grams,): the next symbol
    counts: np.ndarray  # int64, shape (n-grams,): adjusted as in Kneser-Ney smoothing
    discounts: np.ndarray  # float64, shape (3,): of counts of 1, of 2, and of 3 or more
    probabilities: np.ndarray  # float64, shape (n-grams,): discounted
    backoffs: np.ndarray  # float64, shape (contexts,): the share that is left for the shorter context

    @classmethod
    def from_counts(
        cls,
        keys: np.ndarray,
        totals: np.ndarray,
        followers: np.ndarray,
        symbols: np.ndarray,
        counts: np.ndarray,
        discounts: np.ndarray,
    ) -> Level:
        """Work out probabilities; `followers` is the number of n-grams of each context, shape (contexts,)."""
        contexts = np.repeat(np.arange(len(keys)), followers)
        taken = discounts[np.minimum(counts, 3) - 1]
        probabilities = (counts - taken) / totals[contexts]
        backoffs = (
            totals - np.bincount(contexts, counts, len(keys)) + np.bincount(contexts, taken, len(keys))
        ) / totals
        first = np.concatenate([[0], np.cumsum(followers)])
        return cls(keys, totals, first, symbols, counts, discounts, probabilities, backoffs)


class NgramCounts(NamedTuple):
    """How often the n-grams of one length occur in a text."""

    keys: np.ndarray  # int64, shape (contexts,), rising: shorter context * symbols + oldest symbol
    ngrams: np.ndarray  # int64, shape (n-grams,), rising: context * symbols + next symbol
    seen: np.ndarray  # int64, shape (n-grams,)


def count_ngrams(text: np.ndarray, symbols: int, order: int, progress: bool = False) -> list[NgramCounts]:
    """Count the n-grams of a text, for each length of context from 0.

    Args:
        text: symbols, shape (characters,); a line break stands before and after every line.
        symbols: how many there are.
        order: symbols of the longest n-grams.
        progress: show a bar on standard error.

    Raises:
        InputError: there are too many different n-grams.
    """
    places = np.arange(len(text))
    line_starts = np.maximum.accumulate(np.where(text == symbols - 1, places, 0))
    next_places = places[1:]  # of the predicted symbols: all but the first line break
    room = next_places - line_starts[:-1]  # symbols before each of them in its line, with the line break
    context = np.zeros(len(next_places), np.int64)
    keys = np.zeros(1, np.int64)
    counts = []
    for length in ProgressBar(range(order), desc="Counting", unit="order", disable=not progress):
        if length:
            enough = room >= length
            next_places, room = next_places[enough], room[enough]
            keys, context = np.unique(context[enough] * symbols + text[next_places - length], return_inverse=True)
        ngrams, seen = np.unique(context * symbols + text[next_places], return_counts=True)
        counts.append(NgramCounts(keys, ngrams, seen))
        if sum(len(level.ngrams) for level in counts) > 16 * MAX_ENTRIES:
            raise InputError("the text has too many different n-grams; lower --order")
    return counts


def smooth(counts: Sequence[NgramCounts], symbols: int, min_count: int) -> list[Level]:
    """Turn counts into the levels of a model.

    Args:
        counts: as :func:`count_ngrams` returns them.
        symbols: how many there are.
        min_count: n-grams of `PRUNED_FROM` symbols or more are dropped if they are seen less often.

    Raises:
        InputError: the model would have too many n-grams.
    """
    levels = []
    numbers = np.zeros(1, np.int64)  # new numbers of the contexts one symbol shorter, -1 for dropped ones
    for length, (keys, ngrams, seen) in enumerate(counts):
        contexts = ngrams // symbols
        adjusted = seen
        if length + 1 < len(counts):
            longer = counts[length + 1]
            shortened = longer.keys[longer.ngrams // symbols] // symbols * symbols + longer.ngrams % symbols
            # the number of longer n-grams that end in each n-gram; those that begin a line keep their count
            ends = np.bincount(np.searchsorted(ngrams, shortened), minlength=len(ngrams))
            adjusted = np.where(ends > 0, ends, seen)
        totals = np.bincount(contexts, adjusted, len(keys)).astype(np.int64)
        kept = seen >= (min_count if length + 1 >= PRUNED_FROM else 1)
        followers = np.bincount(contexts[kept], minlength=len(keys))
        useful = followers > 0
        levels.append(
            Level.from_counts(
                numbers[keys[useful] // symbols] * symbols + keys[useful] % symbols,
                totals[useful],
                followers[useful],
                ngrams[kept] % symbols,
                adjusted[kept],
                estimate_discounts(adjusted),
            )
        )
        numbers = np.where(useful, np.cumsum(useful) - 1, -1)
    if sum(len(level.symbols) for level in levels) > MAX_ENTRIES:
        raise InputError(f"the model would have more than {MAX_ENTRIES:,} n-grams; raise --min_count or lower --order")
    return levels


def estimate_discounts(counts: np.ndarray) -> np.ndarray:
    """Chen and Goodman's D1, D2 and D3+, from how many n-grams have a count of 1, 2, 3 and 4; shape (3,)."""
    ones, twos, threes, fours = (int(np.count_nonzero(counts == count)) for count in (1, 2, 3, 4))
    if min(ones, twos, threes, fours) > 0:
        y = ones / (ones + 2 * twos)
        discounts = np.array([1 - 2 * y * twos / ones, 2 - 3 * y * threes / twos, 3 - 4 * y * fours / threes])
        if (discounts >= MIN_DISCOUNT).all():
            return discounts
    return np.array(FALLBACK_DISCOUNTS)
