"""Greedy decoding of batches, and error rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import Levenshtein

from ..ctc import greedy_decode


def ctc_decoder(predictions: np.ndarray, chars: str | Sequence[str]) -> list[str]:
    """Greedy CTC decoding of a batch, as :func:`mltu.ctc.greedy_decode`, into texts.

    Args:
        predictions: class scores, shape (batch, steps, len(chars) + 1); the blank comes last.
        chars: the vocabulary, in the order of the classes.
    """
    return ["".join(chars[label] for label in greedy_decode(scores)[0]) for scores in np.asarray(predictions)]


def edit_distance(prediction_tokens: Sequence[str], reference_tokens: Sequence[str]) -> int:
    """Levenshtein distance: the fewest insertions, deletions and substitutions between two sequences."""
    return Levenshtein.distance(prediction_tokens, reference_tokens)


def bootstrap_interval(errors: Sequence[int], totals: Sequence[int], resamples: int = 2000) -> tuple[float, float]:
    """95 % percentile interval of an error rate, by drawing the lines anew with replacement.

    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), ch. 13. Each line has a number of edits and a
    total of true characters or words.
    """
    rng = np.random.default_rng(0)
    counts = np.array([errors, totals], np.float64)
    rates = []
    for _ in range(resamples):
        drawn_errors, drawn_total = counts[:, rng.integers(0, counts.shape[1], counts.shape[1])].sum(axis=1)
        rates.append(drawn_errors / max(drawn_total, 1))
    low, high = np.quantile(rates, [0.025, 0.975])
    return float(low), float(high)


def count_errors(
    preds: Sequence[str], target: Sequence[str], tokens: Callable[[str], Sequence[str]] = list
) -> tuple[int, int]:
    """(Errors, reference tokens): edit distances and reference lengths, summed over pairs of predicted and true texts.

    `tokens` splits a text into the tokens to count: `list` into characters, `str.split` into words. ValueError if
    there are more texts of one kind.
    """
    errors = total = 0
    for pred, true in zip(preds, target, strict=True):
        true_tokens = tokens(true)
        errors += edit_distance(tokens(pred), true_tokens)
        total += len(true_tokens)
    return errors, total


class ErrorRate(NamedTuple):
    """Error rate of many lines: edits divided by true tokens."""

    errors: int
    total: int  # true characters or words
    low: float  # lower end of the 95 % bootstrap interval over the lines
    high: float  # its upper end

    @property
    def rate(self) -> float:
        """The rate as a fraction."""
        return self.errors / max(self.total, 1)


def error_rate(preds: Sequence[str], target: Sequence[str], tokens: Callable[[str], Sequence[str]] = list) -> ErrorRate:
    """Error rate of many lines with its interval; arguments as :func:`count_errors`."""
    pairs = zip(preds, target, strict=True)
    errors, totals = zip(*(count_errors([pred], [true], tokens) for pred, true in pairs), strict=True)
    return ErrorRate(sum(errors), sum(totals), *bootstrap_interval(errors, totals))


def _rate(preds: str | Sequence[str], target: str | Sequence[str], tokens: Callable) -> float:
    preds = [preds] if isinstance(preds, str) else preds
    target = [target] if isinstance(target, str) else target
    errors, total = count_errors(preds, target, tokens)
    if total:
        return errors / total
    return float("inf") if errors else 0.0


def get_cer(preds: str | Sequence[str], target: str | Sequence[str]) -> float:
    """Character error rate: character edits of a text or of all of a list, divided by the true characters.

    A fraction (0.05 is 5 %) that can exceed 1. Without any true character it is 0 if nothing was predicted, else
    infinity. ValueError if the lists have different lengths.
    """
    return _rate(preds, target, list)


def get_wer(preds: str | Sequence[str], target: str | Sequence[str]) -> float:
    """Word error rate: as :func:`get_cer`, over words separated by white space."""
    return _rate(preds, target, str.split)
