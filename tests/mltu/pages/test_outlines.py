import numpy as np
import pytest

from mltu.pages.outlines import outline_of

HEIGHT = 10  # of small letters


@pytest.fixture
def owner():
    """Pixels of two lines of letters, 1 at rows 40 to 50 and 2 at rows 60 to 70."""
    owner = np.zeros((100, 200), np.int32)
    for x in range(20, 180, 12):
        owner[40:50, x : x + 8] = 1
        owner[60:70, x : x + 8] = 2
    return owner


def test_outline_of_a_line_holds_its_ink_alone(owner):
    for number, foot in ((1, 49), (2, 69)):
        outline = outline_of(owner, number, HEIGHT)
        low, high = outline.polygon.min(axis=0), outline.polygon.max(axis=0)
        rows, columns = np.nonzero(owner == number)
        assert (low <= (columns.min(), rows.min())).all()
        assert (high >= (columns.max(), rows.max())).all()
        other = np.nonzero((owner > 0) & (owner != number))[0]
        assert high[1] <= other.min() or low[1] > other.max()
        assert outline.baseline == pytest.approx(np.array([[20, foot], [184, foot]]), abs=1)
        assert (outline.ink, outline.height) == ((owner == number).sum(), HEIGHT)


def test_outline_of_a_line_ignores_descenders_for_its_baseline(owner):
    owner[50:58, 60:63] = owner[50:58, 130:133] = 1
    outline = outline_of(owner, 1, HEIGHT)
    assert outline.baseline[:, 1] == pytest.approx([49, 49], abs=1)
    assert outline.polygon[:, 1].max() >= 58


def test_outline_of_a_line_leaves_out_specks_far_off(owner):
    owner[45, 2] = 1
    assert outline_of(owner, 1, HEIGHT).polygon[:, 0].min() < 5  # 18 columns before the line belong to it
    owner = np.pad(owner[:, 10:], ((0, 0), (60, 0)))
    owner[45, 5] = 1
    assert outline_of(owner, 1, HEIGHT).polygon[:, 0].min() > 60


def test_outline_of_next_to_no_ink_is_none(owner):
    assert outline_of(owner, 3, HEIGHT) is None
    owner[90, 100] = 3
    assert outline_of(owner, 3, HEIGHT) is None
