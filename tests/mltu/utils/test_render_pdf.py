import io
import struct
import subprocess
import sys
import tempfile

import numpy as np
import pytest
from PIL import Image as PillowImage

from mltu.utils import render_pdf


def run(content, max_pixels=10**6, max_side=10**4, resolution=72):
    """What comes out for a PDF file: the numbers before each page, the pages, and the message at the end."""
    limits = [str(limit) for limit in (max_pixels, max_side, resolution)]
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        command = [sys.executable, render_pdf.__file__, *limits]
        done = subprocess.run(command, stdin=file, capture_output=True, check=True)
    out, pages = io.BytesIO(done.stdout), []
    while True:
        height, width, channels = struct.unpack("<3i", out.read(12))
        if height <= 0:
            message = out.read(width).decode()
            assert out.read() == b""
            return pages, message
        pages.append(np.frombuffer(out.read(height * width * channels), np.uint8).reshape(height, width, channels))


@pytest.fixture(scope="module")
def document():
    """Two pages of 99 x 50 points: white but for a black left edge, and grey."""
    first = PillowImage.new("L", (99, 50), 255)
    first.paste(0, (0, 0, 10, 50))
    file = io.BytesIO()
    first.save(file, "PDF", save_all=True, append_images=[PillowImage.new("L", (99, 50), 128)], resolution=72)
    return file.getvalue()


def test_pages_come_with_their_size_and_without_padding(document):
    pages, message = run(document)
    assert [page.shape[:2] for page in pages] == [(50, 99), (50, 99)]
    assert not message
    assert (pages[0][:, :9] < 30).all()
    assert (pages[0][:, 11:] > 225).all()
    assert (np.abs(pages[1].astype(int) - 128) < 4).all()


@pytest.mark.parametrize("limits", [{"max_side": 33}, {"max_pixels": 99 * 50 // 9}])
def test_pages_shrink_to_the_limits(document, limits):
    (page, _), _ = run(document, resolution=300, **limits)
    assert page.shape[1] == pytest.approx(33, abs=1)
    assert page.shape[0] == pytest.approx(50 / 3, abs=1)


def test_pages_have_the_resolution(document):
    assert run(document, resolution=144)[0][0].shape[:2] == (100, 198)


def test_what_is_no_document_ends_with_a_message(document):
    for content in (b"%PDF-1.7 and nothing else", document[:200]):
        pages, message = run(content)
        assert not pages
        assert "Failed to load document" in message
