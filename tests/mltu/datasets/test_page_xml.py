"""Reading ALTO and PAGE files, and finding the picture of each."""

from pathlib import Path

import numpy as np
import pytest

from mltu.datasets.page_xml import PageFile, complete_polygons, list_pages, read_xml
from mltu.utils.errors import InputError

ALTO = (
    '<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><MeasurementUnit>{unit}</MeasurementUnit>'
    "<sourceImageInformation><fileName>{name}</fileName></sourceImageInformation></Description>"
    "<Layout><Page {size}><PrintSpace>{lines}</PrintSpace></Page></Layout></alto>"
)
PAGE = (
    '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/{version}">'
    '<Page imageFilename="{name}" {size}>{lines}</Page></PcGts>'
)


def alto_file(path, lines="", name="a.png", size='WIDTH="200" HEIGHT="40"', unit="pixel"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ALTO.format(lines=lines, name=name, size=size, unit=unit), encoding="utf-8")
    return path


def page_file(path, lines="", name="a.png", size='imageWidth="200" imageHeight="40"', version="2013-07-15"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PAGE.format(lines=lines, name=name, size=size, version=version), encoding="utf-8")
    return path


def region(*lines):
    return f"<TextRegion><Coords points='0,0 9,0 9,9'/>{''.join(lines)}</TextRegion>"


def page_line(text="", points="0,0 100,0 100,40", baseline="", name="l1"):
    baseline = baseline and f'<Baseline points="{baseline}"/>'
    text = text and f"<TextEquiv><Unicode>{text}</Unicode></TextEquiv>"
    return f'<TextLine id="{name}"><Coords points="{points}"/>{baseline}{text}</TextLine>'


@pytest.mark.parametrize("version", ["2009-03-16", "2013-07-15", "2019-07-15"])
def test_read_xml_takes_page_of_any_version(tmp_path, version):
    lines = region(page_line("first", baseline="0,30 50,32 100,30")) + region(page_line(name="l2"), page_line("third"))
    (page,) = read_xml(page_file(tmp_path / "a.xml", lines, version=version, name="folder/a.png"))
    assert (page.image, page.size, page.number, page.skipped) == ("a.png", (200, 40), 0, [])
    assert [(line.text, line.region, line.name) for line in page.lines] == [
        ("first", 0, "l1"),
        ("", 1, "l2"),
        ("third", 1, "l1"),
    ]
    np.testing.assert_allclose(page.lines[0].polygon, [[0, 0], [0.5, 0], [0.5, 1]])
    np.testing.assert_allclose(page.lines[0].baseline, [[0, 0.75], [0.25, 0.8], [0.5, 0.75]])
    assert page.lines[1].baseline is None


def test_list_pages_gives_each_file_its_picture(tmp_path, png):
    for folder in ("one", "two"):
        png(f"{folder}/0001.jpg")
        png(f"{folder}/thumbs/0001.jpg")
        page_file(tmp_path / folder / "page" / "0001.xml", name="0001.jpg")  # as Transkribus exports
    alto_file(tmp_path / "two" / "none.xml", name="none.jpg")
    found, skipped = list_pages(tmp_path)
    assert found == [
        PageFile(tmp_path / folder / "page" / "0001.xml", tmp_path / folder / "0001.jpg", "PAGE")
        for folder in ("one", "two")
    ]
    assert [(entry.source, entry.reason) for entry in skipped] == [
        (str(tmp_path / "two" / "none.xml"), "no image: none.jpg")
    ]


def test_list_pages_takes_the_picture_beside_the_file_first(tmp_path, png):
    names = {  # what is beside the file -> what the file says
        "a.jpg": "a.jpg",
        "B.JPG": "b.jpg",
        "scan_17.webp": "scan_17.tif",
        "scan.18.png": "scan.18.jp2",
        "my page.png": "my%20page.png",
        "my%20leaf.png": "my leaf.png",
        "é.png": "e\u0301.png",  # as macOS writes it
        "xml5.png": "default.jpg",
        "xml6.jpg": "",
        "c.bmp": "C:\\scans\\c.bmp",
    }
    for number, (picture, name) in enumerate(names.items()):
        png(f"in/{number}/{picture}")
        png(f"elsewhere/{picture}")
        # the same name in a folder that comes first must not win
        alto_file(tmp_path / "in" / str(number) / f"xml{number - 2}.xml", name=name)
    found, skipped = list_pages(tmp_path)
    assert skipped == []
    assert [str(file.picture.relative_to(tmp_path / "in")) for file in found] == [
        f"{number}/{picture}" for number, picture in enumerate(names)
    ]


def test_list_pages_refuses_an_ambiguous_picture_and_names_both(tmp_path, png):
    for name in ("b/p.jpg", "c/p.jpg", "q.png", "q.jpg", "Rr.png", "rR.png"):
        png(name)
    files = [alto_file(tmp_path / "a" / "p.xml", name="p.jpg"), alto_file(tmp_path / "q.xml", name="q.tif")]
    files.append(alto_file(tmp_path / "r.xml", name="rr.png"))
    found, skipped = list_pages(tmp_path)
    assert found == []
    reasons = {Path(entry.source).name: entry.reason for entry in skipped}
    for file, one, two in (("p", "b/p.jpg", "c/p.jpg"), ("q", "q.jpg", "q.png"), ("r", "Rr.png", "rR.png")):
        assert f"could be {tmp_path / one} or {tmp_path / two};" in reasons[f"{file}.xml"]
    png("a/p.jpg")
    assert [file.picture for file in list_pages(tmp_path)[0]] == [tmp_path / "a" / "p.jpg"]


def test_list_pages_files_of_one_format_count_where_there_are_two(tmp_path, png):
    for number in range(2):
        png(f"{number}.jpg")
        page_file(tmp_path / "page" / f"{number}.xml", name=f"{number}.jpg")
    alto_file(tmp_path / "alto" / "0.xml", name="0.jpg")
    for preferred, kept in (("ALTO", ["alto/0.xml", "page/1.xml"]), ("PAGE", ["page/0.xml", "page/1.xml"])):
        found, skipped = list_pages(tmp_path, preferred)
        assert [str(file.path.relative_to(tmp_path)) for file in found] == kept
        assert [preferred in entry.reason for entry in skipped] == [True]


def test_list_pages_passes_over_what_macos_adds(tmp_path, png):
    png("a.jpg")
    file = alto_file(tmp_path / "a.xml")
    for side in (tmp_path / "._a.xml", tmp_path / "__MACOSX" / "a.xml", tmp_path / "._a.png"):
        side.parent.mkdir(exist_ok=True)
        side.write_bytes(b"\0\5\x16\7")
    assert list_pages(tmp_path) == ([PageFile(file, tmp_path / "a.jpg", "ALTO")], [])


LINE = '<TextLine ID="l1" HPOS="20" VPOS="0" WIDTH="100" HEIGHT="40" {}>{}</TextLine>'


@pytest.mark.parametrize(
    ("strings", "text"),
    [
        ('<String CONTENT="an exam"/><HYP CONTENT="-"/>', "an exam-"),
        ('<String CONTENT="an"/><SP/><String CONTENT="ex" SUBS_TYPE="HypPart1" SUBS_CONTENT="exam"/><HYP/>', "an ex-"),
        ('<String CONTENT="an"/><String CONTENT="exam"/><HYP CONTENT="&#xAD;"/>', "an exam-"),
        ('<String CONTENT="exam-"/><HYP CONTENT="-"/>', "exam-"),
        ('<String CONTENT="exam"/><SP/><HYP CONTENT="¬"/>', "exam¬"),
        ('<String CONTENT="ple" SUBS_TYPE="HypPart2" SUBS_CONTENT="example"/><String CONTENT="of"/>', "ple of"),
        ('<String CONTENT="ex"/><String CONTENT="am"/><SP/><String CONTENT="of"/>', "exam of"),
        ('<HYP CONTENT="-"/>', "-"),
        ("<SP/>", ""),
    ],
)
def test_read_xml_hyphens_belong_to_their_word(tmp_path, strings, text):
    (page,) = read_xml(alto_file(tmp_path / "a.xml", LINE.format("", strings)))
    assert [line.text for line in page.lines] == [text]


def test_read_xml_tells_what_nobody_can_see(tmp_path):
    lines = LINE.format("", '<String CONTENT="Please&#x200B; se&#xAD;nd&#xFEFF;"/>')
    (page,) = read_xml(alto_file(tmp_path / "a.xml", lines))
    assert page.lines[0].text == "Please send"
    assert [(entry.source, entry.kept) for entry in page.skipped] == [(f"{tmp_path / 'a.xml'}:l1", True)]


def test_read_xml_takes_texts_of_words_where_a_page_line_has_none(tmp_path):
    def equivalent(text, index=0):
        return f"<TextEquiv index='{index}'><Unicode>{text}</Unicode></TextEquiv>"

    coords = '<Coords points="0,0 9,0 9,9"/>'
    glyphs = "".join(f"<Glyph>{equivalent(letter)}</Glyph>" for letter in "two")
    lines = [
        f"<Word>{equivalent('one')}</Word><Word>{glyphs}</Word>",
        f"<Word>{equivalent('less')}</Word>{equivalent('second', 1)}{equivalent('first', 0)}",
        "<TextEquiv><Unicode/></TextEquiv>",
    ]
    content = "".join(f"<TextLine>{coords}{line}</TextLine>" for line in lines)
    (page,) = read_xml(page_file(tmp_path / "a.xml", content))
    assert [line.text for line in page.lines] == ["one two", "first", ""]
    assert [line.name for line in page.lines] == ["line 1", "line 2", "line 3"]


def test_read_xml_takes_places_of_page_2010_and_alto_2(tmp_path):
    points = "".join(f'<Point x="{x}" y="{y}"/>' for x, y in ((0, 0), (100, 0), (100, 40)))
    (page,) = read_xml(page_file(tmp_path / "a.xml", f"<TextLine><Coords>{points}</Coords></TextLine>"))
    np.testing.assert_allclose(page.lines[0].polygon * page.size, [(0, 0), (100, 0), (100, 40)])
    (page,) = read_xml(alto_file(tmp_path / "b.xml", LINE.format('BASELINE="30"', "")))
    np.testing.assert_allclose(page.lines[0].polygon * page.size, [(20, 0), (120, 0), (120, 40), (20, 40)])
    np.testing.assert_allclose(page.lines[0].baseline * page.size, [(20, 30), (120, 30)])


def test_read_xml_baselines_that_cannot_be_are_left(tmp_path):
    wrong = ["", "20 30", "20 30 20 30", "20 30 x 30", "20 30 120", "20 nan 120 30", "20 300 120 300", "1e9 0 2e9 0"]
    lines = "".join(LINE.format(f'BASELINE="{points}"', "") for points in wrong)
    (page,) = read_xml(alto_file(tmp_path / "a.xml", lines))
    assert [line.baseline for line in page.lines] == [None] * len(wrong)


def test_read_xml_lines_without_a_place_are_skipped(tmp_path):
    lines = "".join(page_line(points, points) for points in ("", "1,2 3,4", "0,0 1e9,0 1e9,9", "1,2 3,4 5,6"))
    (page,) = read_xml(page_file(tmp_path / "a.xml", lines + page_line("baseline", points="", baseline="0,30 90,30")))
    assert [line.text for line in page.lines] == ["1,2 3,4 5,6", "baseline"]
    assert page.lines[1].polygon is None
    assert [entry.reason.split(":")[0] for entry in page.skipped] == ["no place"] * 3


def test_read_xml_baselines_of_scripts_from_right_to_left_do_not_turn_them(tmp_path):
    lines = page_line("שלום", baseline="100,30 0,30") + page_line("word", baseline="100,30 0,30")
    (page,) = read_xml(page_file(tmp_path / "a.xml", lines))
    assert [float(np.diff(line.baseline[[0, -1], 0])[0]) > 0 for line in page.lines] == [True, False]


@pytest.mark.parametrize("size", ["", 'WIDTH="0" HEIGHT="0"', 'WIDTH="nan" HEIGHT="40"', 'WIDTH="1e300" HEIGHT="40"'])
def test_read_xml_without_a_size_takes_that_of_the_picture(tmp_path, png, size):
    picture = png("a.png")
    file = alto_file(tmp_path / "a.xml", LINE.format("", ""), size=size)
    (page,) = read_xml(file, picture)
    assert page.size == (200, 40)
    np.testing.assert_allclose(page.lines[0].polygon[2], (0.6, 1))
    with pytest.raises(InputError, match="the page has no size"):
        read_xml(file)
    with pytest.raises(InputError, match="no size, and its unit is mm10"):
        read_xml(alto_file(tmp_path / "a.xml", LINE.format("", ""), size=size, unit="mm10"), picture)


def test_read_xml_gives_every_page_of_a_file(tmp_path):
    file = alto_file(tmp_path / "a.xml", LINE.format("", '<String CONTENT="first"/>'))
    second = '<Page WIDTH="100" HEIGHT="80">' + LINE.format("", '<String CONTENT="second"/>') + "</Page></Layout>"
    file.write_text(file.read_text().replace("</Layout>", second))
    pages = read_xml(file)
    assert [(page.number, page.size, [line.text for line in page.lines]) for page in pages] == [
        (0, (200, 40), ["first"]),
        (1, (100, 80), ["second"]),
    ]


def test_complete_polygons_follows_the_baselines_around(tmp_path):
    baselines = ["0,100 700,100", "0,160 700,160", "0,220 300,230 700,220", "0,900 700,900", "400,190 500,190"]
    lines = "".join(page_line("some text of a line", "", baseline) for baseline in baselines)
    size = 'imageWidth="1000" imageHeight="2000"'
    (page,) = read_xml(page_file(tmp_path / "a.xml", lines + page_line("box"), size=size))
    complete = complete_polygons(page)
    heights = [np.ptp(line.polygon[:, 1]) * 2000 for line in complete]
    assert heights[0] == pytest.approx(1.1 * 60, rel=0.1)
    assert heights[3] == pytest.approx(heights[0])  # far from all others, it is as high as they are
    assert heights[4] < 0.8 * heights[0]  # between two lines
    assert complete[5] == page.lines[5]
    np.testing.assert_allclose(complete[0].polygon[0] * page.size, (-12, 55), atol=0.1)
    (page,) = read_xml(page_file(tmp_path / "a.xml", page_line("Please send", "", "20,75 700,75"), size=size))
    (line,) = complete_polygons(page)
    assert 100 < np.ptp(line.polygon[:, 1]) * 2000 < 300  # alone on its page, the number of characters tells
