import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltu.datasets import generate_lines, random_split, read_table, synthetic
from mltu.datasets.synthetic import _shorten, draw_line, draw_page, family_of
from mltu.utils.errors import InputError
from mltu.utils.image_utils import paper_color, read_image

ASCII = "".join(map(chr, range(33, 127)))


@settings(max_examples=25, deadline=None)
@given(st.text(ASCII + " ", min_size=1, max_size=20).filter(str.strip), st.integers(0, 1000))
def test_any_ascii_becomes_dark_writing_on_light_paper(text, number):
    image = draw_line(text, seed=1, number=number, writer=number)
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert 8 <= image.shape[0] <= 200
    paper = paper_color(image)
    assert min(paper) > 170
    assert image.min() < min(paper) - 30


def test_longer_texts_are_wider():
    assert draw_line("aaaaaaaaaaaa").shape[1] > 1.7 * draw_line("aaaa").shape[1]


def test_the_seed_decides_and_writers_differ():
    assert np.array_equal(draw_line("same", 1, 2, 3), draw_line("same", 1, 2, 3))
    others = [draw_line("same", *numbers).tobytes() for numbers in ((2, 2, 3), (1, 3, 3), (1, 2, 4))]
    assert len({draw_line("same", 1, 2, 3).tobytes(), *others}) == 4


def test_generates_reads_again_and_continues(tmp_path):
    samples, skipped = generate_lines(tmp_path, 12, seed=7, max_chars=20)
    assert skipped == []
    assert len({sample.image for sample in samples}) == 12
    assert {sample.writer for sample in samples} == {"hand0", "hand1"}
    assert all(0 < len(sample.text) <= 20 for sample in samples)
    pictures = {sample.image: Path(sample.image).read_bytes() for sample in samples}
    Path(samples[3].image).unlink()
    more, _ = generate_lines(tmp_path, 16, seed=7, max_chars=20, workers=2)
    assert more[:12] == samples
    assert {path: Path(path).read_bytes() for path in pictures} == pictures
    assert read_table(Path(samples[0].image).parent / "lines.csv")[0] == more
    other, _ = generate_lines(tmp_path, 4, seed=8, max_chars=20)
    assert Path(other[0].image).parent != Path(samples[0].image).parent
    train, val = random_split(more, 0.5)
    assert not {sample.writer for sample in train} & {sample.writer for sample in val}


def test_pictures_never_stand_for_another_text(tmp_path, monkeypatch):
    before, _ = generate_lines(tmp_path, 3, seed=7)
    monkeypatch.setattr(synthetic, "english_sentences", lambda count, seed: [f"other {i}" for i in range(count)])
    after, _ = generate_lines(tmp_path, 3, seed=7)
    assert not {sample.image for sample in before} & {sample.image for sample in after}
    assert [sample.text for sample in after] == ["other 0", "other 1", "other 2"]


def test_writes_the_users_sentences(tmp_path):
    (tmp_path / "text.txt").write_text("first sentence\n\nsecond one\nça ne va pas\n", encoding="utf-8")
    samples, skipped = generate_lines(tmp_path / "out", 5, text_file=tmp_path / "text.txt")
    assert {sample.text for sample in samples} == {"first sentence", "second one"}
    assert len(samples) == 5
    assert "ça ne va pas" in skipped[0].source
    assert "--fonts" in skipped[0].reason


@given(st.text("ab ", min_size=1, max_size=40).filter(lambda text: text == text.strip() and text), st.integers(1, 20))
def test_shortening_cuts_between_words(text, longest):
    short = _shorten(text, longest)
    assert 0 < len(short) <= longest
    assert text.startswith(short)
    first_word = text.split(" ")[0]
    if len(first_word) <= longest and len(text) > longest:
        assert text[len(short)] == " "


@pytest.fixture(scope="module")
def font_folder(tmp_path_factory):
    """Two fonts of the test's own making: boxes for the letters a to e, in TTF and WOFF."""
    from fontTools.fontBuilder import FontBuilder
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    folder = tmp_path_factory.mktemp("fonts")
    for name, letters, flavor in (("ae.ttf", "abcde", None), ("small/ab.woff", "ab", "woff")):
        builder = FontBuilder(1000, isTTF=True)
        names = [".notdef", "space", *letters]
        builder.setupGlyphOrder(names)
        builder.setupCharacterMap({32: "space"} | {ord(letter): letter for letter in letters})
        glyphs = {}
        for index, glyph in enumerate(names):
            pen = TTGlyphPen(None)
            if glyph != "space":
                height = 300 + 50 * index
                pen.moveTo((50, 0))
                for point in ((50, height), (400, height), (400, 0)):
                    pen.lineTo(point)
                pen.closePath()
            glyphs[glyph] = pen.glyph()
        builder.setupGlyf(glyphs)
        builder.setupHorizontalMetrics(dict.fromkeys(names, (500, 50)))
        builder.setupHorizontalHeader(ascent=800, descent=-200)
        builder.setupNameTable({"familyName": name, "styleName": "Regular"})
        builder.setupOS2()
        builder.setupPost()
        builder.font.flavor = flavor
        (folder / name).parent.mkdir(exist_ok=True)
        builder.save(folder / name)
    return folder


def test_fonts_are_used_only_for_what_they_have(tmp_path, font_folder):
    (tmp_path / "t.txt").write_text("abba bab\ncede ab\nxyz\n")
    samples, skipped = generate_lines(tmp_path / "out", 12, text_file=tmp_path / "t.txt", fonts=font_folder)
    by_text = {text: {s.writer for s in samples if s.text == text} for text in ("abba bab", "cede ab")}
    assert by_text == {"abba bab": {"ae", "ab"}, "cede ab": {"ae"}}
    assert [one.source.endswith("xyz") for one in skipped] == [True]
    for sample in samples:
        image = read_image(sample.image, "GRAY")
        assert image.min() < np.median(image) - 50


def test_fonts_can_be_left_out_and_quotes_made_plain(tmp_path, font_folder):
    (tmp_path / "t.txt").write_text("abba bab\n", encoding="utf-8")
    options = {"text_file": tmp_path / "t.txt", "fonts": font_folder}
    samples, _ = generate_lines(tmp_path / "out", 12, **options, skip_fonts=["ab"])
    assert {sample.writer for sample in samples} == {"ae"}
    samples, skipped = generate_lines(tmp_path / "out", 12, **options, skip_fonts=["AE-Regular", "other"])
    assert {sample.writer for sample in samples} == {"ab"}
    assert [one.source for one in skipped] == ["skip_fonts: other"]
    with pytest.raises(InputError, match="all are to be skipped"):
        generate_lines(tmp_path / "out", 2, **options, skip_fonts=["ab", "ae"])
    (tmp_path / "t.txt").write_text("“It’s ‘so’”\n", encoding="utf-8")
    samples, _ = generate_lines(tmp_path / "out", 1, text_file=tmp_path / "t.txt", plain_quotes=True)
    assert samples[0].text == "\"It's 'so'\""


@pytest.mark.parametrize(
    "stem", ["CedarvilleCursive-Regular", "cedarville-cursive", "cedarville-cursive-latin-400-normal"]
)
def test_a_font_is_known_by_its_family_whoever_packed_it(stem):
    assert family_of(stem) == "cedarvillecursive"
    assert family_of("CaveatBrush-Regular") != family_of("Caveat[wght]") == "caveat"


def test_a_page_has_its_lines_below_each_other_in_their_boxes():
    texts = ["a line", "and a longer line below it", "last"]
    page, boxes = draw_page(texts, seed=3, number=1)
    again, _ = draw_page(texts, seed=3, number=1)
    assert np.array_equal(page, again)
    assert len(boxes) == 3
    dark = page.mean(axis=2) < np.median(page) - 60
    inside = np.zeros_like(dark)
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= page.shape[1]
        assert 0 <= top < bottom <= page.shape[0]
        assert dark[top:bottom, left:right].mean() > 0.01
        inside[top:bottom, left:right] = True
    assert dark[inside].sum() > 0.98 * dark.sum()
    middles = [(top + bottom) / 2 for _, top, _, bottom in boxes]
    assert middles == sorted(middles)
    assert boxes[1][2] - boxes[1][0] > boxes[0][2] - boxes[0][0]


def test_fonts_that_cannot_be_opened_are_listed(tmp_path, font_folder):
    shutil.copytree(font_folder, tmp_path / "fonts")
    (tmp_path / "fonts" / "bad.otf").write_bytes(b"no font")
    (tmp_path / "t.txt").write_text("abba\n")
    samples, skipped = generate_lines(tmp_path / "out", 4, text_file=tmp_path / "t.txt", fonts=tmp_path / "fonts")
    assert len(samples) == 4
    assert [(Path(one.source).name, "not a font" in one.reason) for one in skipped] == [("bad.otf", True)]


def test_what_cannot_be_used_is_named(tmp_path, font_folder):
    def message(**options):
        with pytest.raises(InputError) as error:
            generate_lines(tmp_path / "out", 3, **options)
        return str(error.value)

    (tmp_path / "none").mkdir()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.ttf").write_bytes(b"no font")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    (tmp_path / "cyrillic.txt").write_text("привет", encoding="utf-8")
    assert "no such folder" in message(fonts=tmp_path / "nowhere")
    assert "no font in it" in message(fonts=tmp_path / "none")
    assert "not a font" in message(fonts=tmp_path / "bad")
    assert "cannot be read" in message(text_file=tmp_path / "no.txt")
    assert "is empty" in message(text_file=tmp_path / "empty.txt")
    assert "UTF-8" in message(text_file=tmp_path / "latin.txt")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be put there"):
        generate_lines(tmp_path / "file", 3)
    assert "no sentence can be drawn" in message(text_file=tmp_path / "cyrillic.txt")
    with pytest.raises(InputError, match="at least one"):
        generate_lines(tmp_path, 0)
