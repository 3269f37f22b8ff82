import cv2
import numpy as np
import pytest

from helpers import darkened, shadow
from mltu.datasets.synthetic import draw_page
from mltu.pages.paper import find_ink, flatten, level, skew_of, without_ruling, without_surroundings
from mltu.utils.image_utils import to_gray


@pytest.fixture(scope="module")
def gray():
    """A page without any ruling, in grey."""
    return to_gray(draw_page(["the quick brown fox", "jumps over a lazy dog", "and a third line"], 1, 5, 5)[0])


def dark(gray):
    """Ink of an even page by one threshold."""
    return cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)[1]


def test_flatten_makes_dark_ink_on_white(gray):
    ink = dark(gray) > 0
    paper = cv2.dilate(ink.astype(np.uint8), np.ones((5, 5))) == 0
    for image in (gray, 255 - gray, darkened(gray, shadow(gray, 0.2)), darkened(255 - gray, 0.6)):
        flat = flatten(image)
        assert (flat.shape, flat.dtype) == (gray.shape, np.uint8)
        assert np.median(flat[paper]) > 235
        assert np.median(flat[ink]) < 190


@pytest.mark.parametrize("least", [1, 0.3])
def test_find_ink_marks_the_writing_whatever_the_light(gray, least):
    ink, true = find_ink(darkened(gray, shadow(gray, least))), dark(gray)
    assert set(np.unique(ink)) == {0, 1}
    near = cv2.dilate(true, np.ones((5, 5), np.uint8))
    assert ink[near == 0].sum() < 0.02 * ink.sum()
    assert ink[true == 1].mean() > 0.9


def on_table(gray):
    """A light sheet on a dark table, and where the sheet is."""
    table = np.full((gray.shape[0] + 160, gray.shape[1] + 200), 60, np.uint8)
    place = slice(80, 80 + gray.shape[0]), slice(100, 100 + gray.shape[1])
    table[place] = gray
    return table, place


def test_without_surroundings_paints_the_table_over_as_paper(gray):
    table, place = on_table(gray)
    image, sheet = without_surroundings(table)
    assert image.shape == sheet.shape == table.shape
    assert np.array_equal(image[sheet > 0], table[sheet > 0])
    assert image[sheet == 0].min() > 150
    outside = np.ones(table.shape, bool)
    outside[place] = False
    assert not sheet[outside].any()
    assert sheet[place].mean() > 0.8


def test_without_surroundings_leaves_sheets_that_fill_the_image(gray):
    for image in (gray, darkened(gray, shadow(gray, 0.3))):
        same, sheet = without_surroundings(image)
        assert np.array_equal(same, image)
        assert sheet.all()


@pytest.mark.parametrize("angle", [-4.0, 0.0, 2.5])
def test_level_turns_writing_back(gray, angle):
    matrix = cv2.getRotationMatrix2D((gray.shape[1] / 2, gray.shape[0] / 2), angle, 1)
    ink = dark(cv2.warpAffine(gray, matrix, gray.shape[::-1], borderValue=int(np.median(gray))))
    assert skew_of(ink) - skew_of(dark(gray)) == pytest.approx(angle, abs=0.2)  # the hand itself rises a little
    turned, back = level(ink)
    assert abs(skew_of(turned)) < 0.3
    assert np.count_nonzero(turned) == pytest.approx(np.count_nonzero(ink), rel=0.05)
    # the middle of the ink is where it was
    (y, x), (turned_y, turned_x) = (np.argwhere(part).mean(axis=0) for part in (ink, turned))
    assert back @ (turned_x, turned_y, 1) == pytest.approx((x, y), abs=1.5)


def test_without_ruling_removes_lines_and_leaves_writing(gray):
    writing = dark(gray)
    ruled = writing.copy()
    ruled[30::40] = 1
    ruled[:, 25] = 1
    ink = without_ruling(ruled)
    assert ink[30::40][writing[30::40] == 0].mean() < 0.02
    assert ink[:, 25][writing[:, 25] == 0].mean() < 0.05
    off_the_lines = np.ones_like(writing, bool)
    for row in range(30, writing.shape[0], 40):
        off_the_lines[row - 3 : row + 4] = False
    assert ink[off_the_lines & (writing == 1)].mean() > 0.9
