import itertools

import numpy as np
import pytest

from mltu.pages.metrics import assign_baselines, baseline_distances, match_polygons, overlap, score_baselines


def box(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def level(left, right, y):
    return np.array([[left, y], [right, y]], np.float64)


def test_overlap_is_intersection_over_union():
    assert overlap(box(0, 0, 99, 99), box(0, 0, 99, 99)) == 1
    assert overlap(box(0, 0, 99, 99), box(200, 0, 299, 99)) == 0
    assert overlap(box(0, 0, 199, 99), box(100, 0, 299, 99)) == pytest.approx(1 / 3, abs=0.01)


def test_overlap_of_boxes_is_that_of_their_pixels():
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = (np.sort(rng.integers(0, 40, (2, 2)), axis=0) for _ in range(2))
        pixels = [
            {(x, y) for x in range(low[0], high[0] + 1) for y in range(low[1], high[1] + 1)}
            for low, high in (first, second)
        ]
        wanted = len(pixels[0] & pixels[1]) / len(pixels[0] | pixels[1])
        assert overlap(box(*first.ravel()), box(*second.ravel())) == pytest.approx(wanted)


def test_match_polygons_gives_each_line_one_other():
    true = [box(0, 0, 100, 20), box(0, 30, 100, 50)]
    assert match_polygons([box(0, 0, 100, 21), box(0, 1, 100, 20)], true) == {0: 0}
    assert match_polygons([box(0, 32, 100, 50), box(0, 0, 90, 20)], true) == {0: 1, 1: 0}
    assert match_polygons([], true) == {}


def test_match_polygons_finds_as_many_pairs_as_there_are():
    # above one half, a polygon has at most one partner, so any order gives the same pairs
    rng = np.random.default_rng(1)
    for _ in range(10):
        true = [box(0, 20 * i, 100, 20 * i + 15) for i in range(4)]
        found = [polygon + rng.normal(0, 4, (1, 2)) for polygon in true]
        ious = np.array([[overlap(one, other) for other in true] for one in found])
        wanted = max(sum(ious[i, j] >= 0.5 for i, j in enumerate(order)) for order in itertools.permutations(range(4)))
        assert len(match_polygons(found, true)) == wanted


def test_baseline_distances_are_those_of_the_nearest_beside():
    lines = [level(0, 100, 0), level(0, 100, 30), level(20, 90, 80), level(500, 600, 20)]
    mean = (30 + 30 + 50) / 3
    assert baseline_distances(lines, 99) == pytest.approx([30, 30, mean, mean])  # at most the mean
    assert baseline_distances([level(0, 100, 0)], 99) == pytest.approx([99])


def test_baseline_distances_are_the_least_of_lines_that_are_not_parallel():
    lines = [np.array([[0, 20], [100, 60]], np.float64), level(0, 100, 0), level(0, 100, 100)]
    assert baseline_distances(lines, 99)[1:] == pytest.approx([20, (21.5 + 20 + 40) / 3], abs=1)


def slow_scores(found, true, tolerances):
    """Recall and precision by their definition, pixel by pixel."""

    def pixels(track):
        steps = [np.linspace(a, b, 200) for a, b in itertools.pairwise(track)]
        return np.concatenate(steps)

    def cover(points, track, tolerance):
        total = 0
        for point in points:
            away = min(np.hypot(*(point - other)) for other in track)
            total += 1 if away <= tolerance else max(0.0, (3 * tolerance - away) / (2 * tolerance))
        return total / len(points)

    everywhere = np.concatenate([pixels(track) for track in found])
    pairs = list(zip(true, tolerances, strict=True))
    recall = [cover(pixels(track)[::5], everywhere, tolerance) for track, tolerance in pairs]
    table = np.array(
        [[cover(pixels(one)[::5], pixels(track), tolerance) for track, tolerance in pairs] for one in found]
    )
    precision = np.zeros(len(found))
    while table.size and table.max() > 0:
        i, j = np.unravel_index(table.argmax(), table.shape)
        precision[i] = table[i, j]
        table[i], table[:, j] = 0, 0
    return np.array(recall), precision


def test_score_baselines_is_the_definition():
    rng = np.random.default_rng(2)
    true = [level(0, 300, 40 * i) for i in range(3)]
    found = [track + rng.normal(0, 9, (2, 2)) for track in true] + [level(0, 120, 43), level(100, 200, 300)]
    scores = score_baselines(found, true, 40, distance=1.0)
    recall, precision = slow_scores(found, true, [10, 10, 10])
    assert scores.recall == pytest.approx(recall, abs=0.02)
    assert scores.precision == pytest.approx(precision, abs=0.02)


def test_score_baselines_charges_pieces_to_precision_alone():
    scores = score_baselines([level(0, 150, 0), level(150, 300, 0)], [level(0, 300, 0), level(0, 300, 40)], 40)
    assert scores.recall.tolist() == [1, 0]
    assert sorted(scores.precision) == [0, 1]


def test_score_baselines_takes_a_tolerance_of_a_quarter_of_the_distance():
    true = [level(0, 300, 0), level(0, 300, 40)]
    for away, wanted in ((9, 1), (20, 0.5), (31, 0)):
        scores = score_baselines([level(0, 300, -away)], true, 40)
        assert (scores.recall[0], scores.precision[0]) == pytest.approx((wanted, wanted), abs=0.01)
    assert len(score_baselines([], true, 40).precision) == 0
    assert score_baselines([level(0, 9, 9)], [], 40).precision.tolist() == [0]


def test_assign_baselines_puts_parts_in_the_order_of_their_line():
    true = [level(0, 300, 0), level(0, 300, 40), level(300, 0, 80)]
    found = [level(160, 300, 42), level(0, 300, 150), level(0, 150, 38), level(0, 100, 81), level(200, 300, 79)]
    assert assign_baselines(found, true, 40) == [[], [2, 0], [4, 3]]
    # a line across two belongs to neither that has less than half of it
    assert assign_baselines([level(-500, 300, 0)], true, 40) == [[], [], []]
    assert assign_baselines(found, [], 40) == []
