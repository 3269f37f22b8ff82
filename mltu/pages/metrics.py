"""How well lines were found: matches of outlines, and the measure of baselines of the cBAD competitions.

The measure of baselines: Gruening et al., "READ-BAD: A New Dataset and Evaluation Scheme for Baseline Detection in
Archival Documents" (DAS 2018), section on the evaluation scheme. Recall takes all found baselines together, so that a
line found in pieces is found; precision gives each found baseline one true one, so that pieces cost precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

TOLERANCE = 0.25  # of the distance between baselines
POINT_DISTANCE = 4.0  # pixels between the points of a baseline that are compared
SAMPLES = 20  # points at least, of a short baseline


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two polygons, shape (points, 2), on pixels."""
    low, high = np.floor(np.minimum(first.min(axis=0), second.min(axis=0))), np.maximum(first.max(0), second.max(0))
    width, height = (np.ceil(high) - low).astype(int) + 1
    masks = [
        cv2.fillPoly(np.zeros((height, width), np.uint8), [np.rint(polygon - low).astype(np.int32)], 1)
        for polygon in (first, second)
    ]
    union = cv2.countNonZero(masks[0] | masks[1])
    return cv2.countNonZero(masks[0] & masks[1]) / union if union else 0.0


def match_polygons(found: Sequence[np.ndarray], true: Sequence[np.ndarray], least: float = 0.5) -> dict[int, int]:
    """Pairs of found and true polygons that overlap by at least `least` (IoU), the closest first, each in one pair.

    Returns:
        index of a found polygon -> index of its true one.
    """
    pairs = []
    for i, one in enumerate(found):
        for j, other in enumerate(true):
            if (one.max(axis=0) >= other.min(axis=0)).all() and (other.max(axis=0) >= one.min(axis=0)).all():
                pairs.append((overlap(one, other), i, j))
    return _best_pairs(pairs, least)


def _best_pairs(pairs: list[tuple[float, int, int]], least: float) -> dict[int, int]:
    matched: dict[int, int] = {}
    taken: set[int] = set()
    for value, i, j in sorted(pairs, key=lambda pair: (-pair[0], *pair[1:])):
        if value >= least and i not in matched and j not in taken:
            matched[i] = j
            taken.add(j)
    return matched


class BaselineScores(NamedTuple):
    """Values between 0 and 1, whose means are recall and precision."""

    recall: np.ndarray  # of each true baseline
    precision: np.ndarray  # of each found baseline


def score_baselines(
    found: Sequence[np.ndarray], true: Sequence[np.ndarray], usual_distance: float, distance: float = POINT_DISTANCE
) -> BaselineScores:
    """Compare baselines, each of shape (points, 2), pixels.

    Args:
        found: baselines.
        true: baselines.
        usual_distance: of baselines, for pages on which none is beside another.
        distance: between the points that are compared.
    """
    tolerances = TOLERANCE * baseline_distances(true, usual_distance)
    true_points = [_resampled(track, distance) for track in true]
    found_points = [_resampled(track, distance) for track in found]
    recall = np.zeros(len(true))
    for j, points in enumerate(true_points):
        nearest = np.full(len(points), np.inf)
        for track in found:
            if _near(points, track, 3 * tolerances[j]):
                np.minimum(nearest, _distances(points, track), out=nearest)
        recall[j] = _coverage(nearest, tolerances[j])
    pairs = []
    for i, points in enumerate(found_points):
        for j, track in enumerate(true):
            if _near(points, track, 3 * tolerances[j]):
                pairs.append((_coverage(_distances(points, track), tolerances[j]), i, j))
    values = {(i, j): value for value, i, j in pairs}
    precision = np.zeros(len(found))
    for i, j in _best_pairs(pairs, 0.0).items():
        precision[i] = values[i, j]
    return BaselineScores(recall, precision)


def assign_baselines(
    found: Sequence[np.ndarray], true: Sequence[np.ndarray], usual_distance: float, least: float = 0.5
) -> list[list[int]]:
    """The found baselines that lie on each true one, in its direction; arguments as in :func:`score_baselines`.

    Args:
        least: share of a found baseline that lies on the true one; it belongs to the one that has most of it.
    """
    tolerances = TOLERANCE * baseline_distances(true, usual_distance)
    assigned: list[list[tuple[float, int]]] = [[] for _ in true]
    for i, track in enumerate(found):
        points = _resampled(track, POINT_DISTANCE)
        shares = [
            _coverage(_distances(points, other), reach) if _near(points, other, 3 * reach) else 0.0
            for other, reach in zip(true, tolerances, strict=True)
        ]
        if max(shares, default=0.0) >= least:
            j = int(np.argmax(shares))
            assigned[j].append((float((points.mean(axis=0) - true[j][0]) @ (true[j][-1] - true[j][0])), i))
    return [[i for _, i in sorted(places)] for places in assigned]


def baseline_distances(baselines: Sequence[np.ndarray], usual: float) -> np.ndarray:
    """Least distance of each baseline from those above or below it, at most the mean; where there is none, the mean.

    Args:
        baselines: each of shape (points, 2), pixels.
        usual: the distance where no baseline is beside another.
    """
    result = np.full(len(baselines), np.inf)
    points = [_resampled(track, POINT_DISTANCE) for track in baselines]
    for j, track in enumerate(points):
        along = (track[-1] - track[0]) / max(float(np.linalg.norm(track[-1] - track[0])), 1e-6)
        across = np.array([-along[1], along[0]])
        order = np.argsort(track @ along)
        own = (track @ along)[order], (track @ across)[order]
        for i, others in enumerate(points):
            run = others @ along
            beside = others[(run >= own[0][0]) & (run <= own[0][-1])]
            if i != j and len(beside):
                away = np.abs(beside @ across - np.interp(beside @ along, *own))
                # lines on the same height, such as those of columns that overlap, are not below each other
                result[j] = min(result[j], away.min() if np.median(away) > 1 else np.inf)
    known = np.isfinite(result) & (result > 0)  # lines that meet tell no distance
    mean = result[known].mean() if known.any() else usual
    return np.where(known, np.minimum(result, mean), mean)


def _coverage(distances: np.ndarray, tolerance: float) -> float:
    """Share of points near a baseline: whole up to the tolerance, less and less up to three times of it."""
    return float(np.clip((3 * tolerance - distances) / (2 * tolerance), 0, 1).mean())


def _resampled(track: np.ndarray, distance: float) -> np.ndarray:
    steps = np.linalg.norm(np.diff(track, axis=0), axis=1)
    places = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0, places[-1], max(SAMPLES, int(places[-1] / distance) + 1))
    return np.stack([np.interp(at, places, track[:, axis]) for axis in (0, 1)], axis=1)


def _near(points: np.ndarray, track: np.ndarray, reach: float) -> bool:
    low, high = track.min(axis=0) - reach, track.max(axis=0) + reach
    return bool((points.min(axis=0) <= high).all() and (points.max(axis=0) >= low).all())


def _distances(points: np.ndarray, track: np.ndarray) -> np.ndarray:
    """Distances of points, shape (n, 2), from the nearest place of a track, shape (m, 2)."""
    starts, along = track[:-1], np.diff(track, axis=0)
    share = ((points[:, None] - starts) * along).sum(axis=2) / np.maximum((along**2).sum(axis=1), 1e-12)
    nearest = starts + np.clip(share, 0, 1)[..., None] * along
    return np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1)
