"""Reading ALTO and PAGE files, and finding the picture of each."""

import numpy as np
import pytest

from mltu.datasets.page_xml import PageFile, list_pages, read_xml

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
