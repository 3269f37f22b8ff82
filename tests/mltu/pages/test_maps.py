import numpy as np
import pytest

from helpers import turn
from mltu.pages.maps import MAPS, STRIDE, Line, draw_maps, estimate_baseline

SHAPE = (128, 256)
CENTER = (128, 64)


def rectangle(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def level_line(left=40, right=200, foot=60, above=24, below=10):
    return Line.measured(np.array([[left, foot], [right, foot]]), rectangle(left, foot - above, right, foot + below))


def channel(maps, name):
    return maps[..., MAPS.index(name)]


def test_draw_maps_puts_the_core_above_the_baseline_and_shorter_than_the_line():
    maps = draw_maps([level_line()], SHAPE)
    assert maps.shape == (64, 128, 6)
    assert maps.dtype == np.float32
    rows, columns = np.nonzero(channel(maps, "core"))
    assert STRIDE * rows.min() == pytest.approx(60 - 12, abs=STRIDE)
    assert STRIDE * rows.max() == pytest.approx(60 + 1, abs=STRIDE)
    assert STRIDE * columns.min() == pytest.approx(40 + 0.3 * 24, abs=STRIDE)
    assert STRIDE * columns.max() == pytest.approx(200 - 0.3 * 24, abs=STRIDE)
    ends = channel(maps, "ends")[27]
    assert ends[20] == ends[100] == 1
    assert not ends[40:80].any()


def test_draw_maps_gives_heights_and_direction_inside_cores_alone():
    maps = draw_maps([level_line()], SHAPE)
    core = channel(maps, "core") > 0
    for name, value in {"above": 24, "below": 10, "cos": 1, "sin": 0}.items():
        np.testing.assert_allclose(channel(maps, name)[core], value, atol=0.5)
        assert not channel(maps, name)[~core].any()


@pytest.mark.parametrize(("degrees", "direction"), [(90, (0, 1)), (180, (-1, 0)), (-90, (0, -1)), (20, (0.94, 0.34))])
def test_draw_maps_gives_the_direction_of_turned_writing_with_the_core_at_its_top(degrees, direction):
    line = level_line(90, 170).moved(turn(degrees, CENTER))
    maps = draw_maps([line], SHAPE)
    core = channel(maps, "core") > 0
    np.testing.assert_allclose(maps[core][:, 4:], np.broadcast_to(direction, (core.sum(), 2)), atol=0.01)
    np.testing.assert_allclose(channel(maps, "above")[core], 24, atol=0.5)
    rows, columns = np.nonzero(core)
    core_from_baseline = STRIDE * np.array([columns.mean(), rows.mean()]) - line.baseline.mean(axis=0)
    top = np.array([direction[1], -direction[0]])
    assert core_from_baseline @ top == pytest.approx((12 - 1) / 2, abs=1.5)


def test_draw_maps_follows_a_curved_baseline():
    x = np.linspace(20, 236, 30)
    baseline = np.stack([x, 80 - 30 * np.sin((x - 20) / 216 * np.pi)], axis=1)
    outline = np.concatenate([baseline - np.array([0, 16]), (baseline + np.array([0, 6]))[::-1]])
    maps = draw_maps([Line.measured(baseline, outline)], SHAPE)
    core, sin = channel(maps, "core") > 0, channel(maps, "sin")
    for column in (20, 40, 64, 90, 105):
        rows = np.flatnonzero(core[:, column])
        foot = np.interp(STRIDE * column, *baseline.T)
        assert foot - 12 < STRIDE * rows.mean() < foot
    assert sin[:, 30].min() < -0.2
    assert sin[:, 100].max() > 0.2


def test_draw_maps_keeps_lines_apart_that_touch():
    maps = draw_maps([level_line(foot=60, above=40), level_line(foot=72, above=40)], SHAPE)
    column = channel(maps, "core")[:, 60]
    assert np.count_nonzero(np.diff(column) == 1) == 2


def test_draw_maps_leaves_out_lines_beside_the_image_and_cuts_those_across_its_edge():
    assert not draw_maps([level_line(left=300, right=400), level_line(foot=-200)], SHAPE).any()
    maps = draw_maps([level_line(left=-100, right=100)], SHAPE)
    assert channel(maps, "core")[28, 0] == 1
    assert channel(maps, "ends")[28].sum() == pytest.approx(2 * 0.25 * 34 / STRIDE, abs=2)
    assert not draw_maps([], SHAPE).any()


def test_line_measured_takes_the_median_of_a_ragged_outline():
    top = [[0, 30], [20, 30], [22, 5], [26, 5], [28, 30], [100, 30]]  # one tall letter
    outline = np.array([*top, [100, 60], [0, 60]], np.float64)
    line = Line.measured(np.array([[0, 50], [100, 50]]), outline)
    assert line.above == pytest.approx(20, abs=1)
    assert line.below == pytest.approx(10, abs=1)


def test_line_measured_survives_wrong_truth():
    stuck = Line.measured(np.array([[50, 50], [50, 50]]), rectangle(40, 30, 60, 55))
    outside = Line.measured(np.array([[20, 50], [100, 50]]), rectangle(20, 70, 100, 90))
    empty = Line.measured(np.array([[20, 50], [100, 50]]), np.zeros((0, 2)))
    assert np.isfinite(draw_maps([stuck, outside, empty], SHAPE)).all()


def test_line_moved_measures_heights_across_the_new_baseline():
    stretched = level_line().moved(np.array([[2.0, 0, 0], [0, 0.5, 0]]))
    assert (stretched.above, stretched.below) == pytest.approx((12, 5), abs=0.3)
    sheared = level_line().moved(np.array([[1.0, 0.3, 0], [0, 1, 0]]))
    assert sheared.above == pytest.approx(24, abs=0.3)


@pytest.mark.parametrize(("degrees", "along"), [(0, (1, 0)), (12, (0.98, 0.21)), (90, (0, 1)), (-30, (0.87, -0.5))])
def test_estimate_baseline_runs_along_the_outline_near_its_foot(degrees, along):
    matrix = turn(degrees, CENTER)
    polygon = rectangle(40, 40, 200, 80) @ matrix[:, :2].T + matrix[:, 2]
    baseline = estimate_baseline(polygon)
    moved = baseline[1] - baseline[0]
    np.testing.assert_allclose(moved / np.linalg.norm(moved), along, atol=0.02)
    line = Line.measured(None, polygon)
    assert line.above > 2 * line.below
    assert line.above + line.below == pytest.approx(40, abs=1.5)


def test_part_of_nothing_has_places():
    line = Line(np.array([[0.0, 5.0], [10.0, 5.0]]), 4.0, 2.0)
    nothing = line.part(4.0, 4.0)
    assert np.isfinite(nothing.part(-1.0, 3.0).baseline).all()
