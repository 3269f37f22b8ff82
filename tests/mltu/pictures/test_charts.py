from collections import Counter

import cv2
import numpy as np
import pytest

from mltu.pictures.charts import MAX_HEAT_MAP_CHARACTERS, draw_calibration, draw_confusions, symbol


def decode(picture):
    return cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)


def test_draw_confusions_is_darkest_where_most_is_confused():
    image = decode(draw_confusions(Counter({("a", "b"): 90, ("b", "a"): 10}))).astype(int)
    blue = image[..., 0] - image[..., 2] > 20
    columns = np.nonzero(blue)[1]
    right = np.arange(image.shape[1]) > (columns.min() + columns.max()) / 2
    read_as_a, read_as_b = (np.median(image[blue & half]) for half in (~right, right))
    assert read_as_b < read_as_a - 50


def test_draw_confusions_limits_the_characters():
    missed = {(chr(0x41 + i), ""): 100 - i for i in range(MAX_HEAT_MAP_CHARACTERS + 9)}
    few = dict(list(missed.items())[:9])
    width, narrow = (decode(draw_confusions(Counter(some))).shape[1] for some in (missed, few))
    assert (width - narrow) / (MAX_HEAT_MAP_CHARACTERS - 10) == pytest.approx(0.26 * 150, abs=1)  # pixels a character


def confusions(count):
    return draw_confusions(Counter({("a", "b"): count, ("c", ""): 9}))


def calibration(confidence):
    return draw_calibration({"characters": ([confidence] * 10, [True, False] * 5), "words": ([], [])})


@pytest.mark.parametrize(("draw", "values"), [(confusions, (5, 50)), (calibration, (0.2, 0.8))])
def test_charts_show_their_values(draw, values):
    low, high = (decode(draw(value)) for value in values)
    assert low.shape == high.shape
    assert not np.array_equal(low, high)


@pytest.mark.parametrize(
    ("character", "sign"),
    [("", "∅"), (" ", "␣"), ("a", "a"), ("\u0301", "◌\u0301"), ("\x07", "U+0007"), ("\u202e", "U+202E")],
)
def test_symbol_is_visible(character, sign):
    assert symbol(character) == sign
