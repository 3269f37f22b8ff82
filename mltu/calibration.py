"""How far confidences can be trusted: calibration error, and the two numbers that reduce it.

A network's probabilities are as a rule too high. Dividing its logits by one number, the temperature, before the
softmax corrects most of that (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, sec. 4.2). The
confidence of a word is a power of the product of its characters' confidences; the exponent is fitted likewise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .ctc import peak_steps
from .datasets.base import Sample
from .error_analysis import Evaluated, align
from .inferenceModel import set_metadata
from .loading.workers import map_ahead
from .utils.errors import InputError
from .utils.image_utils import read_image
from .utils.progress import ProgressBar

if TYPE_CHECKING:
    from .recognizer import LineRecognizer

TEMPERATURES = np.geomspace(0.25, 8, 141)
EXPONENTS = np.geomspace(0.25, 4, 113)
CALIBRATION_LINES = 500  # are enough for two numbers


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis; logarithms of probabilities are logits too."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


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


def calibrate(model: LineRecognizer, samples: Sequence[Sample]) -> dict[str, tuple[float, float]]:
    """Fit the confidences of a model to lines with their true texts, and store both numbers in its file.

    Args:
        model: a :class:`.LineRecognizer` without a decoder of its own.
        samples: lines that it was not trained on, of which the first `CALIBRATION_LINES` are used; unreadable
            images are skipped.

    Returns:
        Expected calibration errors of characters and words, before and after; NaN if nothing was read.
    """

    def read(sample: Sample) -> tuple | None:
        try:
            image = read_image(sample.image)
        except InputError:
            return None
        prepared = model.line_input(image)
        return model.decode(model.log_probabilities(prepared[None])[0]), prepared.shape, image.shape

    samples = samples[:CALIBRATION_LINES]
    ahead = map_ahead(model.pool, read, samples, 4 * model.threads)
    progress = ProgressBar(ahead, total=len(samples), desc="Calibrating", unit="line")
    decoded = [(sample, line) for sample, line in zip(samples, progress, strict=True) if line is not None]

    def scores() -> dict[str, tuple[list[float], list[bool]]]:
        lines = [Evaluated(sample.image, sample.text, model.describe(*line)) for sample, line in decoded]
        return {"characters": score_characters(lines), "words": score_words(lines)}

    model.temperature = model.word_exponent = 1.0
    before = scores()
    if before["characters"][1]:
        logits = np.concatenate([line.log_probs[peak_steps(*line)] for _, (line, *_) in decoded])
        labels = np.concatenate([line.labels for _, (line, *_) in decoded])
        model.temperature = fit_temperature(logits, labels, before["characters"][1])
        model.word_exponent = fit_exponent(*scores()["words"])
    after = scores()
    set_metadata(model.model_path, temperature=model.temperature, word_exponent=model.word_exponent)
    return {name: (calibration_error(*before[name]), calibration_error(*after[name])) for name in before}
