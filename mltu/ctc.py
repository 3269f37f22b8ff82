"""CTC: the best path and its text, alignment of a given text, and the probability of a text.

Everywhere `log_probs` are the natural logarithms of a network's output for one line, shape (steps, classes); the
last class is the blank (Graves et al., "Connectionist Temporal Classification", ICML 2006). A span is the first and
past-the-last step at which a label is emitted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

MIN_LOG_PROB = -1e3  # stands for the logarithm of zero, so that an impossible step leaves a line readable


def collapse_path(path: np.ndarray, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """Merge the repeats of a path, then drop its blanks: the map B of Graves et al. (2006), sec. 3.1.

    Args:
        path: class index of each step, shape (steps,).
        blank: index of the blank.

    Returns:
        (labels, spans): class indices, shape (labels,), and the span of each, shape (labels, 2).
    """
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    ends = np.append(starts, len(path))[1:]
    written = path[starts] != blank
    return path[starts][written], np.stack([starts, ends], axis=1)[written]


def greedy_decode(log_probs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Best path decoding: the best class of every step, collapsed.

    Args:
        log_probs: shape (steps, classes); probabilities give the same.

    Returns:
        (labels, spans), as :func:`collapse_path`.
    """
    return collapse_path(np.argmax(log_probs, axis=1), log_probs.shape[1] - 1)


def steps_needed(labels: np.ndarray) -> int:
    """Length of the shortest path that gives a text: a step for each label and a blank between equal neighbours.

    Graves et al. (2006), sec. 3.1; with fewer steps the loss is infinite.

    Args:
        labels: class indices, shape (labels,).
    """
    return len(labels) + int(np.count_nonzero(labels[1:] == labels[:-1]))


def _trellis(log_probs: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The states of a text: its labels with a blank before, between and behind them.

    Returns:
        (logarithm of emitting each state at each step, shape (steps, states); 0 for states that can follow the last
        but one, else -inf: a blank may be passed over between two different labels).
    """
    states = np.full(2 * len(labels) + 1, log_probs.shape[1] - 1)
    states[1::2] = labels
    passing = np.full(len(states), -np.inf)
    passing[1:2] = 0
    passing[3::2][labels[1:] != labels[:-1]] = 0
    return np.fmax(log_probs, MIN_LOG_PROB, dtype=np.float64)[:, states], passing


def align(log_probs: np.ndarray, labels: Sequence[int] | np.ndarray) -> np.ndarray:
    """Where each label of a given text is emitted, on the most probable path that gives the text.

    Viterbi search: the recursion of Graves et al. (2006), sec. 4.1, with maxima for the sums. For the labels of
    :func:`greedy_decode` the result is the spans of :func:`greedy_decode`.

    Args:
        log_probs: shape (steps, classes).
        labels: class indices, shape (labels,).

    Returns:
        The span of each label, shape (labels, 2).

    Raises:
        ValueError: a label is not a character, or there are too few steps for them all.
    """
    labels = np.asarray(labels, np.int64)
    steps, classes = log_probs.shape
    if ((labels < 0) | (labels >= classes - 1)).any():
        raise ValueError(f"labels must be 0 to {classes - 2}, not {labels.min()} to {labels.max()}")
    needed = steps_needed(labels)
    if needed > steps:
        raise ValueError(f"the labels need {needed} steps, and there are {steps}")
    best_labels, spans = greedy_decode(log_probs)
    if np.array_equal(best_labels, labels):  # no path is better than the best
        return spans
    emissions, passing = _trellis(log_probs, labels)
    count = emissions.shape[1]
    # two places in front, for the start and for nothing, so that every state has two before it
    scores = np.full((steps + 1, count + 2), -np.inf)
    scores[0, 1] = 0
    for before, after, emission in zip(scores[:-1], scores[1:, 2:], emissions, strict=True):
        np.maximum(before[2:], before[1:-1], out=after)
        np.maximum(after, before[:-2] + passing, out=after)
        after += emission
    stay, advance, skip = scores[:-1, 2:], scores[:-1, 1:-1], scores[:-1, :-2] + passing
    moves = np.where(skip > np.maximum(stay, advance), 2, advance > stay)  # by how many states each step went on
    state = count - 1 if scores[-1, -1] > scores[-1, -2] else count - 2
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
        Natural logarithm; -inf if there are too few steps, or if one is as good as impossible.
    """
    emissions, passing = _trellis(log_probs, np.asarray(labels, np.int64))
    peaks = emissions.max(axis=1, initial=-np.inf)
    passing = np.exp(passing)
    scores = np.zeros(emissions.shape[1] + 2)
    scores[1] = 1
    total = float(peaks.sum())
    # probabilities are scaled at each step, which is faster than adding logarithms
    for emission in np.exp(emissions - peaks[:, None]):
        scores[2:] = (scores[2:] + scores[1:-1] + scores[:-2] * passing) * emission
        scores[1] = 0
        scale = float(scores.max())
        if scale == 0:
            return -math.inf
        scores /= scale
        total += math.log(scale)
    last = float(scores[-1] + scores[-2])
    return total + math.log(last) if last > 0 else -math.inf


def peak_steps(log_probs: np.ndarray, labels: np.ndarray, spans: np.ndarray) -> np.ndarray:
    """The step of each span at which its label is most probable.

    Args:
        log_probs: shape (steps, classes).
        labels: class indices, shape (labels,).
        spans: of the labels, shape (labels, 2).

    Returns:
        Steps, shape (labels,).
    """
    steps = [
        start + int(log_probs[start:end, label].argmax()) for label, (start, end) in zip(labels, spans, strict=True)
    ]
    return np.array(steps, np.int64)


def character_boundaries(spans: np.ndarray) -> np.ndarray:
    """Where characters meet: half-way between the middles of their spans.

    Args:
        spans: of the characters, shape (labels, 2).

    Returns:
        In steps, shape (labels + 1,); one 0 if there are no labels.
    """
    if not len(spans):
        return np.zeros(1)
    middles = spans.mean(axis=1)
    between = (middles[1:] + middles[:-1]) / 2
    half = float(np.median(np.diff(middles))) / 2 if len(middles) > 1 else float(np.ptp(spans[0]))
    return np.array([max(0.0, middles[0] - half), *between, middles[-1] + half])
