"""Sheets of samples: several line images with their texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from ..utils.image_utils import to_bgr

MAX_HEIGHT, MAX_WIDTH = 64, 800  # pixels; larger lines are shrunk
MIN_WIDTH = 480  # pixels of a sheet, for the texts
CAPTION, MARGIN, FONT = 26, 8, 16  # pixels
FONT_FILE = Path(__file__).with_name("fonts") / "DejaVuSans.ttf"
GREEN = (20, 90, 40)  # RGB


@lru_cache(maxsize=64)
def text_font(size: int) -> ImageFont.FreeTypeFont:
    """A font with the letters of all Latin alphabets; the size is in pixels."""
    return ImageFont.truetype(FONT_FILE, size)


def caption(text: str, width: int, height: int = CAPTION, size: int = FONT) -> np.ndarray:
    """Printed text on white; uint8 BGR, shape (height, width, 3); sizes in pixels."""
    picture = PillowImage.new("RGB", (width, height), "white")
    ImageDraw.Draw(picture).text((MARGIN, 2), text, fill=GREEN, font=text_font(size))
    return np.ascontiguousarray(np.asarray(picture)[..., ::-1])


def sheet(rows: Sequence[tuple[Sequence[np.ndarray], Sequence[str]]], title: str = "") -> np.ndarray:
    """Lay out rows of (images side by side, lines of text below them), with a title above, as uint8 BGR image.

    All rows have as many images.
    """
    shrunk = [([_line(image) for image in images], texts) for images, texts in rows]
    columns = zip(*(images for images, _ in shrunk), strict=True)
    widths = [max(image.shape[1] for image in column) for column in columns]
    width = max(sum(widths) + MARGIN * (1 + len(widths)), MIN_WIDTH)
    parts = [caption(title, width)] if title else []
    for images, texts in shrunk:
        row = np.full((MARGIN + max(image.shape[0] for image in images), width, 3), 255, np.uint8)
        left = MARGIN
        for image, column_width in zip(images, widths, strict=True):
            row[MARGIN : MARGIN + image.shape[0], left : left + image.shape[1]] = image
            left += column_width + MARGIN
        parts += [row, *(caption(text, width) for text in texts)]
    return np.vstack(parts)


def _line(image: np.ndarray) -> np.ndarray:
    image = to_bgr(image)
    return shrink(image, min(MAX_HEIGHT / image.shape[0], MAX_WIDTH / image.shape[1]))


def shrink(image: np.ndarray, scale: float) -> np.ndarray:
    """An image resized by a factor, if that is below 1."""
    size = [max(1, round(scale * side)) for side in image.shape[1::-1]]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
