import warnings

import cv2
import numpy as np
import pytest

from mltu.pages import find_tilted_line, level_line


def strokes(slope, height=200, width=4000, noise=0):
    """Upright strokes 60 pixels high, along a line through the middle of the image."""
    image = np.full((height, width), 230, np.uint8)
    for x in range(20, width - 20, 24):
        y = round(height / 2 + slope * (x - width / 2))
        cv2.line(image, (x, y - 30), (x, y + 30), 40, 5)
    return (image + np.random.default_rng(0).normal(0, noise, image.shape)).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("slope", [-0.03, 0.01])
@pytest.mark.parametrize("noise", [0, 20])
def test_find_tilted_line_finds_slope_and_height(slope, noise):
    image = strokes(slope, noise=noise)
    cv2.circle(image, (300, 10), 8, 30, -1)  # dirt
    for picture in (image, 255 - image):
        line = find_tilted_line(picture)
        (left, first), (right, last) = line.baseline
        assert (left, right) == (0, 4000)
        assert (last - first) / 4000 == pytest.approx(slope, abs=0.002)
        heights = line.polygon[::-1][:2, 1] - line.polygon[:2, 1]
        assert (np.abs(heights - 75) < 25).all()


def test_find_tilted_line_is_none_where_nothing_is_gained():
    assert find_tilted_line(strokes(0.001)) is None
    assert find_tilted_line(strokes(0.03)[:, :1800]) is None  # not long
    assert find_tilted_line(np.full((60, 4000), 230, np.uint8)) is None


@pytest.mark.parametrize("shape", [(1, 4000), (3, 64), (7, 90), (8, 96)])
def test_find_tilted_line_takes_images_without_room_for_writing(shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        level, place, _ = level_line(image)
    assert (place is None) == (level is image)
