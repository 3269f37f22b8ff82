"""Annotated pages: lines outlined and numbered, with their readings beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw

from ..readings import LineReading, PageReading
from ..utils.image_utils import to_bgr
from .sheets import shrink, text_font

MAX_SIDE = 2400  # pixels; larger pages are shrunk
MIN_TEXT_WIDTH = 320  # pixels that the text may take beside or below a narrower image
FONT_SIZES = (14, 40)  # pixels; between them, the text follows the height of the writing
MIN_FONT_SIZE = 8  # pixels, where lines are too close or too long for larger text
MAX_COLUMNS = 3  # of text; with more, they would be too narrow to read

INK, DOUBTFUL, PAPER = (0, 0, 0), (215, 0, 0), (255, 255, 255)  # RGB
OUTLINES = ((0, 100, 220), (0, 140, 60), (150, 70, 200))  # in turn, so that neighbours differ
BASELINE = (235, 0, 140)


class _Block(NamedTuple):
    """The text of a line, laid out in rows."""

    rows: list[list[tuple[float, str, bool]]]  # words: pixels from the left, text, whether it is doubtful
    size: int  # of the font, pixels
    width: float  # of the widest row, pixels

    @property
    def row_height(self) -> int:
        return round(1.25 * self.size)

    @property
    def height(self) -> int:
        return self.row_height * len(self.rows)


def annotate(image: np.ndarray, page: PageReading, min_confidence: float = 0.0) -> np.ndarray:
    """Draw outline, number and baseline of each line on the page, and its reading to the right, uncertain words in red.

    Texts stand at the height of their lines as far as there is room, and regions side by side have columns of
    text side by side. The text of an image that is a single line stands below it.

    Args:
        image: the page, grey (H, W) or BGR (H, W, 3), uint8, of the size that `page` gives.

    Returns:
        uint8 BGR image. The page takes at most `MAX_SIDE` pixels per side; the text adds at most the same width
        again, or `MIN_TEXT_WIDTH`.

    Raises:
        InputError: not an image.
    """
    image = to_bgr(image)
    scale = min(1.0, MAX_SIDE / max(image.shape[:2]))
    drawn = _draw_outlines(shrink(image, scale), page.lines, scale)
    if _is_single_line(page):
        canvas = _add_text_below(drawn, page.lines[0], min_confidence)
    else:
        canvas = _add_text_beside(drawn, page.lines, scale, min_confidence)
    return cv2.cvtColor(np.asarray(canvas), cv2.COLOR_RGB2BGR)


def _draw_outlines(image: np.ndarray, lines: Sequence[LineReading], scale: float) -> np.ndarray:
    """Draw outlines and baselines on a copy of the image; returns RGB."""
    drawn = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    thickness = max(1, round(max(drawn.shape[:2]) / 1000))

    def draw(points: np.ndarray, closed: bool, color: tuple[int, int, int]) -> None:
        points = np.clip(np.asarray(points) * scale, 0, (drawn.shape[1] - 1, drawn.shape[0] - 1))
        # With 4 fractional bits, coordinates are sixteenths of a pixel.
        cv2.polylines(drawn, [np.rint(points * 16).astype(np.int32)], closed, color, thickness, cv2.LINE_AA, 4)

    for number, line in enumerate(lines):
        if line.baseline is not None:
            draw(line.baseline, False, BASELINE)
        draw(line.polygon, True, OUTLINES[number % len(OUTLINES)])
    return drawn


def _is_single_line(page: PageReading) -> bool:
    if len(page.lines) != 1:
        return False
    left, top, right, bottom = page.lines[0].box
    return max(left, top) <= 0 and right >= page.width - 1 and bottom >= page.height - 1


def _add_text_below(drawn: np.ndarray, line: LineReading, min_confidence: float) -> PillowImage.Image:
    height, width = drawn.shape[:2]
    size = _font_size(0.5 * height)
    margin = size // 2
    block = _lay_out(line, size, max(width, MIN_TEXT_WIDTH) - 2 * margin, min_confidence)
    canvas = _canvas(drawn, max(width, round(block.width) + 2 * margin), height + block.height + 2 * margin)
    _write(ImageDraw.Draw(canvas), block, margin, height + margin)
    return canvas


def _add_text_beside(
    drawn: np.ndarray, lines: Sequence[LineReading], scale: float, min_confidence: float
) -> PillowImage.Image:
    height, width = drawn.shape[:2]
    columns = _columns(lines)
    room = max(width, MIN_TEXT_WIDTH) / max(1, len(columns))
    largest = _font_size(0.5 * scale * float(np.median([_line_height(line) for line in lines] or [0])))
    for part in (1.0, 0.8, 0.6, 0.4, 0.0):
        size = max(MIN_FONT_SIZE, round(part * largest))
        margin = size // 2
        indent = margin + text_font(size).getlength(f"{len(lines)}  ")
        blocks = [_lay_out(line, size, room - indent - margin, min_confidence) for line in lines]
        needed = max((sum(blocks[i].height for i in column) for column in columns), default=0)
        if needed <= height or size == MIN_FONT_SIZE:
            break
    widths = [round(indent + max(blocks[i].width for i in column) + margin) for column in columns]
    # A page with more lines than anyone reads in a picture is cut off.
    canvas = _canvas(drawn, width + sum(widths), max(height, min(needed, 2 * MAX_SIDE)))
    draw = ImageDraw.Draw(canvas)
    left = width
    for column, column_width in zip(columns, widths, strict=True):
        wanted = [scale * (lines[i].box[1] + lines[i].box[3]) / 2 - blocks[i].height / 2 for i in column]
        tops = _spread(wanted, [blocks[i].height for i in column], max(height, needed))
        for i, top in zip(column, tops, strict=True):
            color = OUTLINES[i % len(OUTLINES)]
            draw.text((left + margin, top), str(i + 1), fill=color, font=text_font(blocks[i].size))
            _write(draw, blocks[i], left + indent, top)
            _number_on_page(draw, lines[i], scale, str(i + 1), color, size)
        left += column_width
    return canvas


def _columns(lines: Sequence[LineReading]) -> list[list[int]]:
    """Indices of the lines of each column, from top to bottom; regions side by side are in different columns."""
    regions: dict[int, list[int]] = {}
    for i, line in enumerate(lines):
        regions.setdefault(line.region, []).append(i)
    columns: list[list[int]] = []
    spans: list[list[tuple[float, float]]] = []
    for members in regions.values():
        slack = float(np.median([_line_height(lines[i]) for i in members])) / 2
        top, bottom = min(lines[i].box[1] for i in members), max(lines[i].box[3] for i in members)
        free = (n for n, taken in enumerate(spans) if all(bottom - slack < a or top + slack > b for a, b in taken))
        n = next(free, len(columns))
        if n == len(columns):
            columns.append([])
            spans.append([])
        columns[n] += members
        spans[n].append((top, bottom))
    if len(columns) > MAX_COLUMNS:
        columns = [list(range(len(lines)))]
    return [sorted(column, key=lambda i: lines[i].box[1] + lines[i].box[3]) for column in columns]


def _spread(wanted: Sequence[float], heights: Sequence[float], limit: float) -> list[int]:
    """Tops of blocks that keep their order and do not overlap, each as near as possible to where it is wanted."""
    tops, end = [], 0.0
    for top, height in zip(wanted, heights, strict=True):
        tops.append(max(top, end))
        end = tops[-1] + height
    for i in reversed(range(len(tops))):
        tops[i] = min(tops[i], limit - heights[i])
        limit = tops[i]
    return [int(top) for top in tops]


def _lay_out(line: LineReading, size: int, room: float, min_confidence: float) -> _Block:
    """Lay out the words of a line in one row no wider than `room`, if a smaller font allows it, else in several."""
    words = [part for part in line.parts(min_confidence) if not part[0].isspace()]
    length = text_font(size).getlength(" ".join(text for text, _ in words))
    if length > room:
        size = max(MIN_FONT_SIZE, int(size * max(0.75, room / length)))
    font = text_font(size)
    space = font.getlength(" ")
    rows: list[list[tuple[float, str, bool]]] = [[]]
    left = widest = 0.0
    for text, doubtful in words:
        width = font.getlength(text)
        if rows[-1] and left + width > room:
            rows.append([])
            left = 0.0
        while width > room and len(text) > 1:
            # A word wider than a row is cut where the row ends.
            cut = next(n for n in range(2, len(text) + 1) if font.getlength(text[:n]) > room) - 1
            widest = max(widest, font.getlength(text[:cut]))
            rows[-1:] = [[(0.0, text[:cut], doubtful)], []]
            text = text[cut:]
            width = font.getlength(text)
        rows[-1].append((left, text, doubtful))
        widest = max(widest, left + width)
        left += width + space
    return _Block(rows, size, widest)


def _write(draw: ImageDraw.ImageDraw, block: _Block, left: float, top: float) -> None:
    for number, row in enumerate(block.rows):
        for x, text, doubtful in row:
            place = (left + x, top + number * block.row_height)
            draw.text(place, text, fill=DOUBTFUL if doubtful else INK, font=text_font(block.size))


def _number_on_page(
    draw: ImageDraw.ImageDraw, line: LineReading, scale: float, text: str, color: tuple[int, int, int], size: int
) -> None:
    font = text_font(size)
    left, top, _, bottom = (scale * side for side in line.box)
    # The number stands left of the line, or over its beginning at the edge of the page.
    place = (max(left - size / 3, font.getlength(text) + 2), (top + bottom) / 2)
    draw.text(place, text, fill=color, font=font, anchor="rm", stroke_width=2, stroke_fill=PAPER)


def _canvas(drawn: np.ndarray, width: int, height: int) -> PillowImage.Image:
    canvas = PillowImage.new("RGB", (width, height), PAPER)
    canvas.paste(PillowImage.fromarray(drawn))
    return canvas


def _line_height(line: LineReading) -> float:
    """Mean height of the outline in pixels of the page; the slope of the line does not change it."""
    left, _, right, _ = line.box
    return cv2.contourArea(np.asarray(line.polygon, np.float32)) / max(1, right - left)


def _font_size(height: float) -> int:
    return int(np.clip(height, *FONT_SIZES))
