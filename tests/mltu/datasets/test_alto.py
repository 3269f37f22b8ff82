"""The ALTO reader, on generated pages in the format that eScriptorium exports."""

import os
from pathlib import Path
from xml.sax.saxutils import quoteattr

import cv2
import numpy as np
import pytest
from PIL import Image

from mltu.datasets import read_alto
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
    assert read_image(samples[0].image).shape == (128, round(800 * 128 / 600), 3)


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


def test_read_alto_attacks_do_not_stop_the_others(collection, tmp_path):
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
    samples, skipped = read_alto(collection, tmp_path / "cut")
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


def same_writing(image, expected):
    """How alike two images of a line are, from -1 to 1, whatever margin each has."""

    def ink(picture):
        gray = picture.min(axis=2) < 160
        rows, columns = np.flatnonzero(gray.any(axis=1)), np.flatnonzero(gray.any(axis=0))
        inner = gray[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        return cv2.resize(inner.astype(np.float32), (300, 50), interpolation=cv2.INTER_AREA).ravel()

    return np.corrcoef(ink(image), ink(expected))[0, 1]


@pytest.fixture
def written():
    """A line of some 100 x 600 pixels, and places around it: image, polygon and baseline."""
    image = np.full((160, 700, 3), 240, np.uint8)
    line = draw_line("a line of writing", number=3)
    line = cv2.resize(line, None, fx=0.9, fy=0.9, interpolation=cv2.INTER_AREA)[:120, :640]
    image[20 : 20 + line.shape[0], 30 : 30 + line.shape[1]] = np.minimum(line, 240)
    polygon = np.array([[20, 10], [680, 10], [680, 150], [20, 150]], float)
    return image, polygon, np.array([[30, 110], [350, 112], [670, 110]], float)


@pytest.mark.parametrize("angle", [-90, -20, 0, 12, 90, 180])
@pytest.mark.parametrize("outline", [True, False])
def test_read_alto_levels_lines_along_their_baselines(tmp_path, png, written, angle, outline):
    image, polygon, baseline = written
    matrix = cv2.getRotationMatrix2D((350, 80), -angle, 1)
    matrix[:, 2] += 450 - np.array([350, 80])
    page = cv2.warpAffine(image, matrix, (900, 900), borderMode=cv2.BORDER_CONSTANT, borderValue=(240, 240, 240))
    png("set/a.png", page)
    polygon, baseline = (
        " ".join(f"{x:.0f},{y:.0f}" for x, y in cv2.transform(points[None], matrix)[0])
        for points in (polygon, baseline)
    )
    coords = f'<Coords points="{polygon}"/>' if outline else ""
    (tmp_path / "set" / "a.xml").write_text(
        f'<PcGts><Page imageFilename="a.png" imageWidth="900" imageHeight="900"><TextLine>{coords}<Baseline '
        f'points="{baseline}"/><TextEquiv><Unicode>a line of writing</Unicode></TextEquiv></TextLine></Page></PcGts>'
    )
    (sample,), skipped = read_alto(tmp_path / "set", tmp_path / "cut")
    assert skipped == []
    assert same_writing(read_image(sample.image), image) > 0.7


def test_read_alto_lines_of_unknown_direction_are_left_out(tmp_path, png, page):
    png("set/a.png", page)
    lines = [("upwards", "20 20 80 20 80 500 20 500"), ("I", "100 20 120 20 120 80 100 80"), ("level", POLYGONS[0])]
    (tmp_path / "set" / "a.xml").write_text(alto("a.png", lines).replace('BASELINE="20 90 700 90"', ""))
    samples, skipped = read_alto(tmp_path / "set", tmp_path / "cut")
    assert [sample.text for sample in samples] == ["I", "level"]
    assert ["no baseline tells" in entry.reason for entry in skipped] == [True]
    assert "upwards" in skipped[0].source


def test_read_alto_a_picture_of_other_proportions_is_refused(tmp_path, png, page):
    png("set/a.png", page)
    (tmp_path / "set" / "a.xml").write_text(alto("a.png", [("a", POLYGONS[0])], size=(600, 800)))
    with pytest.raises(InputError, match="page is 600 x 800 in the XML file, but its picture is 800 x 600"):
        read_alto(tmp_path / "set", tmp_path / "cut")


@pytest.mark.parametrize("ending", ["tif", "pdf"])
def test_read_alto_pages_of_a_file_are_those_of_its_picture(tmp_path, page, ending):
    (tmp_path / "set").mkdir()
    first, *others = (Image.fromarray(picture) for picture in (page, np.full_like(page, 200)))
    first.save(tmp_path / "set" / f"a.{ending}", save_all=True, append_images=others)
    content = alto(f"a.{ending}", [("one", POLYGONS[0])])
    sheets = "".join(
        content[content.index("<Page") : content.index("</Layout>")].replace("one", text) for text in ("two", "none")
    )
    (tmp_path / "set" / "a.xml").write_text(content.replace("</Layout>", f"{sheets}</Layout>"))
    samples, skipped = read_alto(tmp_path / "set", tmp_path / "cut")
    assert [(sample.text, sample.form) for sample in samples] == [("one", "a"), ("two", "a 2")]
    assert [round(float(np.median(read_image(sample.image)))) for sample in samples] == [240, 200]
    assert ["page 3 of the XML file has no picture" in entry.reason for entry in skipped] == [True]
    again, skipped_again = read_alto(tmp_path / "set", tmp_path / "cut")
    assert (again, skipped_again) == (samples, skipped)


@pytest.mark.parametrize(("preferred", "text"), [("ALTO", "of alto"), ("PAGE", "of page")])
def test_read_alto_takes_page_files(tmp_path, png, page, preferred, text):
    png("set/a.png", page)
    (tmp_path / "set" / "alto.xml").write_text(alto("a.png", [("of alto", POLYGONS[0])]))
    (tmp_path / "set" / "page.xml").write_text(
        '<PcGts><Page imageFilename="a.png" imageWidth="800" imageHeight="600"><TextLine><Coords points="20,20 720,20 '
        '720,120"/><TextEquiv><Unicode>of page</Unicode></TextEquiv></TextLine></Page></PcGts>'
    )
    samples, skipped = read_alto(tmp_path / "set", tmp_path / "cut", preferred=preferred)
    assert [sample.text for sample in samples] == [text]
    assert len(skipped) == 1
    assert "its picture has a file in" in skipped[0].reason
