"""The ALTO reader, on generated pages in the format that eScriptorium exports."""

import os
import time
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pytest

from mltu.datasets import read_alto
from mltu.datasets.alto import LINE_HEIGHT
from mltu.datasets.page_xml import MAX_FILE, read_xml
from mltu.datasets.synthetic import draw_line
from mltu.pages import cut_line
from mltu.utils.errors import InputError
from mltu.utils.image_utils import paper_color, read_image

TEXTS = ["first line", 'l\'été <&> "x"', "third"]


def alto(name, lines, size=(800, 600), namespace="http://www.loc.gov/standards/alto/ns-v4#"):
    """An ALTO file; lines are (text or list of words, polygon points or None)."""
    rows = []
    for number, (words, points) in enumerate(lines):
        shape = f"<Shape><Polygon POINTS={quoteattr(points)}/></Shape>" if points else ""
        words = [words] if isinstance(words, str) else words
        strings = "<SP/>".join(f"<String CONTENT={quoteattr(word)}></String>" for word in words)
        box = f'HPOS="20" VPOS="{20 + 150 * number}" WIDTH="700" HEIGHT="100"'
        rows.append(f'<TextLine ID="l{number}" BASELINE="20 90 700 90" {box}>{shape}{strings}</TextLine>')
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><alto xmlns="{namespace}"><Description>'
        f"<MeasurementUnit>pixel</MeasurementUnit><sourceImageInformation><fileName>{name}</fileName>"
        f"</sourceImageInformation></Description><Layout>"
        f'<Page WIDTH="{size[0]}" HEIGHT="{size[1]}"><PrintSpace><TextBlock>{"".join(rows)}</TextBlock></PrintSpace>'
        f"</Page></Layout></alto>"
    )


@pytest.fixture
def page():
    """Three written lines on light paper; 800 x 600."""
    picture = np.full((600, 800, 3), 240, np.uint8)
    for number in range(3):
        line = draw_line("writing", number=number)
        top = 30 + 150 * number
        picture[top : top + line.shape[0], 40 : 40 + line.shape[1]] = np.minimum(line, 240)
    return picture


POLYGONS = ["20 20 720 20 720 120 20 120", "20,170 720,170 720,270 20,270", None]


@pytest.fixture
def collection(tmp_path, png, page):
    """Two pages, as `jpg/` and `alto/`."""
    (tmp_path / "set" / "alto").mkdir(parents=True)
    for name in ("page_0007_1", "page_0007_2"):
        png(f"set/jpg/{name}.png", page)
        content = alto(f"{name}.png", list(zip(TEXTS, POLYGONS, strict=True)))
        (tmp_path / "set" / "alto" / f"{name}.xml").write_text(content, encoding="utf-8")
    return tmp_path / "set"


def test_read_alto_cuts_every_line_with_its_text(collection, tmp_path, page):
    samples, skipped = read_alto(collection, tmp_path / "cut", writer_pattern=r"\d{4}", workers=2)
    assert [sample.text for sample in samples] == TEXTS * 2
    assert {sample.writer for sample in samples} == {"0007"}
    assert [sample.form for sample in samples] == ["page_0007_1"] * 3 + ["page_0007_2"] * 3
    assert skipped == []
    for number, sample in enumerate(samples[:3]):
        image = read_image(sample.image)
        expected = page[20 + 150 * number : 121 + 150 * number, 20:721]
        assert image.shape == expected.shape
        assert np.abs(image.astype(int) - expected).mean() < 3  # WebP loses a little
    again, _ = read_alto(collection, tmp_path / "cut")
    assert [sample.image for sample in again] == [sample.image for sample in samples]
    assert {sample.writer for sample in again} == {""}


def test_read_alto_changed_polygons_are_cut_anew(collection, tmp_path):
    before, _ = read_alto(collection, tmp_path / "cut")
    path = collection / "alto" / "page_0007_1.xml"
    path.write_text(path.read_text(encoding="utf-8").replace("20 20 720 20", "20 10 720 10"), encoding="utf-8")
    after, _ = read_alto(collection, tmp_path / "cut")
    assert [a.image == b.image for a, b in zip(after, before, strict=True)] == [False] + [True] * 5


def test_read_alto_outside_the_polygon_there_is_paper(page):
    triangle = np.array([[20, 20], [720, 20], [20, 120]])
    page[100:120, 600:700] = 0  # another line's ink, inside the box but outside the polygon
    cut, _ = cut_line(page, triangle)
    assert cut[-5, -50].tolist() == [240, 240, 240]
    assert np.array_equal(cut[5:60, 10:200], page[25:80, 30:220])
    assert paper_color(cut) == (240, 240, 240)


def test_read_alto_high_lines_are_shrunk(collection, tmp_path):
    for path in (collection / "alto").glob("*.xml"):
        path.write_text(alto("page_0007_1.jpg", [("a", "0 0 800 0 800 600 0 600")]), encoding="utf-8")
    samples, _ = read_alto(collection, tmp_path / "cut")
    assert read_image(samples[0].image).shape == (LINE_HEIGHT, round(800 * LINE_HEIGHT / 600), 3)


def test_read_alto_other_resolutions_fit(tmp_path):
    (tmp_path / "half.xml").write_text(alto("x", [("a", "10 10 360 10 360 60 10 60")], size=(400, 300)))
    polygon = read_xml(tmp_path / "half.xml")[0].lines[0].polygon
    assert np.allclose(polygon[0] * (800, 600), (20, 20))


def test_read_alto_words_become_a_text(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text(
        alto("x.png", [(["two", "words"], None)], namespace="http://www.loc.gov/standards/alto/v3/alto.xsd")
    )
    assert read_xml(path)[0].lines[0].text == "two words"
    path.write_text(path.read_text().replace("<SP/>", ""))
    assert read_xml(path)[0].lines[0].text == "two words"


def test_read_alto_lines_can_be_left_out(collection, tmp_path):
    samples, skipped = read_alto(collection, tmp_path / "cut", drop_text="first|<.*>")
    assert [sample.text for sample in samples] == ["third"] * 2
    assert [entry.reason for entry in skipped] == ["left out by drop_text"] * 4


def test_read_alto_what_cannot_be_used_is_listed(collection, tmp_path):
    lines = [
        ("", None),
        ("a", "1 2 3"),
        ("b", "x y z 1 2 3"),
        ("c", "9000 9000 9100 9000 9100 9100"),
        ("good", POLYGONS[0]),
    ]
    folder = collection / "alto"
    (folder / "odd.xml").write_text(alto("page_0007_1.png", lines))
    (folder / "no_image.xml").write_text(alto("nothing.png", lines))
    (folder / "../escape.xml").write_text(alto("../../secret.png", lines))
    (collection.parent / "secret.png").write_bytes((collection / "jpg" / "page_0007_1.png").read_bytes())
    (folder / "other.xml").write_text("<html><body/></html>")
    (folder / "broken.xml").write_text("<alto>")
    (folder / "empty.xml").write_text("")
    (folder / "bomb.xml").write_text(
        '<!DOCTYPE alto [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><alto><Page WIDTH="1" HEIGHT="1">&b;</Page></alto>'
    )
    (folder / "outside.xml").write_text(
        '<!DOCTYPE alto [<!ENTITY a SYSTEM "file:///etc/passwd">]><alto><Page WIDTH="1" HEIGHT="1">&a;</Page></alto>'
    )
    (folder / "flat.xml").write_text(alto("page_0007_1.png", lines, size=(0, 600)))
    samples, skipped = read_alto(collection, tmp_path / "cut")
    # a page without a size has that of its picture
    assert [sample.text for sample in samples if sample.form in ("odd", "flat")] == ["good"] * 2
    assert len(samples) == 8
    reasons = {Path(entry.source.split(":")[0]).name: entry.reason for entry in skipped}
    assert len(skipped) == 2 * 4 + 7
    assert "no image" in reasons["no_image.xml"]
    assert "no image" in reasons["escape.xml"]
    assert "not an ALTO" in reasons["other.xml"]
    assert "is empty" in reasons["empty.xml"]
    for name in ("broken.xml", "bomb.xml", "outside.xml"):
        assert "not a plain XML" in reasons[name]


def test_read_alto_nothing_usable_is_one_line(collection, tmp_path):
    def message(root, **options):
        with pytest.raises(InputError) as error:
            read_alto(root, tmp_path / "cut", **options)
        assert "\n" not in str(error.value)
        return str(error.value)

    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert "no such folder" in message(tmp_path / "nowhere")
    assert "no ALTO or PAGE file" in message(tmp_path / "empty")
    assert "no line of any page" in message(collection, drop_text=".")
    assert "drop_text" in message(collection, drop_text="(")
    with pytest.raises(InputError, match="cannot be put there"):
        read_alto(collection, tmp_path / "file" / "cut")
    assert "drop_text" in message(collection, drop_text="a{1,99999999999}")
    assert "drop_text" in message(collection, drop_text="(" * 10_000)


def test_read_alto_attacks_end_soon_and_do_not_stop_the_others(collection, tmp_path):
    folder = collection / "alto"
    nested = '<TextLine HPOS="1" VPOS="1" WIDTH="9" HEIGHT="9"><String CONTENT="a"/>' * 15_000 + "</TextLine>" * 15_000
    pages = {
        "nested": alto("no.png", []).replace("</TextBlock>", f"{nested}</TextBlock>"),
        "points": alto("page_0007_1.png", [("a", "1 2 " * 20_000)]),
        "far": alto("page_0007_1.png", [("b", "0 0 1e308 0 1e308 1e308 0 1e308"), ("c", "0 0 nan 0 1 1")]),
        "long" * 60: alto("page_0007_1.png", [("d", POLYGONS[0])]),
    }
    for name, content in pages.items():
        (folder / f"{name}.xml").write_text(content, encoding="utf-8")
    (folder / "large.xml").write_bytes(b" " * (MAX_FILE + 1))
    (folder / "folder.xml").mkdir()  # is passed over
    (folder / "gone.png").symlink_to(folder / "nothing.png")
    (folder / "gone.xml").write_text(alto("gone.png", [("e", POLYGONS[0])]))
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.xml")
    start = time.process_time()
    samples, skipped = read_alto(collection, tmp_path / "cut")
    assert time.process_time() - start < 20  # seconds of computing, however busy the machine is
    assert [sample.text for sample in samples if sample.text in "abcde"] == ["d"]
    reasons = " ".join(entry.reason for entry in skipped)
    for reason in (
        "more than 10000 points",
        "three or more points",
        "far outside",
        "32 MB",
        "no such file",
        "not an ordinary",
    ):
        assert reason in reasons


def test_read_alto_lines_too_large_to_cut_are_left_out(collection, tmp_path, monkeypatch):
    monkeypatch.setattr("mltu.datasets.alto.MAX_LINE_PIXELS", 60_000)
    with pytest.raises(InputError, match="megapixels"):
        read_alto(collection, tmp_path / "cut")
