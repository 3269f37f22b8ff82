import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers import box, line_reading
from mltu.pictures.annotate import BASELINE, MAX_SIDE, MIN_TEXT_WIDTH, OUTLINES, annotate
from mltu.readings import PageReading
from mltu.utils.errors import InputError

BACKGROUND = 120  # The pages here are grey; the column of text is white.


def line(text, left=20, top=40, width=300, height=30, confidence=0.9, baseline=True, region=0):
    right, bottom = left + width, top + height
    points = np.array([[left, bottom - 8], [right, bottom - 8]]) if baseline else None
    return line_reading(text, box(left, top, right, bottom), confidence, baseline=points, region=region)


def draw(*lines, size=(400, 600), min_confidence=0.0):
    """(the part with the page, the text beside it)"""
    height, width = size
    image = np.full((height, width, 3), BACKGROUND, np.uint8)
    drawn = annotate(image, PageReading("a.png", 1, width, height, lines), min_confidence)
    assert drawn.dtype == np.uint8
    assert (image == BACKGROUND).all()
    scale = min(1, MAX_SIDE / max(size))
    return np.split(drawn, [round(width * scale)], axis=1)


def like(image, color):
    """Which pixels have nearly this colour (RGB); drawing softens edges."""
    return (np.abs(image.astype(int) - color[::-1]) < 40).all(axis=-1)


def bands(marks):
    """(first, last) of each run of rows in which something is marked."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], marks.any(axis=1).astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in edges.reshape(-1, 2)]


def ink(image):
    return (image < 200).any(axis=-1)


def test_annotate_draws_outlines_and_baselines():
    page, _ = draw(line("one", top=40, baseline=False))
    assert like(page[40, 20:320], OUTLINES[0]).mean() > 0.9
    assert (page[42:68, 24:318] == BACKGROUND).all()  # thin, and nothing over the writing
    assert not like(page, BASELINE).any()
    page, _ = draw(line("one", top=40))
    assert like(page[62, 24:318], BASELINE).mean() > 0.9
    page, _ = draw(line("one", top=40), line("two", top=90))
    assert like(page[90, 20:320], OUTLINES[1]).mean() > 0.9  # a neighbour has another colour


def test_annotate_writes_text_at_the_height_of_its_line():
    _, text = draw(line("first", top=40), line("second", top=300))
    for (top, bottom), middle in zip(bands(ink(text)), (55, 315), strict=True):
        assert middle - 15 < top < middle < bottom < middle + 15
    assert (text[0] == 255).all()


def test_annotate_chooses_the_font_size_by_the_writing_within_bounds():
    heights = []
    for height in (4, 12, 40, 60, 80, 300):
        (found,) = bands(ink(draw(line("HH", height=height))[1]))
        heights.append(found[1] - found[0])
    assert 8 < heights[0] == heights[1] < heights[2] < heights[3] < heights[4] == heights[5] < 40


def test_annotate_keeps_texts_of_close_lines_apart():
    _, text = draw(*[line("HxH", top=200 + n, height=20) for n in range(12)])
    assert len(bands(ink(text))) == 12


def test_annotate_shrinks_crowded_texts_then_makes_the_picture_higher():
    lines = [line("HxH", top=2 * n, height=30) for n in range(24)]
    _, text = draw(*lines)
    assert len(text) == 400
    assert len(bands(ink(text))) == 24
    _, text = draw(*lines, size=(100, 600))
    assert 100 < len(text) <= 24 * 11
    assert len(bands(ink(text))) == 24


def test_annotate_limits_the_height_of_the_picture():
    _, text = draw(*[line("")] * 600, size=(100, 340))
    assert len(text) == 2 * MAX_SIDE


def test_annotate_makes_the_column_as_wide_as_its_text_up_to_the_page():
    _, short = draw(line("one"))
    _, longer = draw(line("one more word"))
    _, longest = draw(line("many words " * 20 + "W" * 200))
    assert short.shape[1] < longer.shape[1] <= longest.shape[1] <= 600
    assert ink(longer)[:, -20:].any()
    assert not ink(longest)[:, -3:].any()  # wrapped, not cut off
    assert len(bands(ink(longest))) > 2
    _, tiny = draw(line("many words " * 20, 0, 5, 50, 30), size=(90, 60))
    assert 60 < tiny.shape[1] <= MIN_TEXT_WIDTH


def test_annotate_gives_regions_side_by_side_columns_of_text():
    _, text = draw(line("HH", width=200, region=0), line("HH", left=300, width=200, region=1))
    assert len(bands(ink(text))) == 1
    _, stacked = draw(line("HH", width=200, region=0), line("HH", top=300, width=200, region=1))
    assert text.shape[1] == pytest.approx(2 * stacked.shape[1], abs=2)
    assert len(bands(ink(stacked))) == 2
    _, upwards = draw(line("HH", top=300, width=200, region=0), line("HH", width=200, region=1))
    assert upwards.shape[1] == stacked.shape[1]
    half = text.shape[1] // 2
    # the second half is the second line's: its number has its colour
    assert like(text[:, :half], OUTLINES[0]).any()
    assert like(text[:, half:], OUTLINES[1]).any()
    many = [line("HH", left=60 * n, width=50, region=n) for n in range(9)]
    assert draw(*many)[1].shape[1] == pytest.approx(stacked.shape[1], abs=2)


def test_annotate_writes_doubtful_words_in_red():
    sure, unsure = line("sure", confidence=0.99), line("unsure", top=200, confidence=0.5)
    red = [
        (text[..., 2] > 150) & (text[..., :2] < 60).all(axis=-1)
        for text in (draw(sure, unsure, min_confidence=share)[1] for share in (0.0, 0.5))
    ]
    assert not red[0].any()
    ((top, bottom),) = bands(red[1])
    assert 200 < (top + bottom) / 2 < 230


@pytest.mark.parametrize("shape", [(60, 500), (60, 500, 1), (60, 500, 3)])
def test_annotate_writes_the_text_of_a_single_line_below(shape):
    image = np.full(shape, BACKGROUND, np.uint8)
    drawn = annotate(image, PageReading("a.png", 1, 500, 60, (line("HxH", 0, 0, 500, 60, baseline=False),)))
    assert drawn.shape[1:] == (500, 3)
    assert (drawn[2:58, 2:498] == BACKGROUND).all()
    ((top, bottom),) = bands(ink(drawn[60:]))
    assert 15 < bottom - top < 40
    tiny = annotate(image[:20, :30], PageReading("a.png", 1, 30, 20, (line("word " * 40, 0, 0, 30, 20),)))
    assert 30 < tiny.shape[1] <= MIN_TEXT_WIDTH
    assert len(bands(ink(tiny[20:]))) > 2


def test_annotate_writes_the_text_of_a_page_with_one_line_beside_it():
    assert draw(line("one", 0, 0, 600, 390))[1].shape[1] > 0


def test_annotate_shrinks_large_pages():
    page, text = draw(line("a word", 200, 3000, 2000, 300), size=(4800, 3200))
    assert page.shape == (2400, 1600, 3)
    assert like(page[1490:1510, 110:1000], OUTLINES[0]).any(axis=0).mean() > 0.9
    top, bottom = bands(ink(text))[0]
    assert 1500 < top < 1575 < bottom < 1650


def test_annotate_adds_nothing_without_lines_and_refuses_other_arrays():
    page, text = draw()
    assert (page == BACKGROUND).all()
    assert text.shape[1] == 0
    with pytest.raises(InputError):
        annotate(np.zeros((3, 4, 5, 6), np.uint8), PageReading("a.png", 1, 4, 3, ()))


@example("\ud83d a\x00b")  # half of a pair
@settings(max_examples=30)
@given(st.text(st.characters(exclude_categories=()), max_size=30))
def test_annotate_draws_any_text(text):
    page, _ = draw(line(text), size=(100, 340))
    assert like(page, OUTLINES[0]).any()


def test_annotate_has_glyphs_beyond_ascii():
    # a missing glyph is a box, and all boxes look the same
    pictures = {draw(line(letter))[1].tobytes() for letter in "éßжł"}
    assert len(pictures) == 4
