"""Pages on which a person corrects readings in a browser, and gets a table of lines to train on."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import cv2
import numpy as np

from .pages import cut_line, encode_line
from .readings import PageReading
from .utils.errors import InputError
from .utils.templates import EmbeddedImage, render

QUALITY = 85  # of WebP
DOUBTFUL = 0.5  # confidence below which a word is marked, unless the user says otherwise


def to_html(pages: Sequence[PageReading], min_confidence: float = 0.0) -> str:
    """The web page for pages that have their `picture`: each line's picture, and a field with its text.

    It needs no other file. What a person has checked is saved from it as a ZIP file that `train.py --dataset table`
    takes.

    Args:
        pages: of one document or several.
        min_confidence: below which a word is marked as doubtful; 0: `DOUBTFUL`.

    Raises:
        ValueError: a page has no picture.
    """
    if not all(page.picture for page in pages):
        raise ValueError("a page without its picture cannot be shown")
    stems = {_stem(page) for page in pages}
    name = stems.pop() if len(stems) == 1 else "lines"
    shown = [{"title": _title(page), "lines": _lines(page, min_confidence or DOUBTFUL)} for page in pages]
    return render("correction/page.html", name=name, pages=shown)


def _stem(page: PageReading) -> str:
    """The name of a page's file, without what file systems may refuse."""
    return re.sub(r"[^\w.-]+", "_", _source(page).stem) or "page"


def _source(page: PageReading) -> PurePath:
    return PurePath(page.source.replace("\\", "/"))


def _title(page: PageReading) -> str:
    return f"{_source(page).name}, page {page.page}" if page.page > 1 else _source(page).name


def _lines(page: PageReading, min_confidence: float) -> list[dict[str, Any]]:
    """What the template shows of each line, without those whose outline holds nothing."""
    image = cv2.imdecode(np.frombuffer(page.picture, np.uint8), cv2.IMREAD_UNCHANGED)
    lines = []
    for number, line in enumerate(page.lines, start=1):
        try:
            content, size = encode_line(cut_line(image, line.polygon, line.baseline)[0], QUALITY)
        except InputError:
            continue
        # names the line among all that a person corrects, and in what the browser keeps of them
        key = hashlib.sha256(content + line.text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        lines.append(
            {
                "name": f"{_stem(page)}-{page.page}-{number:03d}-{key[:6]}.webp",
                "key": key,
                "image": EmbeddedImage.of(content, "webp", *size),
                "text": line.text,
                "parts": line.parts(min_confidence),
            }
        )
    return lines
