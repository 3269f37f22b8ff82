import cv2
import numpy as np
import pytest

from mltu.datasets.synthetic import draw_line
from mltu.pages.rules import DrawnRules
from mltu.utils.image_utils import to_gray

HEIGHT = 30


@pytest.fixture
def sheet():
    """Paper with two lines of writing that leave the columns 430 to 470 free."""
    image = np.full((600, 900), 225, np.uint8)
    for top in (200, 300):
        for left in (60, 480):
            line = to_gray(draw_line("some words", number=top + left))
            line = cv2.resize(line, (360, 50), interpolation=cv2.INTER_AREA)
            image[top : top + 50, left : left + 360] = np.minimum(line, 225)
    return image


def upright(image, x, slant=0, width=2, tone=90, top=30, bottom=570):
    cv2.line(image, (x, top), (x + slant, bottom), tone, width, cv2.LINE_AA)


@pytest.mark.parametrize(("slant", "width"), [(0, 2), (10, 3), (0, 6)])
def test_between_columns_finds_rules(sheet, slant, width):
    upright(sheet, 445, slant, width)
    rules = DrawnRules(sheet, HEIGHT).between_columns()
    assert rules.shape == (300, 450)
    assert rules[30:270, 215:235].any(axis=1).mean() > 0.95
    assert not rules[:, :210].any()
    assert not rules[:, 240:].any()


def test_between_columns_opens_them_where_writing_crosses(sheet):
    upright(sheet, 240)
    sheet[212:238, 200:280] = 90
    rules = DrawnRules(sheet, HEIGHT).between_columns()[:, 110:130].any(axis=1)
    assert rules[30:90].all()
    assert not rules[105:120].all()


def test_between_columns_takes_writing_and_squares_for_none(sheet):
    assert DrawnRules(sheet, HEIGHT).between_columns() is None
    for x in range(10, 900, 34):
        upright(sheet, x, tone=150, width=1)
    found = DrawnRules(sheet, HEIGHT).between_columns()
    assert found is None or not found[:, 20:430].any()


def test_between_columns_of_pages_lower_than_a_rule(sheet):
    assert DrawnRules(sheet[:90], HEIGHT).between_columns() is None


def test_erased_leaves_the_writing(sheet):
    ruled = sheet.copy()
    for y in range(240, 600, 40):
        cv2.line(ruled, (0, y), (899, y + 6), 150, 1, cv2.LINE_AA)
    upright(ruled, 445)
    erased = DrawnRules(ruled, HEIGHT).erased()
    assert erased[400:, :].min() > 200
    assert erased[:180, 440:450].min() > 200
    writing = sheet < 150
    assert (erased[writing] < 190).mean() > 0.85
    assert np.array_equal(DrawnRules(sheet[:, :430], HEIGHT).erased(), sheet[:, :430])
