"""How far confidences can be trusted: calibration error, and the two numbers that reduce it.

A network's probabilities are as a rule too high. Dividing its logits by one number, the temperature, before the
softmax corrects most of that (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, sec. 4.2). The
confidence of a word is a power of the product of its characters' confidences; the exponent is fitted likewise.
That of a line is the product, without one.

A decoder that knows the language writes characters that the network finds unlikely, and is right about half of them:
their confidences, and those of words and lines, follow other rules, which :func:`with_language` and
`LANGUAGE_EXPONENTS` hold. They were fitted to lines of unseen writers, read with a model of their language.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from .error_analysis import Evaluated, align
from .inferenceModel import set_metadata
from .readings import line_confidence
from .utils.errors import InputError

if TYPE_CHECKING:
    from .recognizer import LineRecognizer

TEMPERATURES = np.geomspace(0.25, 8, 141)
EXPONENTS = np.geomspace(0.25, 4, 113)
MIN_LINES, MAX_LINES = 50, 500  # to fit two numbers to
FOLDS = 5
LANGUAGE_EXPONENTS = 0.86, 0.71  # of words and lines


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis; logarithms of probabilities are logits too."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def with_language(probability: float) -> float:
    """Confidence of a character that a decoder which knows the language has chosen.

    Args:
        probability: of the character, as the network sees it.
    """
    return (1 + probability**2) / 2


def reliability_bins(
    confidences: Sequence[float], correct: Sequence[bool], bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort confidences into bins of equal width; a bin includes its upper edge, as in Guo et al., sec. 2.

    Args:
        confidences: 0 to 1, shape (elements,).
        correct: whether each element is correct, shape (elements,).
        bins: their number.

    Returns:
        Elements, sum of the confidences and number of correct elements of each bin, each of shape (bins,).

    Raises:
        ValueError: the two have different lengths.
    """
    if len(confidences) != len(correct):
        raise ValueError(f"{len(confidences)} confidences for {len(correct)} elements")
    indices = np.digitize(confidences, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    return tuple(np.bincount(indices, weights, bins) for weights in (None, confidences, correct))


def calibration_error(confidences: Sequence[float], correct: Sequence[bool], bins: int = 15) -> float:
    """Expected calibration error: the mean distance between confidence and accuracy.

    Guo et al., sec. 2: the difference between the mean confidence and the accuracy of each bin, weighted by its
    elements.

    Args:
        confidences: as for :func:`reliability_bins`, which says what is raised.
        correct: likewise.
        bins: their number.

    Returns:
        0 (calibrated) to 1; NaN without any element.
    """
    _, sums, hits = reliability_bins(confidences, correct, bins)
    return float(np.abs(hits - sums).sum() / len(correct)) if len(correct) else math.nan


def score_characters(lines: Iterable[Evaluated]) -> tuple[list[float], list[bool]]:
    """Confidence of every character that was read, and whether the alignment pairs it with the same true one."""
    confidences, correct = [], []
    for line in lines:
        confidences += [character.confidence for character in line.reading.characters]
        correct += [true == read for true, read in align(line.text, line.reading.text) if read]
    return confidences, correct


def score_words(lines: Iterable[Evaluated]) -> tuple[list[float], list[bool]]:
    """As :func:`score_characters`, for words."""
    confidences, correct = [], []
    for line in lines:
        words = line.reading.words
        confidences += [word.confidence for word in words]
        correct += [true == read for true, read in align(line.text.split(), [word.text for word in words]) if read]
    return confidences, correct


def score_lines(lines: Iterable[Evaluated]) -> tuple[list[float], list[bool]]:
    """As :func:`score_characters`, for whole lines of which anything was read."""
    lines = [line for line in lines if line.reading.text]
    return [line.reading.confidence for line in lines], [line.reading.text == line.text for line in lines]


SCORES = {"characters": score_characters, "words": score_words, "lines": score_lines}


def fit_temperature(logits: np.ndarray, labels: np.ndarray, correct: Sequence[bool]) -> float:
    """The temperature whose confidences predict best which characters are correct.

    Args:
        logits: of each character that was read, shape (characters, classes).
        labels: class indices of these characters, shape (characters,).
        correct: whether each is correct, shape (characters,).

    Returns:
        The one of `TEMPERATURES` with the least negative log-likelihood of `correct`; 1 without any character.
    """
    if not len(correct):
        return 1.0

    def loss(temperature: float) -> float:
        return _negative_log_likelihood(softmax(logits / temperature)[np.arange(len(labels)), labels], correct)

    return round(float(min(TEMPERATURES, key=loss)), 4)


def fit_exponent(confidences: Sequence[float], correct: Sequence[bool]) -> float:
    """The one of `EXPONENTS` whose powers of the confidences predict best what is correct; 1 without any element."""
    if not len(correct):
        return 1.0
    confidences = np.asarray(confidences)
    loss = [_negative_log_likelihood(confidences**exponent, correct) for exponent in EXPONENTS]
    return round(float(EXPONENTS[np.argmin(loss)]), 4)


def _negative_log_likelihood(confidences: np.ndarray, correct: Sequence[bool]) -> float:
    confidences = np.clip(confidences, 1e-6, 1 - 1e-6)
    return -float(np.log(np.where(correct, confidences, 1 - confidences)).mean())


def calibrate(model: LineRecognizer, lines: Sequence[Evaluated]) -> dict[str, tuple[float, float]]:
    """Fit the confidences of a model to lines with their true texts, and store both numbers in its file.

    The errors are measured by cross-validation: each fifth of the lines with numbers that were fitted to the others.

    Args:
        model: a :class:`.LineRecognizer` without a decoder of its own.
        lines: that it was not trained on, read with `keeps_peaks`; of more than `MAX_LINES`, as many spread over all.

    Returns:
        Expected calibration errors of characters, words and lines, as they were read and as they are now.

    Raises:
        InputError: fewer than `MIN_LINES` lines.
    """
    if len(lines) < MIN_LINES:
        raise InputError(f"{len(lines)} lines are too few to calibrate with; name a table of {MIN_LINES} or more")
    lines = lines[:: -(-len(lines) // MAX_LINES)]
    held_out: list[Evaluated] = []
    for fold in range(FOLDS):
        numbers = _fit([line for index, line in enumerate(lines) if index % FOLDS != fold])
        held_out += [_recomputed(line, *numbers) for line in lines[fold::FOLDS]]
    model.temperature, model.word_exponent = _fit(lines)
    set_metadata(model.model_path, temperature=model.temperature, word_exponent=model.word_exponent)
    return {
        name: (calibration_error(*score(lines)), calibration_error(*score(held_out))) for name, score in SCORES.items()
    }


def _fit(lines: Sequence[Evaluated]) -> tuple[float, float]:
    """Temperature and word exponent."""
    peaks = [line.reading.peaks for line in lines]
    temperature = fit_temperature(
        np.concatenate([peak.log_probs for peak in peaks]),
        np.concatenate([peak.labels for peak in peaks]),
        score_characters(lines)[1],
    )
    return temperature, fit_exponent(*score_words(_recomputed(line, temperature, 1.0) for line in lines))


def _recomputed(line: Evaluated, temperature: float, word_exponent: float) -> Evaluated:
    """A line with the confidences that other numbers give; the alternatives of characters stay as they were."""
    reading = line.reading
    probabilities = softmax(reading.peaks.log_probs / temperature)[np.arange(len(reading.text)), reading.peaks.labels]
    characters = tuple(
        character._replace(confidence=float(probability))
        for character, probability in zip(reading.characters, probabilities, strict=True)
    )
    confidence = line_confidence(reading.text, characters, word_exponent)
    return line._replace(
        reading=replace(reading, confidence=confidence, characters=characters, word_exponent=word_exponent)
    )
