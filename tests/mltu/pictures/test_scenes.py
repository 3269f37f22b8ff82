import numpy as np

from mltu.pages.maps import Line, draw_maps
from mltu.pictures.scenes import COLUMNS, GAP, draw_maps_over, scene_sheet


def scene():
    line = Line(np.array([[10.0, 40.0], [110.0, 40.0]]), 20.0, 8.0)
    maps = draw_maps([line], (64, 128))
    weights = np.ones((32, 64, 1), np.float32)
    weights[:, :4] = 0
    return np.full((64, 128, 1), 200, np.uint8), np.concatenate([maps, weights], axis=2)


def test_draw_maps_over_tints_cores_ends_and_what_has_no_weight():
    picture = draw_maps_over(*scene())
    assert picture.shape == (64, 128, 3)
    assert picture[33, 40, 2] < picture[33, 40, 0]  # core
    assert picture[34, 11, 1] < picture[34, 11, 0]  # end
    assert picture[10, 2, 0] < picture[10, 2, 2]  # no weight
    assert (picture[60, 100] == 200).all()


def test_scene_sheet_lays_scenes_out_in_rows():
    assert scene_sheet([scene()] * (COLUMNS + 1)).shape == (2 * (64 + GAP), COLUMNS * (128 + GAP), 3)
