import base64
import csv
import json
import re
from collections import Counter
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from helpers import evaluated_line as line
from mltu.report import MAX_IMAGE_BYTES, MAX_IMAGE_WIDTH, MAX_WORST_LINES, write_report
from mltu.utils.text_utils import error_rate

ALWAYS = {"report.json", "lines.csv", "confusions.csv", "index.html"}
CHARTS = {"confusions.png", "calibration.png"}


@pytest.fixture
def no_charts(monkeypatch):
    """Leaves out the charts, which take most of the time; what stands for them has room for the size of a PNG file."""
    for draw in ("draw_confusions", "draw_calibration"):
        monkeypatch.setattr(f"mltu.report.{draw}", lambda *_: bytes(24))


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


class Page(HTMLParser):
    """Parses a page, checks that its elements are nested properly, and keeps what the tests ask about."""

    VOID = ("meta", "img", "br")

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.images, self.marks, self.text = [], Counter(), [], {"del": [], "ins": []}, ""
        self.html = path.read_text("utf-8")
        self.feed(self.html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags[tag] += 1
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag in self.marks:
            self.marks[tag].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data
        if self.open and self.open[-1] in self.marks:
            self.marks[self.open[-1]][-1] += data


@pytest.mark.usefixtures("no_charts")
def test_write_report_ranks_confusions(tmp_path):
    evaluated = [line("cat", "cot"), line("a cat", "acot"), line("bat", "batt"), line("same", "same")]
    write_report(tmp_path, evaluated, 1, {})
    assert rows(tmp_path / "confusions.csv") == [
        ["true", "read", "count", "share"],
        ["a", "o", "2", "0.500000"],
        ["", "t", "1", "0.250000"],
        [" ", "", "1", "0.250000"],
    ]
    table = Page(tmp_path / "index.html").text
    assert re.search(r"a\s*o\s*2\s*50\.0\s%\s*∅\s*t\s*1\s*25\.0\s%\s*␣\s*∅\s*1", table)


@pytest.mark.usefixtures("no_charts")
def test_write_report_pools_the_lines_of_writers_and_lists_the_worst_first(tmp_path):
    evaluated = [
        line("abcdefgh", "abcdefgh", "good"),
        line("xy", "xz", "good"),
        line("abcd", "ab", "bad"),
        line("abcdef", "abcdef", "bad"),
        line("abcde", "", "worst"),
    ]
    write_report(tmp_path, evaluated, 1, {})
    assert rows(tmp_path / "writers.csv") == [
        ["writer", "lines", "characters", "cer", "cer_low", "cer_high", "wer"],
        ["worst", "1", "5", "1.000000", "", "", "1.000000"],  # one line has no interval
        ["bad", "2", "10", "0.200000", "0.000000", "0.500000", "0.500000"],  # not the mean of 2 of 4 and 0 of 6
        ["good", "2", "10", "0.100000", "0.000000", "0.500000", "0.500000"],
    ]
    assert json.loads((tmp_path / "report.json").read_text())["cer_by_writer"] == {"worst": 1, "bad": 0.2, "good": 0.1}


def test_write_report_tells_rates_speed_and_settings(tmp_path):
    evaluated = [line("abcd ef", "abxd ef"), line("gh", "g"), line("some words", "some words")]
    page = write_report(tmp_path / "new" / "folder", evaluated, 1.5, {"model": "Models/<x>"}, title="A & B")
    assert page == tmp_path / "new" / "folder" / "index.html"
    assert {path.name for path in page.parent.iterdir()} == ALWAYS | CHARTS
    summary = json.loads((page.parent / "report.json").read_text())
    cer = error_rate(["abxd ef", "g", "some words"], ["abcd ef", "gh", "some words"])
    assert summary["cer"] == {"rate": 2 / 19, "errors": 2, "total": 19, "low": cer.low, "high": cer.high}
    assert (summary["wer"]["errors"], summary["wer"]["total"]) == (2, 5)
    assert (summary["lines"], summary["characters"], summary["lines_per_second"]) == (3, 19, 2)
    assert summary["calibration_error"]["characters"] == pytest.approx(17 / 18 - 0.5)
    assert (summary["title"], summary["about"]) == ("A & B", {"model": "Models/<x>"})
    text = Page(page).text
    assert "A & B" in text
    assert "Models/<x>" in text
    assert re.search(r"CER\s*10\.53\s%\s*0\.00 to [\d.]+\s%\s*2 of 19", text)
    assert "3 lines in 1.5 seconds: 2.0 per second" in text
    assert rows(page.parent / "lines.csv")[:2] == [
        ["image", "text", "reading", "writer", "cer", "wer", "confidence"],
        ["missing.png", "abcd ef", "abxd ef", "", "0.142857", "0.500000", "0.007812"],
    ]


def test_write_report_makes_a_page_that_needs_no_other_file(tmp_path, png):
    path = png("wide.png", np.full((50, 2000), 200, np.uint8))
    page = Page(write_report(tmp_path, [line("ab", "ac", "w", path), line("d", "d", "w", path)], 1, {}))
    assert page.html.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert 'charset="utf-8"' in page.html
    assert 'name="viewport"' in page.html
    assert len(page.images) == 3  # heat map, reliability diagram, the wrong line
    for image in page.images:
        kind, content = re.fullmatch(r"data:image/(png|jpeg);base64,(.+)", image["src"]).groups()
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR)
        assert image["alt"]
        ratio = int(image["width"]) / int(image["height"])
        assert ratio == pytest.approx(pixels.shape[1] / pixels.shape[0], rel=0.05)
        assert kind == "png" or pixels.shape == (22, MAX_IMAGE_WIDTH, 3)
    assert not re.search(r"https?:|<link|<script|url\(|@import", page.html)


@pytest.mark.usefixtures("no_charts")
def test_write_report_escapes_names_and_texts(tmp_path, png):
    attack = '<script>alert("1")</script>&amp;\'{{title}}{%raw%}'
    name = 'a" onerror="alert(1)" \'>&amp;<b>{{ title }}.png'
    evaluated = [line(attack, attack[::-1], attack, f"{name}.jpg"), line(attack, ""), line("ab", "ac", image=png(name))]
    page = Page(write_report(tmp_path, evaluated, 1, {attack: attack}, title=attack))
    assert page.tags["script"] == page.tags["b"] == 0
    assert page.text.count(attack) >= 6  # title twice, setting twice, writer, true text that was not read
    assert name in page.text
    assert attack in page.marks["del"]
    assert '<th scope="row">&lt;</th>' in page.html  # one of the confused characters
    assert page.images[-1].keys() == {"src", "width", "height", "alt"}
    assert page.images[-1]["alt"] == f"Handwriting in the file {name}"


@pytest.mark.usefixtures("no_charts")
def test_write_report_marks_differences(tmp_path):
    page = Page(write_report(tmp_path, [line("the old hat", "the hot")], 1, {}))
    # the first marks are those of the explanation
    assert page.marks["del"][1:] == ["old␣", "a"]
    assert page.marks["ins"][1:] == ["o"]
    assert re.search(r"true\s*the old␣hat\s*read\s*the hot", page.text)


@pytest.mark.parametrize(
    ("true", "read", "missing"),
    [
        ("right", "right", {"confusions.png"}),
        ("not read", "", {"calibration.png"}),
        ("spaces", " ", set()),
        ("long " * 1000, "lang " * 1000, set()),
        ("ru\u0301 字 \u202e $x_ \x07", "ru 宇 $ \u200d", set()),
    ],
)
@pytest.mark.filterwarnings("error")  # matplotlib warns of glyphs that its font lacks
def test_write_report_copes_with_extremes(tmp_path, true, read, missing):
    for name in CHARTS | {"writers.csv"}:
        (tmp_path / name).write_text("part of an earlier report")
    page = Page(write_report(tmp_path, [line(true, read)], 0, {}))
    assert {path.name for path in tmp_path.iterdir()} == (ALWAYS | CHARTS) - missing
    assert page.tags["img"] == len(CHARTS - missing)
    assert "nan" not in page.text
    assert len(page.text) < 5000
    summary = json.loads((tmp_path / "report.json").read_text("utf-8"), parse_constant=pytest.fail)
    assert summary["cer"]["low"] is summary["lines_per_second"] is None


@pytest.mark.usefixtures("no_charts")
def test_write_report_shows_a_line_without_its_missing_image(tmp_path, png):
    broken = tmp_path / "broken\udc80.png"
    broken.write_bytes(png().read_bytes()[:50])
    page = Page(write_report(tmp_path / "report", [line("ab", "c", image=broken), line("d", "e")], 1, {}))
    assert page.tags["img"] == 2
    assert page.text.count("No image:") == 2
    assert "broken\\udc80.png" in page.text
    assert rows(tmp_path / "report" / "lines.csv")[1][0].endswith("broken\\udc80.png")


@pytest.mark.usefixtures("no_charts")
def test_write_report_keeps_the_page_small(tmp_path, png):
    noise = png("noise.png", np.random.default_rng(0).integers(0, 256, (300, 700, 3), np.uint8))
    evaluated = [line("some text", "same test", f"writer {i}", png()) for i in range(MAX_WORST_LINES + 3)]
    evaluated.append(line("some text", "", "noise", noise))
    page = Page(write_report(tmp_path, evaluated, 1, {}))
    pictures = [image["src"] for image in page.images if "jpeg" in image["src"]]
    assert len(pictures) == MAX_WORST_LINES
    sizes = [len(base64.b64decode(picture.split(",")[1])) for picture in pictures]
    assert MAX_IMAGE_BYTES / 3 < sizes[0] <= MAX_IMAGE_BYTES
    assert max(sizes[1:]) < sizes[0]
    assert MAX_WORST_LINES * MAX_IMAGE_BYTES * 4 / 3 < 2_500_000
    assert len(rows(tmp_path / "writers.csv")) == len(evaluated) + 1


def test_write_report_refuses_an_empty_evaluation(tmp_path):
    with pytest.raises(ValueError, match="without lines"):
        write_report(tmp_path / "report", [], 1, {})
    assert not (tmp_path / "report").exists()
