"""How sure a reading is: confidences of characters, and the temperature that makes them honest.

A network's probabilities are as a rule too high. Dividing its logits by one number, the temperature, before the
softmax mends most of that (Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, sec. 4.2).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TEMPERATURES = np.geomspace(0.25, 8, 141)
EXPONENTS = np.geomspace(0.25, 4, 113)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis; logarithms of probabilities do as logits."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def peaks(log_probs: np.ndarray, labels: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """What the network says at the step that shows each character best.

    Args:
        log_probs: of a line, shape (steps, classes).
        labels: class indices of what was read, shape (labels,).
        spans: first and past-the-last step of each, shape (labels, 2).

    Returns:
        Shape (labels, classes).
    """
    steps = [
        start + int(log_probs[start:end, label].argmax()) for label, (start, end) in zip(labels, spans, strict=True)
    ]
    return log_probs[np.array(steps, np.int64)]


def character_edges(spans: np.ndarray) -> np.ndarray:
    """Where characters meet: half-way between the steps that show them.

    Args:
        spans: first and past-the-last step of each character, shape (labels, 2).

    Returns:
        In steps, shape (labels + 1,); one 0 if there are no labels.
    """
    if not len(spans):
        return np.zeros(1)
    middles = spans.mean(axis=1)
    between = (middles[1:] + middles[:-1]) / 2
    half = float(np.median(np.diff(middles))) / 2 if len(middles) > 1 else float(np.ptp(spans[0]))
    return np.array([max(0.0, middles[0] - half), *between, middles[-1] + half])


def fit_temperature(logits: np.ndarray, labels: np.ndarray, right: Sequence[bool]) -> float:
    """The temperature under which the confidences of characters say best whether these are right.

    Args:
        logits: of each character that was read, shape (characters, classes), as :func:`peaks` gives them.
        labels: what was read, shape (characters,).
        right: whether it is.

    Returns:
        The one of `TEMPERATURES` with the least negative log-likelihood of `right`; 1 without any character.
    """
    right = np.asarray(right, bool)
    if not len(right):
        return 1.0

    def cost(temperature: float) -> float:
        return _cost(softmax(logits / temperature)[np.arange(len(labels)), labels], right)

    return round(float(min(TEMPERATURES, key=cost)), 4)


def fit_exponent(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The power of confidences that says best what is right, as :func:`fit_temperature` does."""
    if not len(right):
        return 1.0
    confidences, right = np.asarray(confidences), np.asarray(right, bool)
    return round(float(min(EXPONENTS, key=lambda power: _cost(confidences**power, right))), 4)


def _cost(confidence: np.ndarray, right: np.ndarray) -> float:
    """Mean negative log-likelihood of what is right."""
    confidence = np.clip(confidence, 1e-6, 1 - 1e-6)
    return -float(np.log(np.where(right, confidence, 1 - confidence)).mean())
