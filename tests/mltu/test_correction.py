import html
import shutil
from dataclasses import replace

import numpy as np
import pytest

from helpers import box, line_reading
from mltu.correction import to_html
from mltu.datasets import read_table
from mltu.datasets.archive import unpack_table
from mltu.datasets.synthetic import draw_page
from mltu.readings import LineReading, PageReading
from mltu.utils.image_utils import encode_jpeg, read_image

TEXTS = ["the first line", 'a "second" <one>', "third & last"]


@pytest.fixture(scope="module")
def page():
    """A page that was read, with its picture; the second word of each line is doubtful."""
    image, boxes = draw_page(TEXTS, seed=3)
    lines = []
    for text, sides in zip(TEXTS, boxes, strict=True):
        doubtful = range(text.index(" ") + 1, text.index(" ", text.index(" ") + 1))
        confidences = [0.3 if place in doubtful else 0.99 for place in range(len(text))]
        lines.append(line_reading(text, box(*sides), confidences=confidences))
    height, width = image.shape[:2]
    return PageReading("scans/my page.png", 2, width, height, tuple(lines), encode_jpeg(image))


def test_to_html_shows_lines_and_marks_doubtful_words(page):
    section = to_html([page]).partition("<main>")[2]
    assert section.count("data:image/webp;base64,") == section.count("<textarea") == 3
    assert [f"<mark>{word}</mark>" in section for word in ("first", "&#34;second&#34;", "&amp;", "line")] == [
        1,
        1,
        1,
        0,
    ]
    assert all(f">{html.escape(text).replace('&quot;', '&#34;')}</textarea>" in section for text in TEXTS)
    assert "my page.png, page 2" in section
    assert "my_page-2-001-" in section
    assert "<mark>" not in to_html([page], min_confidence=1e-9).partition("<main>")[2]
    assert to_html([page, page]).count("<textarea") == 6


def test_to_html_leaves_out_lines_outside_the_page(page):
    outside = LineReading("x", 0.5, (), np.array([[-9, -9], [-5, -9], [-5, -5]]), np.zeros((2, 2, 2)))
    assert "<textarea" not in to_html([replace(page, lines=(outside,))])


def test_to_html_needs_pictures(page):
    with pytest.raises(ValueError, match="without its picture"):
        to_html([page, replace(page, picture=b"")])


def test_corrected_lines_are_saved_by_a_browser(page, tmp_path):
    """Open the page, correct a line, confirm another, save, and find both in the table with their pictures."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not chromium:
        pytest.skip("needs Chromium")
    path = tmp_path / "page.html"
    path.write_text(to_html([page]), encoding="utf-8")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=arguments)
        tab = browser.new_page(accept_downloads=True, viewport={"width": 360, "height": 640})
        problems = []
        tab.on("pageerror", lambda error: problems.append(str(error)))
        tab.goto(path.as_uri())
        assert tab.evaluate("document.documentElement.scrollWidth") <= 360
        tab.click("#save")
        assert "No line is checked" in tab.inner_text("#status")
        fields = tab.locator("textarea")
        fields.nth(0).fill('Ünë, "corrected"')
        fields.nth(0).press("Enter")
        tab.keyboard.press("Enter")  # the second line is right
        assert tab.inner_text("#status") == "2 of 3 lines checked"
        with tab.expect_download() as download:
            tab.keyboard.press("Control+s")
        assert download.value.suggested_filename == "my_page.zip"
        download.value.save_as(tmp_path / "saved.zip")
        tab.reload()
        assert fields.nth(0).input_value() == 'Ünë, "corrected"'
        assert tab.inner_text("#status") == "2 of 3 lines checked"
        browser.close()
    assert not problems
    samples, skipped = read_table(unpack_table(tmp_path / "saved.zip", tmp_path / "unpacked"))
    assert not skipped
    assert [sample.text for sample in samples] == ['Ünë, "corrected"', TEXTS[1]]
    for sample, line in zip(samples, page.lines, strict=False):
        height, width = read_image(sample.image).shape[:2]
        left, top, right, bottom = line.box
        assert width / height == pytest.approx((right - left) / (bottom - top), rel=0.1)
