import base64
import ctypes
import io
import re
import shutil
import subprocess
import zlib
from collections import Counter

import cv2
import numpy as np
import pypdfium2
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from pypdfium2 import raw

from mltu.pdf import DESCENT, FONT, RESOLUTION, to_pdf
from mltu.readings import Character, LineReading, PageReading
from mltu.utils.image_utils import encode_jpeg

TEXTS = ("Zażółć gęślą œuvre", "Ελληνικά русский 字", "math 𝔘 and «quotes» (x)")


def line(text, top, angle=0.0, left=60, width=480, height=40):
    """A line that falls by some degrees."""
    turn = np.radians(angle)
    along, down = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    corner = np.array([left, top], float)
    upper = np.array([corner, corner + width * along])
    frame = np.array([upper, upper + height * down])
    polygon = np.array([*frame[0], *frame[1][::-1]])
    count = len(text)
    characters = tuple(Character(one, 0.9, i / count, (i + 1) / count) for i, one in enumerate(text))
    return LineReading(text, 0.9, characters, polygon, frame)


def page(number=1, texts=TEXTS, angle=0.0, size=(800, 600)):
    width, height = size
    lines = tuple(line(text, 100 + 120 * n, angle) for n, text in enumerate(texts))
    picture = encode_jpeg(np.full((height, width), 200, np.uint8))
    return PageReading("a.png", number, width, height, lines, picture)


def word_boxes(sheet):
    """(word, its box in pixels of the page) of a page of a PDF file, from the boxes of its characters."""
    text = sheet.get_textpage()
    words, box, word = [], None, ""
    for index in range(text.count_chars() + 1):
        code = raw.FPDFText_GetUnicode(text.raw, index) if index < text.count_chars() else 32
        if chr(code).isspace():
            if word:
                left, bottom, right, top = np.array(box) * RESOLUTION / 72
                height = sheet.get_height() * RESOLUTION / 72
                words.append(
                    (
                        word.encode("utf-16", "surrogatepass").decode("utf-16"),
                        (left, height - top, right, height - bottom),
                    )
                )
            box, word = None, ""
            continue
        found = text.get_charbox(index, loose=False)
        box = found if box is None else (*np.minimum(box[:2], found[:2]), *np.maximum(box[2:], found[2:]))
        word += chr(code)
    return words


@pytest.mark.parametrize("angle", [0.0, 4.0, -12.0])
def test_to_pdf_has_every_word_at_its_place(angle):
    read = page(angle=angle)
    document = pypdfium2.PdfDocument(to_pdf([read]))
    found = word_boxes(document[0])
    expected = [(word.text, line.corners_of(word)) for line in read.lines for word in line.words]
    assert Counter(word for word, _ in found) == Counter(word for word, _ in expected)
    places = dict(found)
    for word, corners in expected:
        assert places[word] == pytest.approx([*corners.min(axis=0), *corners.max(axis=0)], abs=2.5)


def test_to_pdf_words_of_a_sloping_line_are_turned():
    document = pypdfium2.PdfDocument(to_pdf([page(angle=10.0)]))
    text = document[0].get_textpage()
    origins = []
    for index in (0, 5):  # of the first word
        x, y = ctypes.c_double(), ctypes.c_double()
        assert raw.FPDFText_GetCharOrigin(text.raw, index, x, y)
        origins.append((x.value, y.value))
    along = np.subtract(origins[1], origins[0])
    assert np.degrees(np.arctan2(along[1], along[0])) == pytest.approx(-10, abs=0.1)  # y goes up in a PDF file


def test_to_pdf_finds_texts_that_are_searched_for():
    document = pypdfium2.PdfDocument(to_pdf([page(1), page(2, ["only here"])]))
    assert len(document) == 2
    assert document[0].get_textpage().get_text_bounded().split() == " ".join(TEXTS).split()
    for text in ("gęślą œuvre", "русский 字", "quotes»"):
        assert document[0].get_textpage().search(text).get_next()
        assert not document[1].get_textpage().search(text).get_next()
    assert document[1].get_textpage().search("only here").get_next()


def test_to_pdf_shows_the_picture_alone():
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (800, 600))
    read = PageReading("a.png", 1, 800, 600, page().lines, encode_jpeg(image))
    document = pypdfium2.PdfDocument(to_pdf([read]))
    assert document[0].get_size() == pytest.approx((800 * 72 / RESOLUTION, 600 * 72 / RESOLUTION), abs=0.01)
    drawn = document[0].render(scale=RESOLUTION / 72).to_numpy()
    assert np.abs(drawn.astype(int) - image).mean() < 3


def test_to_pdf_takes_many_characters_blank_pages_and_words_without_width():
    every = "".join(map(chr, range(0x100, 0x180)))
    narrow = line("x", 10, left=30, width=0)
    read = [page(1, [every]), page(2, []), PageReading("b.png", 1, 50, 60, (narrow,), page().picture)]
    document = pypdfium2.PdfDocument(to_pdf(read))
    texts = [sheet.get_textpage().get_text_bounded().split() for sheet in document]
    assert texts == [[every], [], ["x"]]


def test_to_pdf_needs_pictures():
    with pytest.raises(ValueError, match="picture"):
        to_pdf([PageReading("a.png", 1, 10, 10, ())])


@pytest.mark.skipif(not shutil.which("pdftotext"), reason="pdftotext is not installed")
def test_pdftotext_finds_the_words(tmp_path):
    (tmp_path / "a.pdf").write_bytes(to_pdf([page(), page(2, ["only here"], angle=5.0)]))
    done = subprocess.run(["pdftotext", "-enc", "UTF-8", tmp_path / "a.pdf", "-"], capture_output=True, check=True)
    first, second = done.stdout.decode().split("\f")[:2]
    assert first.split() == " ".join(TEXTS).split()
    assert second.split() == ["only", "here"]
    done = subprocess.run(["pdftotext", "-bbox", tmp_path / "a.pdf", "-"], capture_output=True, check=True)
    boxes = re.findall(r'xMin="(.+?)" yMin="(.+?)" xMax="(.+?)" yMax="(.+?)">(.+?)<', done.stdout.decode())
    found = {word: np.array(box, float) * RESOLUTION / 72 for *box, word in boxes}
    for line in page().lines:
        for word in line.words:
            assert found[word.text] == pytest.approx(line.box_of(word), abs=1.5)


def test_font_is_a_box_of_the_tables_that_pdf_asks_for():
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "box"])
    pen = TTGlyphPen(None)
    low, high = -1000 * DESCENT, 1000 * (1 - DESCENT)
    pen.moveTo((0, low))
    for corner in ((0, high), (500, high), (500, low)):
        pen.lineTo(corner)
    pen.closePath()
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "box": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "box": (500, 0)})
    builder.setupHorizontalHeader(ascent=int(high), descent=int(low))
    builder.font["head"].created = builder.font["head"].modified = 0
    builder.font.recalcTimestamp = False
    file = io.BytesIO()
    builder.save(file)
    assert zlib.decompress(base64.b64decode(FONT)) == file.getvalue()
