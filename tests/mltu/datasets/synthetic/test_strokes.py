from dataclasses import replace

import numpy as np
import pytest

from mltu.datasets.synthetic.hand import draw_hand
from mltu.datasets.synthetic.strokes import SMALL_HEIGHT, can_draw, draw_strokes, glyphs_of
from mltu.utils.errors import InputError

HAND = replace(draw_hand(0, 0), slant=0.0)


def draw(text, hand=HAND, number=0):
    return draw_strokes(text, hand, 0, 0, np.random.default_rng(number))


def test_can_draw_printable_ascii_only():
    assert can_draw("".join(map(chr, range(32, 127))))
    assert not can_draw("naïve")


def test_draw_strokes_gives_coverage_above_a_baseline():
    coverage, baseline = draw("xxxx")
    assert (coverage.dtype, coverage.ndim) == (np.float32, 2)
    assert (coverage.min(), coverage.max()) == (0, pytest.approx(1, abs=0.1))
    inked = np.flatnonzero((coverage > 0.5).any(axis=1))
    assert inked[-1] == pytest.approx(baseline, abs=0.25 * HAND.height)
    descending, baseline = draw("gggg")
    assert np.flatnonzero((descending > 0.5).any(axis=1))[-1] > baseline + 0.25 * HAND.height


def test_draw_strokes_follow_the_hand():
    def width(**changes):
        return draw("writing", replace(HAND, **changes))[0].shape[1]

    assert width(width=1.1) > 1.2 * width(width=0.75)
    assert width(slant=0.6) > width(slant=0.0)
    thin, thick = (draw("writing", replace(HAND, pen=pen))[0].sum() for pen in (1.6, 3.4))
    assert thick > 1.4 * thin


def test_draw_strokes_vary_from_line_to_line_but_little():
    first, again, other = draw("writing"), draw("writing"), draw("writing", number=1)
    assert np.array_equal(first[0], again[0])
    assert first[0].shape != other[0].shape or not np.array_equal(first[0], other[0])
    assert other[0].shape[1] == pytest.approx(first[0].shape[1], rel=0.2)


def test_draw_strokes_of_blanks_are_empty():
    coverage, _ = draw("   ")
    assert coverage.size
    assert not coverage.any()


def test_glyphs_of_svg_font_have_the_size_of_the_others(stroke_font):
    glyphs = glyphs_of(str(stroke_font))
    assert set(glyphs) == set(" ao")  # a ligature and a glyph without a path cannot be written
    (bar,), advance = glyphs["a"]
    scale = SMALL_HEIGHT / 500
    assert np.allclose(bar, np.array([[100, 0], [100, 500]]) * scale)
    assert (advance, glyphs["o"][1]) == (pytest.approx(400 * scale), pytest.approx(800 * scale))
    (curve,) = glyphs["o"][0]
    assert curve[:, 1].min() == pytest.approx(
        0, abs=0.01 * SMALL_HEIGHT
    )  # a cubic at its middle: (a + 3b + 3c + d) / 8
    assert can_draw("a o", stroke_font)
    assert not can_draw("ab", stroke_font)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("no xml", "not an SVG font"),
        ("<svg xmlns='http://www.w3.org/2000/svg'/>", "not an SVG font"),
        (
            "<svg xmlns='http://www.w3.org/2000/svg'><font><glyph unicode='a' d='M 1 x'/></font></svg>",
            "cannot|can be read",
        ),
        ("<svg xmlns='http://www.w3.org/2000/svg'><font><glyph unicode='1' d='M 0 0 L 9 9'/></font></svg>", "no Latin"),
        ("<!DOCTYPE x [<!ENTITY e 'a'>]><svg>&e;</svg>", "not an SVG font"),
    ],
)
def test_glyphs_of_other_files_are_refused(tmp_path, content, problem):
    (tmp_path / "font.svg").write_text(content)
    with pytest.raises(InputError, match=problem):
        glyphs_of(str(tmp_path / "font.svg"))
