import csv
import io
import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers import line_reading
from mltu.datasets.base import normalize_text
from mltu.datasets.page_xml import read_xml
from mltu.formats import (
    ALTO,
    CSV_HEADER,
    FORMATS,
    PAGE,
    csv_rows,
    marked_text,
    to_alto,
    to_csv,
    to_hocr,
    to_json,
    to_page,
    to_text,
)
from mltu.readings import Character, LineReading, PageReading

CREATED = datetime(2026, 3, 4, 5, 6, 7, 890)


def line(text="two words", top=10, confidences=None, baseline=True, region=0, alternatives=()):
    """A line from (20, top) to (20 + 10 a character, top + 30), slanted at its right end."""
    confidence = float(np.mean(confidences or ([0.9] * len(text) or 0)))
    right = 20 + 10 * max(1, len(text))
    polygon = np.array([[20, top], [right, top], [right + 5, top + 30], [20, top + 30]])
    frame = np.array([[[20, top], [right, top]], [[20, top + 30], [right, top + 30]]])
    points = np.array([[20, top + 22.4], [right, top + 22.6]]) if baseline else None
    places = {"frame": frame, "baseline": points, "region": region}
    return line_reading(text, polygon, confidence, confidences, alternatives=alternatives, **places)


def page(*lines, source="scans/a.png", number=1):
    return PageReading(source, number, 400, 300, lines)


def parse(document):
    """The root of a document, with names freed of their namespace, which all elements must share."""
    root = ElementTree.fromstring(document.encode())
    namespaces = set()
    for element in root.iter():
        namespace, element.tag = element.tag[1:].split("}")
        namespaces.add(namespace)
    assert namespaces == {ALTO if root.tag == "alto" else PAGE}
    return root


def children(element):
    return [child.tag for child in element]


def assert_unique_names(root, attribute):
    names = [element.get(attribute) for element in root.iter() if element.get(attribute)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", name) for name in names)


def in_xml(text):
    """What XML can keep of a text."""
    return re.sub("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def test_marked_text_marks_doubtful_words():
    read = line("a big house", confidences=[0.9, 1, *[0.9] * 3, 1, 1, 1, 0.4, 1, 1])
    assert marked_text(read, 0.5) == "a big house[?]"
    assert marked_text(read, 0.85) == "a big[?] house[?]"  # a word is at most as sure as its characters
    assert marked_text(read) == "a big house"
    assert marked_text(line("as sure", confidences=[1, 1, 1, 0.5, 1, 1, 1]), 0.5) == "as sure"  # not below it
    assert to_text(page(read, line("", top=50), line("end", top=90)), 0.5) == "a big house[?]\n\nend\n"
    assert to_text(page(), 0.5) == ""


def test_marked_text_keeps_the_spaces():
    assert marked_text(line("  a  b "), 1) == "  a[?]  b[?] "


def test_to_json_has_all_values():
    read = line("é b", confidences=[0.987654, 1, 0.5], alternatives=(("e", np.float32(1 / 3)),))
    content = to_json(page(read, number=3), 0.6)
    assert "é" in content
    assert json.loads(content) == {
        "source": "scans/a.png",
        "page": 3,
        "width": 400,
        "height": 300,
        "lines": [
            {
                "text": "é b",
                "confidence": 0.8292,
                "characters_right": 0.8292,
                "box": [20, 10, 55, 40],
                "polygon": [[20, 10], [50, 10], [55, 40], [20, 40]],
                "baseline": [[20, 32], [50, 33]],
                "region": 0,
                "words": [
                    {"text": "é", "confidence": 0.9877, "box": [20, 10, 30, 40], "doubtful": False},
                    {"text": "b", "confidence": 0.5, "box": [40, 10, 50, 40], "doubtful": True},
                ],
                "characters": [
                    {"text": "é", "confidence": 0.9877, "box": [20, 10, 30, 40], "alternatives": [["e", 0.3333]]},
                    {"text": " ", "confidence": 1.0, "box": [30, 10, 40, 40], "alternatives": [["e", 0.3333]]},
                    {"text": "b", "confidence": 0.5, "box": [40, 10, 50, 40], "alternatives": [["e", 0.3333]]},
                ],
            }
        ],
    }
    (word,) = json.loads(to_json(page(line("a", baseline=False))))["lines"][0]["words"]
    assert "doubtful" not in word  # nothing was asked about doubt


@example("\udcff \u2028")  # a byte of a file name that is not UTF-8
@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=()), max_size=20))
def test_to_json_is_one_line_that_can_be_written(text):
    # two halves of a pair cannot be told from the character that they make, in any JSON
    text = re.sub("[\ud800-\udbff](?=[\udc00-\udfff])", "", text)
    content = to_json(page(line(text), source=f"{text}.png")).encode("utf-8")
    assert content.count(b"\n") == 1
    read = json.loads(content)
    assert (read["source"], read["lines"][0]["text"]) == (f"{text}.png", text)


def test_to_csv_has_a_row_for_each_line():
    read = page(line('say "a, b"'), line("", top=50), source="odd\r,\n.png", number=2)
    rows = list(csv.reader(io.StringIO(FORMATS["csv"].header + to_csv(read), newline="")))
    assert rows == [
        list(CSV_HEADER),
        ["odd\r,\n.png", "2", "1", 'say "a, b"', "0.9000", "20", "10", "125", "40"],
        ["odd\r,\n.png", "2", "2", "", "0.0000", "20", "50", "35", "80"],
    ]
    assert [[str(value) for value in row] for row in csv_rows(read)] == rows[1:]
    assert to_csv(page()) == ""


@pytest.mark.parametrize(
    "write", [to_alto, lambda read: to_alto(read, glyphs=False), lambda read: to_page(read, CREATED)]
)
def test_to_alto_and_to_page_read_back(tmp_path, write):
    lines = line("two words"), line(" <&> \"ü\" 'x' ", top=60, baseline=False), line("", top=110), line("end", top=160)
    path = tmp_path / "a.xml"
    path.write_text(write(page(*lines)), encoding="utf-8")
    (found,) = read_xml(path)
    assert found.image == "a.png"
    assert [read.text for read in found.lines] == ["two words", "<&> \"ü\" 'x'", "", "end"]
    for read, true in zip(found.lines, lines, strict=True):
        np.testing.assert_allclose(read.polygon * (400, 300), true.polygon)
        if true.baseline is None:
            assert read.baseline is None
        else:
            np.testing.assert_allclose(read.baseline * (400, 300), np.rint(true.baseline))
    assert found.skipped == []


def test_to_alto_has_the_order_of_its_schema():
    lines = (
        line("a bc", alternatives=(("d", 0.02), ("e", 0.01))),
        line("x", top=60, region=2, baseline=False),
        line("", top=110),
    )
    root = parse(to_alto(page(*lines, number=7)))
    assert children(root) == ["Description", "Layout"]
    assert children(root[0]) == ["MeasurementUnit", "sourceImageInformation", "Processing"]
    sheet = root.find("Layout/Page")
    assert sheet.attrib == {"ID": "page", "PHYSICAL_IMG_NR": "7", "WIDTH": "400", "HEIGHT": "300"}
    blocks = sheet.findall("PrintSpace/TextBlock")
    # lines of a region stand together
    assert [[text_line.get("ID") for text_line in block] for block in blocks] == [["line_1", "line_3"], ["line_2"]]
    place = {name: blocks[0].get(name) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")}
    assert place == {"HPOS": "20", "VPOS": "10", "WIDTH": "45", "HEIGHT": "130"}
    first, empty = blocks[0]
    assert first.get("BASELINE") == "20 32 60 33"
    assert children(first) == ["Shape", "String", "SP", "String"]
    assert first[0][0].attrib == {"POINTS": "20 10 60 10 65 40 20 40"}
    assert (first[1].get("CONTENT"), first[1].get("WC")) == ("a", "0.9000")
    assert first[2].attrib == {"HPOS": "30", "VPOS": "10", "WIDTH": "10", "HEIGHT": "30"}
    assert (first[3].get("CONTENT"), first[3].get("WC"), first[3].get("HPOS")) == ("bc", "0.8100", "40")
    glyphs = [(glyph.get("CONTENT"), glyph.get("GC"), glyph.get("HPOS")) for glyph in first[3]]
    assert glyphs == [("b", "0.9000", "40"), ("c", "0.9000", "50")]
    assert [variant.attrib for variant in first[3][0]] == [
        {"CONTENT": "d", "VC": "0.0200"},
        {"CONTENT": "e", "VC": "0.0100"},
    ]
    assert "BASELINE" not in blocks[1][0].attrib
    assert children(empty) == ["Shape", "String"]  # a TextLine without a String is not allowed
    assert (empty[1].get("CONTENT"), empty[1].get("WC")) == ("", "0.0000")
    assert_unique_names(root, "ID")


def test_to_page_xml_has_the_order_of_its_schema():
    lines = line("a bc"), line("x", top=60, region=2, baseline=False), line("", top=110)
    root = parse(to_page(page(*lines), CREATED))
    assert children(root) == ["Metadata", "Page"]
    assert children(root[0]) == ["Creator", "Created", "LastChange"]
    assert root[1].attrib == {"imageFilename": "a.png", "imageWidth": "400", "imageHeight": "300"}
    assert children(root[1]) == ["ReadingOrder", "TextRegion", "TextRegion"]
    order = [(region.get("index"), region.get("regionRef")) for region in root[1][0][0]]
    assert order == [("0", "region_1"), ("1", "region_2")]
    region = root[1][1]
    assert region.get("id") == "region_1"
    assert children(region) == ["Coords", "TextLine", "TextLine", "TextEquiv"]
    assert region[0].get("points") == "20,10 65,10 65,140 20,140"
    assert region.find("TextEquiv/Unicode").text == "a bc\n"
    first = region[1]
    assert children(first) == ["Coords", "Baseline", "Word", "Word", "TextEquiv"]
    assert first[0].get("points") == "20,10 60,10 65,40 20,40"
    assert first[1].get("points") == "20,32 60,33"
    assert children(first[3]) == ["Coords", "TextEquiv"]
    assert first[3][0].get("points") == "40,10 60,10 60,40 40,40"
    assert (first[3][1].get("conf"), first[3].findtext("TextEquiv/Unicode")) == ("0.8100", "bc")
    assert (first[4].get("conf"), first[4].findtext("Unicode")) == ("0.9000", "a bc")
    assert children(region[2]) == ["Coords", "Baseline", "TextEquiv"]
    assert children(root[1][2][1]) == ["Coords", "Word", "TextEquiv"]
    assert_unique_names(root, "id")


@pytest.mark.parametrize(
    ("created", "written"),
    [
        (CREATED, "2026-03-04T05:06:07+00:00"),
        (CREATED.replace(tzinfo=timezone(timedelta(hours=6))), "2026-03-03T23:06:07+00:00"),
    ],
)
def test_to_page_xml_gives_the_time_as_utc(created, written):
    root = parse(to_page(page(), created))
    assert (root[0][1].text, root[0][2].text) == (written, written)


def test_formats_write_pages_without_lines():
    root = parse(to_alto(page()))
    assert children(root.find("Layout/Page")) == ["PrintSpace"]
    assert not len(root.find("Layout/Page/PrintSpace"))
    root = parse(to_page(page(), CREATED))
    assert not len(root.find("Page"))  # not even a reading order, which may not be empty


def test_formats_keep_places_on_the_page():
    polygon = [[-9, -8.6], [500, -2], [500.2, 310], [3.5, 40]]
    frame = [[[-9, -9], [500, -2]], [[3, 310], [512, 317]]]
    arrays = map(np.array, (polygon, frame, [[-3.4, 20.0], [420, 20]]))
    out = LineReading("a", 1.0, (Character("a", 1.0, 0, 1),), *arrays)
    root = parse(to_page(page(out), CREATED))
    assert root.find(".//TextLine/Coords").get("points") == "0,0 400,0 400,300 4,40"
    assert root.find(".//Baseline").get("points") == "0,20 400,20"
    # PAGE refuses negative numbers
    for element in root.iter():
        assert re.fullmatch(r"([0-9]+,[0-9]+ )+([0-9]+,[0-9]+)", element.get("points", "0,0 1,1"))
    root = parse(to_alto(page(out)))
    assert root.find(".//Polygon").get("POINTS") == "0 0 400 0 400 300 4 40"
    string = root.find(".//String")
    assert [string.get(name) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")] == ["0", "0", "400", "300"]


def test_formats_write_no_baseline_of_one_point():
    short = LineReading("", 0.0, (), np.array([[0, 0], [9, 0], [9, 9]]), np.zeros((2, 2, 2)), np.array([[1, 2]]))
    assert parse(to_page(page(short), CREATED)).find(".//Baseline") is None
    assert "BASELINE" not in to_alto(page(short))


@example("\x00\x0b \udcff\ufffe\uffff\r\n\t ]]>&", True)
@settings(max_examples=50)
@given(st.text(st.characters(exclude_categories=()), max_size=20), st.booleans())
def test_formats_of_xml_hold_any_text(tmp_path_factory, text, glyphs):
    read = page(line(text, alternatives=((text[:1], 0.1),) if text else ()), source=f"x/{text.replace('/', '')}.png")
    path = tmp_path_factory.getbasetemp() / "odd.xml"
    path.write_bytes(to_alto(read, glyphs).encode("utf-8"))
    expected = normalize_text(in_xml(" ".join(text.split())))
    assert [read.text for read in read_xml(path)[0].lines] == [expected]
    root = parse(to_page(read, CREATED))
    # an element without text holds the empty one
    assert (root.find(".//TextLine/TextEquiv/Unicode").text or "") == in_xml(text)
    assert [found.text for found in root.findall(".//Word/TextEquiv/Unicode")] == [*map(in_xml, text.split())]
    assert root[1].get("imageFilename") == in_xml(re.split(r"[/\\]", read.source)[-1])


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"pdf", "html"}))
def test_formats_write_every_page(name):
    form = FORMATS[name]
    read = [page(line(f"page {n}"), number=n) for n in (1, 2)]
    written = [form.write([found], 0.5, CREATED) for found in read]
    assert form.ending.startswith(".")
    for n, text in enumerate(written, start=1):
        assert f"page {n}" in text or f'CONTENT="{n}"' in text or f">{n}</span>" in text
        assert text.endswith("\n")
    if form.holds == "page":
        assert [parse(text).tag for text in written] == [{"alto": "alto", "page": "PcGts"}[name]] * 2
    elif form.holds == "rows":
        assert form.write(read, 0.5, CREATED) == "".join(written)
        lines = (form.header + "".join(written)).splitlines()
        assert len(lines) == 2 + bool(form.header)
    assert form.write([page(line("dim", confidences=[0.1] * 3))], 0.5, CREATED).count("[?]") == (name == "text")


# --- hOCR -----------------------------------------------------------------------------------


def parse_title(element):
    """The properties of an hOCR element, by name."""
    properties = (part.strip().split(" ", 1) for part in element.get("title").split(";"))
    return dict(properties)


def test_to_hocr_has_the_classes_and_properties_of_the_specification():
    lines = [line("two words", confidences=[0.9] * 3 + [1] + [0.8] * 5), line("<ą & 字>", 60, baseline=False, region=1)]
    document = to_hocr([page(*lines), page(line("next"), source='odd"; 9% name.png', number=2)])
    root = ElementTree.fromstring(document.encode())
    assert document.startswith("<?xml")
    assert root.tag == "{http://www.w3.org/1999/xhtml}html"
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    meta = {element.get("name"): element.get("content") for element in root.iter("meta")}
    assert set(meta["ocr-capabilities"].split()) == {"ocr_page", "ocr_carea", "ocr_line", "ocrx_word"}
    assert meta["ocr-system"]
    classes = [element.get("class") for element in root.iter() if element.get("class")]
    assert [classes.count(name) for name in ("ocr_page", "ocr_carea", "ocr_line", "ocrx_word")] == [2, 3, 3, 6]
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len({*ids}) == len(ids) == len(classes)
    by_class = {name: [e for e in root.iter() if e.get("class") == name] for name in {*classes}}
    assert [parse_title(sheet)["ppageno"] for sheet in by_class["ocr_page"]] == ["0", "1"]
    assert parse_title(by_class["ocr_page"][0])["image"] == '"a.png"'
    assert parse_title(by_class["ocr_page"][1])["image"] == '"odd%22%3B 9%25 name.png"'
    assert parse_title(by_class["ocr_page"][0])["bbox"] == "0 0 400 300"
    places = [parse_title(place) for place in by_class["ocr_line"]]
    left, top, right, bottom = lines[0].box
    assert places[0]["bbox"] == f"{left} {top} {right} {bottom}"
    slope, offset = map(float, places[0]["baseline"].split())
    # the height of the baseline in the middle of the line, from the lower left corner of its box
    assert bottom + offset + slope * (right - left) / 2 == pytest.approx(lines[0].baseline[:, 1].mean(), abs=0.6)
    assert "baseline" not in places[1]
    assert by_class["ocrx_word"][2].text == "<ą"
    word = parse_title(by_class["ocrx_word"][0])
    assert word["x_wconf"] == str(round(100 * lines[0].words[0].confidence))
    assert word["bbox"] == "{} {} {} {}".format(*lines[0].box_of(lines[0].words[0]))


@pytest.mark.parametrize(("end", "angle"), [((200, 10), "90.0"), ((20, 210), "-180.0"), ((200, 400), "-90.0")])
def test_to_hocr_gives_the_angle_of_lines_that_are_not_level(end, angle):
    turned = replace(line("up", baseline=False), baseline=np.array([(200, 210), end], float))
    assert f"; textangle {angle}" in to_hocr([page(turned)])
    assert "baseline" not in to_hocr([page(turned)])
