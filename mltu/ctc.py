"""CTC: the best path and its text, alignment of a given text, and the probability of a text.

Everywhere `log_probs` are the natural logarithms of a network's output for one line, shape (steps, classes); the
last class is the blank (Graves et al., "Connectionist Temporal Classification", ICML 2006). A span is the first and
past-the-last step at which a label is emitted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

MIN_LOG_PROB = -1e3  # stands for the logarithm of zero, so that an impossible step leaves a line readable
BAND = 100  # labels by which an alignment may be ahead of the best path, or behind it, before it is made more slowly
MAX_CELLS = 2**21  # steps times states of which scores are in memory at once, 16 MB


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


def join_windows(windows: Sequence[np.ndarray], shared: int) -> np.ndarray:
    """The output for a line that a network was shown in overlapping windows.

    Neighbours are joined in the middle half of the steps that they share, where both are surest of a blank, so that no
    character is cut and each step comes from a window that sees what is around it.

    Args:
        windows: `log_probs` of each, from left to right.
        shared: last steps of each window that are the first of the next one.

    Returns:
        `log_probs` of the line.
    """
    parts, start = [], 0
    for window, following in pairwise(windows):
        blanks = window[len(window) - shared :, -1] + following[:shared, -1]
        middle = blanks[shared // 4 : shared - shared // 4]
        end = shared // 4 + int(middle.argmax()) if shared else 0
        parts.append(window[start : len(window) - shared + end])
        start = end
    return np.concatenate([*parts, windows[-1][start:]])


def steps_needed(labels: np.ndarray) -> int:
    """Length of the shortest path that gives a text: a step for each label and a blank between equal neighbours.

    Graves et al. (2006), sec. 3.1; with fewer steps the loss is infinite.

    Args:
        labels: class indices, shape (labels,).
    """
    return len(labels) + int(np.count_nonzero(labels[1:] == labels[:-1]))


def _trellis(labels: np.ndarray, blank: int) -> tuple[np.ndarray, np.ndarray]:
    """The states of a text: its labels with a blank before, between and behind them.

    Returns:
        (class of each state, shape (states,); 0 for states that can follow the last but one, else -inf: a blank may be
        passed over between two different labels).
    """
    states = np.full(2 * len(labels) + 1, blank)
    states[1::2] = labels
    passing = np.full(len(states), -np.inf)
    passing[1:2] = 0
    passing[3::2][labels[1:] != labels[:-1]] = 0
    return states, passing


def _emissions(log_probs: np.ndarray, states: np.ndarray) -> np.ndarray:
    """Logarithm of emitting each state at each step, shape (steps, states)."""
    return np.fmax(log_probs, MIN_LOG_PROB, dtype=np.float64)[:, states]


def _viterbi(emissions: np.ndarray, passing: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Logarithm of the best path to each state before each step and behind the last, shape (steps + 1, states + 2).

    Args:
        emissions: of :func:`_emissions`.
        passing: of :func:`_trellis`.
        first: the result before the first step. Two places in front, for the start and for nothing, give every state
            two before it.
    """
    scores = np.full((len(emissions) + 1, len(first)), -np.inf)
    scores[0] = first
    for before, after, emission in zip(scores[:-1], scores[1:, 2:], emissions, strict=True):
        np.maximum(before[2:], before[1:-1], out=after)
        np.maximum(after, before[:-2] + passing, out=after)
        after += emission
    return scores


def _path_near(
    log_probs: np.ndarray, states: np.ndarray, passing: np.ndarray, expected: np.ndarray, reach: int
) -> np.ndarray | None:
    """The state at each step of the best path that is never farther than `reach` states from the expected ones.

    Args:
        log_probs: shape (steps, classes).
        states: of :func:`_trellis`, as `passing`.
        expected: state before each step and behind the last, ascending, shape (steps + 1,).
        reach: in states.

    Returns:
        Shape (steps,); None if the path comes to the edge of its band, so that a better one may be outside.
    """
    steps, count = len(log_probs), len(states)
    # the scores that each block of steps begins with are kept, and the others made again
    length = MAX_CELLS // min(count, 4 * reach) + 1
    first = np.full(count + 2, -np.inf)
    first[1] = 0
    blocks = []
    for start in range(0, steps, length):
        end = min(start + length, steps)
        low, high = max(0, expected[start] - reach), min(count, expected[end] + reach + 1)
        blocks.append((start, end, low, high, first[low : high + 2].copy()))
        if end < steps:
            emissions = _emissions(log_probs[start:end], states[low:high])
            last = _viterbi(emissions, passing[low:high], blocks[-1][-1])[-1, 2:]
            first = np.full(count + 2, -np.inf)
            first[low + 2 : high + 2] = last
    path = np.empty(steps, np.int64)
    state = None
    for start, end, low, high, first in reversed(blocks):
        scores = _viterbi(_emissions(log_probs[start:end], states[low:high]), passing[low:high], first)
        if state is None:
            if high < count or not np.isfinite(scores[-1, -2:]).any():
                return None
            state = count - 1 if scores[-1, -1] > scores[-1, -2] else count - 2
        stay, advance, skip = scores[:-1, 2:], scores[:-1, 1:-1], scores[:-1, :-2] + passing[low:high]
        moves = np.where(skip > np.maximum(stay, advance), 2, advance > stay)  # by how many states each step went on
        for step in reversed(range(len(moves))):
            if (state < low + 2 and low) or (state >= high - 2 and high < count):
                return None
            path[start + step] = state
            state -= int(moves[step, state - low])
    return path


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
    states, passing = _trellis(labels, classes - 1)
    # the path is looked for near the best one, in which as large a share of the labels is written at each step
    begun = np.searchsorted(spans[:, 0], np.arange(steps + 1)) * (2 * len(labels) / max(1, len(best_labels)))
    reach = 2 * (BAND + abs(len(labels) - len(best_labels)))
    while (path := _path_near(log_probs, states, passing, begun.astype(int), reach)) is None:
        reach *= 2
    written = np.arange(1, len(states), 2)
    return np.stack([np.searchsorted(path, written), np.searchsorted(path, written, side="right")], axis=1)


def text_log_prob(log_probs: np.ndarray, labels: Sequence[int] | np.ndarray) -> float:
    """Logarithm of the probability of a text: the sum over all paths that give it (Graves et al., 2006, sec. 4.1).

    Args:
        log_probs: shape (steps, classes).
        labels: class indices, shape (labels,).

    Returns:
        Natural logarithm; -inf if there are too few steps, or if one is as good as impossible.
    """
    states, passing = _trellis(np.asarray(labels, np.int64), log_probs.shape[1] - 1)
    passing = np.exp(passing)
    scores = np.zeros(len(states) + 2)
    scores[1] = 1
    total = 0.0
    length = MAX_CELLS // len(states) + 1
    for start in range(0, len(log_probs), length):
        emissions = _emissions(log_probs[start : start + length], states)
        peaks = emissions.max(axis=1)
        total += float(peaks.sum())
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
