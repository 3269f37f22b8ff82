from dataclasses import replace

import numpy as np
import pytest

from helpers import line_reading
from mltu.readings import Character, PageReading, Word, line_confidence


def line(text="", confidences=None, frame=(((100, 50), (200, 50)), ((100, 90), (200, 90))), polygon=None, **more):
    """A line whose characters are equally wide, in a frame 100 wide and 40 high."""
    frame = np.array(frame, float)
    polygon = np.array([*frame[0], *frame[1, ::-1]] if polygon is None else polygon)
    return line_reading(text, polygon, 0.5, confidences, frame, **more)


def test_words_stand_between_spaces():
    words = line(" to be  or").words
    assert [word.text for word in words] == ["to", "be", "or"]
    places = [place for word in words for place in (word.start, word.end)]
    assert places == pytest.approx([0.1, 0.3, 0.4, 0.6, 0.8, 1.0])
    assert line("").words == line("   ").words == ()


@pytest.mark.parametrize("exponent", [1.0, 0.5])
def test_words_have_the_confidence_of_all_their_characters(exponent):
    words = line("ab c", [0.9, 0.8, 0.1, 0.7], word_exponent=exponent).words
    # the space is in no word
    assert [word.confidence for word in words] == pytest.approx([(0.9 * 0.8) ** exponent, 0.7**exponent])


def test_box_of_a_level_line_is_whole_pixels_around_the_part():
    reading = line("ab cd")
    assert reading.box == (100, 50, 200, 90)
    assert [reading.box_of(word) for word in reading.words] == [(100, 50, 140, 90), (160, 50, 200, 90)]
    assert reading.box_of(line("abc").characters[1]) == (133, 50, 167, 90)


def test_box_in_a_turned_frame_holds_the_part():
    # the writing goes downwards, its tops are to the right: a quarter turn clockwise
    reading = line("ab cd", frame=(((140, 10), (140, 110)), ((100, 10), (100, 110))))
    assert reading.box == (100, 10, 140, 110)
    assert [reading.box_of(word) for word in reading.words] == [(100, 10, 140, 50), (100, 70, 140, 110)]
    # turned by 3-4-5: 100 along (0.8, 0.6), 50 down (-0.6, 0.8)
    reading = line("ab", frame=(((100, 0), (180, 60)), ((70, 40), (150, 100))))
    assert reading.box == (70, 0, 180, 100)
    assert [reading.box_of(character) for character in reading.characters] == [(70, 0, 140, 70), (110, 30, 180, 100)]


def test_box_in_a_bent_frame_holds_the_part():
    upper = np.array([[100, 50], [150, 20], [200, 50]])
    frame = [upper, upper + np.array([0, 40])]
    reading = line("abcd", frame=frame)
    assert [reading.box_of(character) for character in reading.characters] == [
        (100, 35, 125, 90),
        (125, 20, 150, 75),
        (150, 20, 175, 75),
        (175, 35, 200, 90),
    ]
    reading = line("ab c", frame=frame)
    assert line("abc", frame=frame).box_of(reading.words[0]) == (100, 20, 150, 90)


def test_box_stays_within_the_line():
    # the cut has a margin around the polygon
    reading = line("ab", polygon=[(110, 60), (190, 60), (190, 85), (110, 85)])
    assert reading.box_of(reading.characters[0]) == (110, 60, 150, 85)
    assert reading.box_of(reading.characters[1]) == (150, 60, 190, 85)


def test_text_of_a_page_is_its_lines():
    assert PageReading("a.png", 1, 300, 200, (line("one"), line(""), line("two words"))).text == "one\n\ntwo words"
    assert PageReading("a.png", 1, 300, 200, ()).text == ""


def test_line_confidence_is_the_product_and_at_most_that_of_a_word():
    characters = tuple(
        Character(text, confidence, 0, 1) for text, confidence in zip("ab c", (0.9, 0.8, 0.5, 0.7), strict=True)
    )
    assert line_confidence("ab c", characters, 1.0) == pytest.approx(0.9 * 0.8 * 0.5 * 0.7)
    assert line_confidence("ab", characters[:2], 2.0) == pytest.approx((0.9 * 0.8) ** 2)
    assert line_confidence("", (), 1.0) == 0


def test_LineReading_characters_right_is_a_share():
    assert line("ab", [0.9, 0.8]).characters_right == pytest.approx(0.85)
    assert line("").characters_right == 0


def test_LineReading_corners_of_a_part_slope_with_the_line():
    reading = replace(line("ab", [0.9, 0.8]), frame=np.array([[[10, 10], [110, 30]], [[6, 30], [106, 50]]], float))
    corners = reading.corners_of(Word("b", 1.0, 0.5, 1.0))
    assert corners == pytest.approx(np.array([[60, 20], [110, 30], [106, 50], [56, 40]]))
