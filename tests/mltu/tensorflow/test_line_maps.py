import numpy as np
import pytest

from mltu.pages.maps import MAPS, Line, draw_maps
from mltu.tensorflow.line_maps import CoreF1, DirectionError, FinderScore, HeightError, LineMapLoss
from mltu.tensorflow.model_utils import LineMaps

LINES = [Line(np.array([[10.0, 40.0], [110.0, 40.0]]), 20.0, 8.0)]


@pytest.fixture
def truth():
    """Maps of one line with weights, shape (1, 32, 64, 7)."""
    maps = draw_maps(LINES, (64, 128))
    return np.dstack([maps, np.ones(maps.shape[:2], np.float32)])[None]


def prediction(truth):
    """What a perfect network says, with heights everywhere."""
    maps = truth[..., : len(MAPS)].copy()
    maps[..., 2] = np.where(maps[..., 2] > 0, maps[..., 2], 16)
    maps[..., 3] = np.where(maps[..., 3] > 0, maps[..., 3], 16)
    return maps


def value(metric, truth, predicted):
    metric.update_state(truth, predicted)
    return float(metric.result())


def test_loss_is_least_for_the_truth_and_rises_with_each_map(truth):
    right = prediction(truth)
    best = float(LineMapLoss()(truth, right))
    assert best < 0.01
    core = truth[..., 0] > 0
    for channel, wrong in ((0, 0.2), (1, 0.5), (2, 40), (3, 3), (4, 0), (5, 1)):
        changed = right.copy()
        changed[core, channel] = wrong
        assert float(LineMapLoss()(truth, changed)) > best + 0.02


def test_loss_counts_heights_as_ratios_and_in_cores_alone(truth):
    outside, double, half = (prediction(truth) for _ in range(3))
    outside[truth[..., 0] == 0, 2:] = 100
    assert float(LineMapLoss()(truth, outside)) == pytest.approx(float(LineMapLoss()(truth, prediction(truth))))
    double[..., 2] *= 2
    half[..., 2] /= 2
    assert float(LineMapLoss()(truth, double)) == pytest.approx(float(LineMapLoss()(truth, half)))


def test_loss_and_f1_ignore_pixels_without_weight(truth):
    ghost = prediction(truth)
    ghost[:, 26:30, 10:50, :2] = 0.99
    assert float(LineMapLoss()(truth, ghost)) > 0.3
    assert value(CoreF1(), truth, ghost) < 0.9
    truth[:, 26:30, 10:50, 6] = 0
    assert float(LineMapLoss()(truth, ghost)) < 0.01
    assert value(CoreF1(), truth, ghost) == pytest.approx(1)


def test_loss_of_a_blank_sheet_falls_with_what_is_found_on_it():
    blank = np.zeros((1, 32, 64, 7), np.float32)
    blank[..., 6] = 1
    losses = []
    for found in (0.9, 0.3, 0.01):
        maps = np.full((1, 32, 64, 6), 16, np.float32)
        maps[..., :2] = found
        losses.append(float(LineMapLoss()(blank, maps)))
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.3


def test_metrics_measure_heights_and_directions(truth):
    wrong = prediction(truth)
    wrong[..., 2] *= 1.1
    wrong[..., 4:] = 0.5 * np.stack([-truth[..., 5], truth[..., 4]], axis=-1)  # a right angle, not of unit length
    assert value(HeightError(), truth, wrong) == pytest.approx(np.log(1.1) / 2, abs=1e-4)
    assert value(DirectionError(), truth, wrong) == pytest.approx(90, abs=0.1)
    assert value(FinderScore(), truth, wrong) == pytest.approx(0.25 + 0.25 * np.log(1.1) / 2, abs=1e-3)
    assert value(FinderScore(), truth, prediction(truth)) == pytest.approx(0, abs=1e-3)


def test_metrics_add_up_over_batches(truth):
    metric = CoreF1()
    nothing = prediction(truth)
    nothing[..., 0] = 0
    metric.update_state(truth, prediction(truth))
    metric.update_state(truth, nothing)
    assert float(metric.result()) == pytest.approx(2 / 3, abs=1e-4)


def test_line_maps_layer_gives_probabilities_and_heights_in_pixels():
    scores = np.array([[-2.0, 2.0, 0.0, 50.0, -0.5, 3.0]], np.float32)[None, None]
    maps = np.array(LineMaps()(scores))[0, 0, 0]
    assert maps[:2] == pytest.approx([0.1192, 0.8808], abs=1e-3)
    assert maps[2] == LineMaps.TYPICAL_HEIGHT
    assert np.isfinite(maps[3])
    assert maps[4:].tolist() == [-0.5, 3.0]
