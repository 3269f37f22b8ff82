import numpy as np
import pytest

from mltu.datasets.synthetic import sheets

SHAPE = (96, 128)


@pytest.mark.parametrize("draw", [sheets.draw_ruling, sheets.draw_stains, sheets.draw_grain, sheets.draw_scribbles])
def test_factors_darken_the_sheet_and_depend_on_the_random_numbers_alone(draw):
    for seed in range(12):
        factors = draw(SHAPE, np.random.default_rng(seed))
        assert factors.shape == SHAPE
        assert factors.dtype == np.float32
        assert 0 <= factors.min() <= factors.max() <= 1.3
        np.testing.assert_array_equal(factors, draw(SHAPE, np.random.default_rng(seed)))
    assert any(draw(SHAPE, np.random.default_rng(seed)).min() < 0.95 for seed in range(12))


@pytest.mark.parametrize("draw", [sheets.draw_sheet, sheets.draw_table_top])
def test_sheets_and_what_they_lie_on_are_grey_images(draw):
    for seed in range(8):
        image = draw((96, 96), np.random.default_rng(seed))
        assert image.shape == (96, 96)
        assert image.dtype == np.float32
        assert image.min() >= 0
        assert image.max() < 400  # clipped when the scene is photographed


def test_grid_lines_have_their_pitch_and_width():
    grid = sheets._Grid((100, 40), 0.0)
    cover = grid.lines(grid.down, 20, 5, 2.0)
    assert cover.shape[0] == 100
    np.testing.assert_array_equal(np.flatnonzero(cover[:, 0] >= 0.99), [5, 25, 45, 65, 85])
    assert cover[:, 0].sum() == pytest.approx(5 * 2, abs=0.01)


def test_grid_lines_turn_with_the_sheet():
    grid = sheets._Grid((100, 100), 90.0)
    cover = np.broadcast_to(grid.lines(grid.down, 20, 0, 1.0), (100, 100))
    assert np.count_nonzero(cover[:, 0] > 0.5) in (0, 100)
    assert np.count_nonzero(cover[0] > 0.5) == 5
