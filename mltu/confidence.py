"""Which steps show the characters of a line, and where the characters meet."""

from __future__ import annotations

import numpy as np


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
