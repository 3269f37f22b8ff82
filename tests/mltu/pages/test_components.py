import numpy as np

from mltu.pages.components import find_components


def test_find_components_gives_boxes_and_areas():
    ink = np.zeros((8, 10), np.uint8)
    ink[1:3, 2:5] = 1
    ink[3, 5] = 1  # touches at a corner
    ink[6, 8] = 1
    labels, (_, larger, smaller) = find_components(ink)
    assert larger == (2, 1, 6, 4, 7)
    assert (larger.width, larger.height) == (4, 3)
    assert smaller == (8, 6, 9, 7, 1)
    assert (labels[1, 2], labels[6, 8], labels[0, 0]) == (1, 2, 0)
