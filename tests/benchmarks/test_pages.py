"""What the benchmark of pages rests on: pages whose truth is known, and sums over them."""

import cv2
import numpy as np
import pytest

from benchmarks.pages import (
    FINDERS,
    SHEETS,
    Page,
    compose,
    generated_pages,
    measure_page,
    measure_rooms,
    photographed,
    real_pages,
    sheet,
    summarize,
)
from helpers import ROOT
from mltu.datasets import read_table
from mltu.pages import TextLine
from mltu.utils.image_utils import write_png


def box(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


@pytest.mark.parametrize("layout", ["one column", "two columns", "margin note"])
def test_composed_lines_are_where_they_are_said_to_be(layout):
    samples = read_table(ROOT / "samples" / "lines.csv")[0]
    page = compose(samples, layout, np.random.default_rng(1))
    assert sorted(page.texts) == sorted(sample.text for sample in samples)
    for polygon in page.polygons:
        (left, top), (right, bottom) = polygon.min(axis=0).astype(int), polygon.max(axis=0).astype(int)
        assert page.image[top:bottom, left:right].min() < page.image.max() - 60
    outside = page.image.copy()
    for polygon in page.polygons:
        cv2.fillPoly(outside, [np.rint(polygon).astype(np.int32)], int(np.median(page.image)))
    assert outside.min() > np.median(page.image) - 20


def test_photographs_keep_the_truth():
    image = np.full((400, 600), 240, np.uint8)
    polygon = box(100, 150, 500, 200)
    cv2.fillPoly(image, [polygon.astype(np.int32)], 0)
    taken = photographed(Page(image, [polygon], [polygon[2:][::-1]], ["x"], "one column"), np.random.default_rng(2))
    inside = np.zeros_like(taken.image)
    cv2.fillPoly(inside, [np.rint(taken.polygons[0]).astype(np.int32)], 1)
    assert np.median(taken.image[inside > 0]) < 30
    assert taken.baselines[0] == pytest.approx(taken.polygons[0][2:][::-1])
    assert taken.texts == ["x"]


def test_generated_pages_have_a_polygon_for_each_text():
    page = next(generated_pages(1))
    assert len(page.polygons) == len(page.baselines) == len(page.texts) == 10


def test_real_pages_have_outlines_baselines_and_a_kind(tmp_path):
    write_png(tmp_path / "letters-7.png", np.full((200, 400), 220, np.uint8))
    line = '<TextLine ID="{0}" HPOS="40" VPOS="{1}" WIDTH="300" HEIGHT="40"{2}><String CONTENT="{3}"/></TextLine>'
    lines = line.format("a", 20, ' BASELINE="40 50 340 54"', "one") + line.format("b", 100, "", "")
    (tmp_path / "letters-7.xml").write_text(
        '<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description><MeasurementUnit>pixel</MeasurementUnit>'
        '</Description><Layout><Page WIDTH="400" HEIGHT="200"><PrintSpace><TextBlock ID="t">'
        f"{lines}</TextBlock></PrintSpace></Page></Layout></alto>",
        encoding="utf-8",
    )
    (page,) = real_pages(tmp_path, 0)
    assert page.layout == "letters"
    assert page.texts == ["one", ""]
    assert page.baselines[0] == pytest.approx(np.array([[40, 50], [340, 54]]))
    assert page.polygons[1].min(axis=0) == pytest.approx([40, 100])
    assert 120 < page.baselines[1][0, 1] < 140


def test_summaries_are_sums_over_lines():
    pages = [
        {"layout": "a", "found": 3, "true": 2, "matched": 2, "recalled": 1.5, "precise": 1.5, "cpu": 1.0},
        {"layout": "b", "found": 1, "true": 2, "matched": 0, "recalled": 0.5, "precise": 0.5, "cpu": 3.0},
    ]
    texts = {"text": "abcd", "read": "abcx", "read_lines": "abcd"}
    places = {"errors_in_place": 1, "characters": 4, "elsewhere": 2}
    rows = summarize([{**page, **texts, **places} for page in pages])
    assert [row["layout"] for row in rows] == ["a", "b", "all"]
    assert [row["recall"] for row in rows] == [100, 0, 50]
    assert [row["precision"] for row in rows] == pytest.approx([200 / 3, 0, 50])
    assert [row["baseline_recall"] for row in rows] == [75, 25, 50]
    assert [row["baseline_precision"] for row in rows] == [50, 50, 50]
    assert (rows[-1]["cpu"], rows[-1]["max_cpu"], rows[-1]["cer"], rows[-1]["cer_of_lines"]) == (2, 3, 25, 0)
    assert (rows[-1]["cer_in_place"], rows[-1]["elsewhere"]) == (25, 50)


def test_measure_page_compares_lines_in_place_whatever_their_order(monkeypatch):
    # each line is a row of boxes, which is read as one letter for each 20 pixels of its width
    image = np.full((300, 500), 230, np.uint8)
    first, second, head = box(50, 100, 450, 130), box(50, 160, 450, 190), box(50, 20, 250, 50)
    page = Page(image, [first, second], [first[3:1:-1], second[3:1:-1]], ["a" * 20, "a" * 20], "letter")
    parts = [second, box(250, 100, 450, 130), box(50, 100, 250, 130), head]
    found = [TextLine(part.astype(int), part[3:1:-1].astype(int), 0) for part in parts]
    monkeypatch.setitem(FINDERS, "fake", lambda image: found)

    class Model:
        def predict_batch(self, cuts):
            return ["a" * round(cut.shape[1] / 20) for cut in cuts]

    counts = measure_page(Model(), page, "fake")
    assert counts["errors_in_place"] == 1  # the space between the parts of the first line
    assert (counts["characters"], counts["elsewhere"]) == (40, 10)
    assert counts["read"].split() == ["a" * 20, "a" * 10, "a" * 10, "a" * 10]
    assert counts["read_lines"] == counts["text"] == f"{'a' * 20} {'a' * 20}"


@pytest.mark.parametrize("kind", SHEETS)
def test_sheets_are_blank_or_have_a_line(kind):
    blank, written = (sheet(kind, 20, 1, lines) for lines in (0, 1))
    assert blank.shape == written.shape
    assert np.array_equal(blank, sheet(kind, 20, 1, 0))
    assert not np.array_equal(blank, sheet(kind, 20, 2, 0))


def test_measure_rooms_reads_the_same_lines_with_each_room(monkeypatch):
    page = next(generated_pages(1))
    monkeypatch.setitem(
        FINDERS,
        "mltu",
        lambda image: [
            TextLine(polygon, baseline, 0) for polygon, baseline in zip(page.polygons, page.baselines, strict=True)
        ],
    )
    heights = []

    class Model:
        def predict_batch(self, cuts):
            heights.append([cut.shape[0] for cut in cuts])
            return page.texts if len(heights) == 1 else [text[1:] for text in page.texts]

    rows = measure_rooms(Model(), [page], [1.2, 1.8])
    assert [row["lines"] for row in rows] == [10, 10]
    assert rows[0]["cer"] == 0 < rows[1]["cer"]
    assert np.divide(*heights[::-1]) == pytest.approx(np.full(10, 1.5), abs=0.15)
