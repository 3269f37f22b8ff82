"""Pages on which a person corrects readings in a browser, and gets a table of lines to train on."""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePath

import cv2
import numpy as np

from .pages import cut_line
from .readings import LineReading, PageReading
from .utils.errors import InputError
from .utils.templates import EmbeddedImage, render

MAX_LINE_HEIGHT = 128  # pixels; higher lines are shrunk, as networks read them smaller still
QUALITY = 85  # of WebP
DOUBTFUL = 0.5  # confidence below which a word is marked, unless the user says otherwise


def correction_head(name: str) -> str:
    """The beginning of a page for correcting readings; what :func:`correction_section` gives is added to it.

    Args:
        name: of the page, after which the browser names the table that it saves.
    """
    return render("correction/head.html", name=name)


def correction_section(page: PageReading, image: np.ndarray, min_confidence: float = 0.0) -> str:
    """The lines of one page, each with its picture and a field with its text.

    Args:
        page: what was read.
        image: that was read, uint8, shape (height, width) or (height, width, 3).
        min_confidence: below which a word is marked as doubtful; 0: `DOUBTFUL`.
    """
    source = PurePath(page.source.replace("\\", "/"))
    stem = re.sub(r"[^\w.-]+", "_", source.stem) or "page"
    lines = []
    for number, line in enumerate(page.lines, start=1):
        picture = _line_picture(line, image)
        if picture is None:
            continue
        content, width, height = picture
        key = hashlib.sha256(content + line.text.encode()).hexdigest()[:12]
        lines.append(
            {
                "name": f"{stem}-{page.page}-{number:03d}-{key[:6]}.webp",
                "key": key,
                "image": EmbeddedImage.of(content, "webp", width, height),
                "text": line.text,
                "parts": _marked_parts(line, min_confidence or DOUBTFUL),
            }
        )
    title = f"{source.name}, page {page.page}" if page.page > 1 else source.name
    return render("correction/page.html", title=title, lines=lines)


def _line_picture(line: LineReading, image: np.ndarray) -> tuple[bytes, int, int] | None:
    """A line cut out of its page as WebP, with its width and height; None if its outline holds nothing."""
    try:
        cut = cut_line(image, line.polygon, line.baseline)[0]
    except InputError:
        return None
    if cut.shape[0] > MAX_LINE_HEIGHT:
        width = max(1, round(cut.shape[1] * MAX_LINE_HEIGHT / cut.shape[0]))
        cut = cv2.resize(cut, (width, MAX_LINE_HEIGHT), interpolation=cv2.INTER_AREA)
    content = cv2.imencode(".webp", cut, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes()
    return content, cut.shape[1], cut.shape[0]


def _marked_parts(line: LineReading, min_confidence: float) -> list[tuple[str, bool]]:
    """The text in pieces, each with whether it is a doubtful word."""
    confidences = iter([word.confidence for word in line.words])
    pieces = re.findall(r"\s+|\S+", line.text)
    return [(piece, not piece.isspace() and next(confidences) < min_confidence) for piece in pieces]
