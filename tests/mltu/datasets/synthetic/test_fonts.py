import numpy as np
import pytest

from mltu.datasets.synthetic.fonts import draw_font, family_of, find_fonts, font_digest, has_character, usable_fonts
from mltu.utils.errors import InputError


@pytest.mark.parametrize(
    "stem", ["CedarvilleCursive-Regular", "cedarville-cursive", "cedarville-cursive-latin-400-normal"]
)
def test_family_of_is_the_same_whoever_packed_the_font(stem):
    assert family_of(stem) == "cedarvillecursive"
    assert family_of("CaveatBrush-Regular") != family_of("Caveat[wght]") == "caveat"


def test_find_fonts_looks_below_the_folder(font_folder, tmp_path):
    assert [path.name for path in find_fonts(font_folder)] == ["ae.ttf", "ab.woff"]
    with pytest.raises(InputError, match="no such folder"):
        find_fonts(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("no font")
    with pytest.raises(InputError, match="no font in it"):
        find_fonts(tmp_path)


def test_has_character_tells_missing_glyphs(font_folder):
    assert [has_character(font_folder / "ae.ttf", character) for character in "ae z"] == [True, True, True, False]
    assert not has_character(font_folder / "small/ab.woff", "e")


def test_usable_fonts_take_single_line_fonts(stroke_font, tmp_path):
    (tmp_path / "good.svg").write_bytes(stroke_font.read_bytes())
    (tmp_path / "bad.svg").write_text("no font")
    usable, skipped = usable_fonts(tmp_path, [])
    assert [path.name for path in usable] == ["good.svg"]
    assert [entry.source for entry in skipped] == [str(tmp_path / "bad.svg")]
    assert [has_character(usable[0], character) for character in "a b"] == [True, True, False]


def test_font_digest_tells_files_apart(font_folder):
    paths = font_folder / "ae.ttf", font_folder / "small/ab.woff"
    assert len({font_digest(path) for path in paths}) == 2


def test_draw_font_gives_coverage_above_a_baseline(font_folder):
    coverage, baseline = draw_font("abba", font_folder / "ae.ttf", 40, np.random.default_rng(0))
    assert (coverage.dtype, coverage.ndim) == (np.float32, 2)
    assert (coverage.min(), coverage.max() > 0.9) == (0, True)
    inked = np.flatnonzero((coverage > 0.5).any(axis=1))
    assert inked[-1] == pytest.approx(baseline, abs=0.2 * 40)  # the boxes stand on the baseline
    larger, _ = draw_font("abba", font_folder / "ae.ttf", 80, np.random.default_rng(0))
    assert np.count_nonzero((larger > 0.5).any(axis=1)) > 1.7 * len(inked)
