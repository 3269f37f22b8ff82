import numpy as np
import pytest

from helpers import turn
from mltu.pages.decode import decode
from mltu.pages.maps import MAPS, Line, draw_maps

SHAPE = (512, 768)
CENTER = (384, 256)


def line(left, foot, right, above=24.0, below=10.0):
    x = np.linspace(left, right, 12)
    return Line(np.stack([x, np.full(12, float(foot))], axis=1), above, below)


def distances(points, track):
    """Distances of points from a track, both of shape (points, 2)."""
    starts, along = track[:-1], np.diff(track, axis=0)
    share = ((points[:, None] - starts) * along).sum(axis=2) / (along**2).sum(axis=1)
    nearest = starts + np.clip(share, 0, 1)[..., None] * along
    return np.linalg.norm(points[:, None] - nearest, axis=2).min(axis=1)


def assert_same(found, true, tolerance=3.0):
    """Lines found are the true ones, whatever their order."""
    assert len(found) == len(true)
    for wanted in true:
        nearest = min(found, key=lambda one: distances(wanted.baseline, one.line.baseline).max())
        assert distances(wanted.baseline[1:-1], nearest.line.baseline).max() < tolerance
        assert distances(nearest.line.baseline, wanted.baseline).max() < 2 * tolerance
        assert np.linalg.norm(nearest.line.baseline[[0, -1]] - wanted.baseline[[0, -1]], axis=1).max() < 8
        assert nearest.line.above == pytest.approx(wanted.above, rel=0.1)
        assert nearest.line.below == pytest.approx(wanted.below, rel=0.1)
        assert nearest.probability > 0.8


@pytest.mark.parametrize("degrees", [0, 3, -17, 45, 90, 135, 180, -90])
def test_decode_finds_lines_of_any_direction(degrees):
    true = [line(200, 200, 560).moved(turn(degrees, CENTER)), line(240, 260, 480).moved(turn(degrees, CENTER))]
    assert_same(decode(draw_maps(true, SHAPE)), true)


def test_decode_follows_curves():
    x = np.linspace(60, 700, 40)
    true = [Line(np.stack([x, 250 + 40 * np.sin(x / 110)], axis=1), 24, 10)]
    assert_same(decode(draw_maps(true, SHAPE)), true)


@pytest.mark.parametrize(("above", "below"), [(5, 4), (12, 5), (90, 40)])
def test_decode_finds_small_and_large_writing(above, below):
    true = [line(100, 200, 600, above, below), line(100, 200 + 1.4 * (above + below), 600, above, below)]
    assert_same(decode(draw_maps(true, SHAPE)), true, tolerance=max(3.0, 0.03 * (above + below)))


def test_decode_gives_outlines_clockwise_from_the_upper_left():
    (found,) = decode(draw_maps([line(100, 200, 600)], SHAPE))
    count = len(found.polygon) // 2
    assert found.polygon[[0, count - 1, count, -1]] == pytest.approx(
        np.array([[100, 176], [600, 176], [600, 210], [100, 210]]), abs=6
    )


def blurred(maps, sigma=1.5):
    """Maps as a network gives them: without sharp edges, with values around cores too."""
    import cv2

    result = cv2.GaussianBlur(maps, (0, 0), sigma)
    core = maps[..., :1] > 0
    share = cv2.GaussianBlur(core.astype(np.float32), (0, 0), sigma)[..., None]
    result[..., 2:] = np.where(share > 1e-3, result[..., 2:] / np.maximum(share, 1e-3), 10)
    return result


def test_decode_parts_lines_that_touch_at_the_lower_levels():
    true = [line(100, 200, 600), line(100, 221, 600)]
    maps = blurred(draw_maps(true, SHAPE))
    maps[..., 0] = np.maximum(maps[..., 0], 0.55 * (maps[..., 0] > 0.05))
    assert_same(decode(maps), true, tolerance=4)


def test_decode_joins_the_pieces_of_a_line():
    true = [line(100, 200, 600)]
    maps = draw_maps(true, SHAPE)
    maps[:, 170:180, 0] = 0.3
    maps[:, 230:233, 0] = 0
    assert_same(decode(maps), true)


def test_decode_does_not_join_across_ends_or_what_no_line_crosses():
    columns = [line(100, 200, 330), line(352, 200, 600)]
    assert len(decode(draw_maps(columns, SHAPE))) == 2
    maps = draw_maps([line(100, 200, 600)], SHAPE)
    maps[:, 230:233, 0] = 0.3
    barrier = np.zeros(maps.shape[:2], bool)
    assert len(decode(maps, barrier)) == 1
    barrier[:, 231] = True
    assert len(decode(maps, barrier)) == 2


def test_decode_does_not_join_lines_below_each_other():
    steps = [line(100, 200, 300), line(310, 216, 500), line(510, 186, 700)]
    assert_same(decode(draw_maps(steps, SHAPE)), steps)


def test_decode_leaves_out_what_is_faint_or_short():
    maps = draw_maps([line(100, 200, 600)], SHAPE)
    maps[..., 0] *= 0.48
    assert decode(maps) == []
    speck = draw_maps([line(100, 200, 108)], SHAPE)
    speck[..., MAPS.index("ends")] = 0
    assert decode(speck) == []


def test_decode_takes_faint_cells_only_in_a_column_of_surer_ones_between_rules():
    column = [line(300, 60 + 80 * row, 360) for row in range(5)]
    maps = draw_maps(column, SHAPE)
    maps[170:200, :, 0] *= 0.65  # the cell in the last row
    rules = np.zeros(maps.shape[:2], bool)
    rules[:, [130, 200]] = True
    assert len(decode(maps)) == 4
    assert_same([found for found in decode(maps, rules) if found.probability > 0.8], column[:4])
    assert len(decode(maps, rules)) == 5
    assert len(decode(maps, np.roll(rules, 90, axis=1))) == 4  # beside the rules
    maps[:80, :, 0] = 0
    assert len(decode(maps, rules)) == 2  # with two others alone


@pytest.mark.parametrize("kind", ["zeros", "ones", "noise", "fine", "nan", "huge"])
def test_decode_stands_any_maps(kind):
    rng = np.random.default_rng(0)
    maps = {
        "zeros": lambda: np.zeros((512, 512, 6), np.float32),
        "ones": lambda: np.ones((512, 512, 6), np.float32),
        "noise": lambda: rng.random((512, 512, 6), np.float32),
        "fine": lambda: np.indices((512, 512)).sum(axis=0)[..., None].astype(np.float32) % 2 * np.ones(6, np.float32),
        "nan": lambda: np.full((64, 64, 6), np.nan, np.float32),
        "huge": lambda: 1e30 * rng.normal(size=(128, 128, 6)).astype(np.float32),
    }[kind]()
    found = decode(maps)
    assert len(found) <= 2400
    assert all(np.isfinite(line.polygon).all() for line in found)


def test_decode_leaves_out_pieces_that_tell_no_direction():
    maps = np.zeros((40, 40, 6), np.float32)
    maps[10:20, 12, 0] = 1
    maps[..., MAPS.index("cos")] = 1
    assert decode(maps) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 2)])
def test_decode_takes_maps_of_any_size(shape):
    assert isinstance(decode(np.ones((*shape, 6), np.float32)), list)
