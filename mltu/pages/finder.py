"""Finding the lines of a page with a small network, which ONNX Runtime runs.

The page is scaled to the size that the network learnt, read once, and once more if its writing is much smaller or
larger than that, or turned by a quarter or half. What comes out is checked against the page's ink.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import cv2
import numpy as np

from ..inferenceModel import OnnxInferenceModel
from ..utils.errors import InputError
from ..utils.files import shipped
from ..utils.image_utils import to_gray
from .decode import FoundLine, decode
from .maps import MAPS, STRIDE
from .order import reading_order, weighted_median
from .rules import DrawnRules

MODEL = shipped("Models/lines") / "model.onnx"
THREADS = 0  # of the network in find_lines, which processes that share the cores lower; 0: as many as cores
SIDE = 1024  # pixels of the network's input that the longer side of a page is brought to
MIN_AREA, MAX_AREA = 720_000, 1_500_000  # pixels of the input: of long strips at first, and of any page
MULTIPLE = 32  # sides of the input are multiples of it
MAX_ENLARGEMENT = 4.0
HEIGHTS, HEIGHT = (21, 60), 30  # pixels of lines that the network reads well, and reads best
CORE = 0.5  # probability, where cores are
MAX_RUNS = 3  # of the network on a whole page
CLOSE_LOOK = 512  # pixels of the side of the part that is turned to see which way the page is
MIN_TURNED_AREA = 8.0  # squares of the line height that cores must have to see it; a line of words has some four
LIKELY = 0.45  # probability of a core
DOUBTFUL, SURER = 0.835, 0.03  # mean probability of cores, of which upright writing has more, and how much more
UPSIDE_DOWN = 0.004  # by how much less a part turned upside down may be surer, seen alone, if it was upright
MARGIN = 3.0  # line heights around the writing that a closer look takes in
MIN_CONTRAST = 8.0  # grey levels between the ink of a line and its paper
MIN_SHARE = 0.25  # of the page's usual contrast; show-through has less
MIN_SIGNAL = 4.5  # times the paper's grain; where there is no ink, it is twice as much


class TextLine(NamedTuple):
    """A line of a page, in pixels of the page."""

    polygon: np.ndarray  # outline, shape (points, 2), int, clockwise from the upper left of the writing
    baseline: np.ndarray  # shape (points, 2), int, in the direction of writing
    region: int  # block of writing, from 0


def find_lines(page: np.ndarray, quarters: int = 0) -> list[TextLine]:
    """Find the lines of writing on a page with the project's line finder.

    Args:
        page: uint8, shape (height, width) or (height, width, 3).
        quarters: turns of 90 degrees anticlockwise after which the page is upright; 0: the network decides.

    Returns:
        Lines in reading order; empty if there is no writing.

    Raises:
        InputError: the model of the line finder cannot be used.
    """
    with _lock:
        finder = _default_finder(MODEL, THREADS)
    return finder.predict(page, quarters)


_lock = Lock()


@lru_cache(maxsize=1)
def _default_finder(path: Path, threads: int) -> LineFinder:
    return LineFinder(path, threads=threads)


class _View(NamedTuple):
    """A part of the page as the network sees it: turned by quarters, cropped, scaled."""

    quarters: int  # anticlockwise turns of the page
    corner: tuple[int, int]  # upper left of the part on the turned page, x and y
    size: tuple[int, int]  # of the part, width and height
    scale: float

    def of(self, gray: np.ndarray) -> np.ndarray:
        """The part of a page, shape (height, width)."""
        (left, top), (width, height) = self.corner, self.size
        part = np.rot90(gray, self.quarters)[top : top + height, left : left + width]
        size = self.scaled_size
        shrinking = size[0] < width or size[1] < height
        return cv2.resize(
            np.ascontiguousarray(part), size, interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
        )

    @property
    def scaled_size(self) -> tuple[int, int]:
        return tuple(max(1, round(self.scale * side)) for side in self.size)

    def on_turned_page(self, points: np.ndarray) -> np.ndarray:
        scale = np.array(self.scaled_size) / self.size
        return (points + 0.5) / scale - 0.5 + self.corner

    def on_page(self, points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Points of the network's input in pixels of a page of a shape (height, width)."""
        x, y = self.on_turned_page(points).T
        right, bottom = shape[1] - 1, shape[0] - 1
        turned = ((x, y), (right - y, x), (right - x, bottom - y), (y, bottom - x))[self.quarters]
        return np.stack(turned, axis=1)


class LineFinder(OnnxInferenceModel):
    """Finds the lines of pages with an exported network. Several threads may use one finder.

    Args:
        model_path: the .onnx file, or its folder.
        options: see :class:`mltu.inferenceModel.OnnxInferenceModel`.

    Raises:
        InputError: there is no such model, or it is not a line finder of this project.
    """

    def __init__(self, model_path: str | Path = MODEL, **options: object) -> None:
        super().__init__(model_path, **options)
        shapes = self.input_shapes + self.output_shapes
        channels = [shape[3] if len(shape or ()) == 4 else None for shape in shapes]
        if channels != [1, len(MAPS)]:
            raise InputError(f"{self.model_path}: not a line finder; train one, or take the project's own")

    def predict(self, page: np.ndarray, quarters: int = 0) -> list[TextLine]:
        """Find the lines of a page.

        Args:
            page: uint8, shape (height, width) or (height, width, 3).
            quarters: turns of 90 degrees anticlockwise after which the page is upright; 0: the network decides.

        Returns:
            Lines in reading order; empty if there is no writing.

        Raises:
            InputError: the network fails.
        """
        gray = to_gray(page)
        view = _whole_view(gray.shape, quarters % 4)
        image = view.of(gray)
        maps = self.maps(image)
        turn = 0 if quarters else self._turn(image, maps)
        if turn:
            view = _whole_view(gray.shape, turn)
            image = view.of(gray)
            maps = self.maps(image)
        for _ in range(MAX_RUNS - 1 - bool(turn)):
            closer = _closer_view(gray.shape, view, maps)
            if closer is None:
                break
            view, image = closer, closer.of(gray)
            maps = self.maps(image)
        lines = _lines(image, maps)
        if not lines:
            return []
        order = reading_order([found.line.baseline for found in lines], [f.line.above + f.line.below for f in lines])

        def on_page(points: np.ndarray) -> np.ndarray:
            return np.clip(np.rint(view.on_page(points, gray.shape)).astype(int), 0, gray.shape[::-1])

        return [
            TextLine(on_page(lines[index].polygon), on_page(lines[index].line.baseline), region)
            for index, region in order
        ]

    def maps(self, image: np.ndarray) -> np.ndarray:
        """What the network says of an image.

        Args:
            image: grey, shape (height, width).

        Returns:
            float32, shape (height / STRIDE, width / STRIDE, 6), rounded up; see :mod:`.maps`.

        Raises:
            InputError: the network fails, or gives something else.
        """
        height, width = image.shape
        bottom, right = -height % MULTIPLE, -width % MULTIPLE
        padded = cv2.copyMakeBorder(image, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        try:
            maps = self.model.run(
                self.output_names[:1], {self.input_names[0]: padded[None, :, :, None].astype(np.float32)}
            )
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.model_path}: fails on a page ({reason}); export it again") from None
        maps = np.asarray(maps[0])
        if maps.shape != (1, padded.shape[0] // STRIDE, padded.shape[1] // STRIDE, len(MAPS)):
            raise InputError(f"{self.model_path}: gives no maps of lines; export it again")
        return maps[0, : -(-height // STRIDE), : -(-width // STRIDE)]

    def _turn(self, image: np.ndarray, maps: np.ndarray) -> int:
        """By how many quarters an image must be turned anticlockwise so that most of its writing is upright.

        The directions that the network gives tell it, or else that it is surer of the cores of upright writing.
        """
        cores = maps[maps[..., 0] > CORE]
        if not len(cores):
            return 0
        angles = np.arctan2(cores[:, 5], cores[:, 4])
        turn = int(np.bincount(np.rint(angles / (np.pi / 2)).astype(int) % 4).argmax())
        if turn or STRIDE**2 * len(cores) < MIN_TURNED_AREA * _usual_height(cores) ** 2:
            return turn
        reach = CLOSE_LOOK // STRIDE
        weight = cv2.boxFilter(maps[..., 0], -1, (reach, reach), normalize=False, borderType=cv2.BORDER_CONSTANT)
        middle = np.array(np.unravel_index(weight.argmax(), weight.shape))
        top, left = np.clip(middle - reach // 2, 0, np.maximum(0, np.array(weight.shape) - reach)).tolist()
        part = image[STRIDE * top :, STRIDE * left :][:CLOSE_LOOK, :CLOSE_LOOK]
        sure = _sureness(maps[top : top + reach, left : left + reach])

        def turned(quarters: int) -> float:
            seen = self.maps(np.ascontiguousarray(np.rot90(part, quarters)))
            # a network that knows the direction here would have told it of the page
            told = seen[..., 4][seen[..., 0] > LIKELY]
            return _sureness(seen) if len(told) and np.median(told) > 0.5 else 0.0

        if sure < DOUBTFUL:
            best, quarter = max((turned(quarters), quarters) for quarters in (1, 3))
            if best > sure + SURER:
                return quarter
        steep = np.median(np.abs(np.sin(angles))) > 0.5
        return 2 if not steep and turned(2) > sure - UPSIDE_DOWN else 0


def _lines(image: np.ndarray, maps: np.ndarray) -> list[FoundLine]:
    """The lines that an image has by the maps of the network."""
    cores = maps[maps[..., 0] > CORE]
    if not len(cores):
        return []
    rules = DrawnRules(image, _usual_height(cores))
    return _with_ink(decode(maps, rules.between_columns()), rules.erased())


def _usual_height(cores: np.ndarray) -> float:
    """Height of lines in pixels of the network's input, from its maps where cores are, shape (pixels, 6)."""
    return float(np.median(cores[:, 2] + cores[:, 3]))


def _sureness(maps: np.ndarray) -> float:
    """Mean probability of cores where it is likely that there are any."""
    likely = maps[..., 0][maps[..., 0] > LIKELY]
    return float(likely.mean()) if len(likely) else 0.0


def _whole_view(shape: tuple[int, int], quarters: int) -> _View:
    """The first view of a page of a shape (height, width)."""
    # long strips would be too small to read if only their longer side counted
    scale = max(SIDE / max(shape), (MIN_AREA / (shape[0] * shape[1])) ** 0.5)
    return _View(quarters, (0, 0), shape if quarters % 2 else shape[::-1], min(scale, MAX_ENLARGEMENT))


def _closer_view(shape: tuple[int, int], view: _View, maps: np.ndarray) -> _View | None:
    """How to look again, with the writing of a good size; None if it is so already, or cannot be.

    Args:
        shape: of the page, height and width.
        view: that was seen.
        maps: what the network said of it.
    """
    rows, columns = np.nonzero(maps[..., 0] > CORE)
    if not len(rows):
        return None
    height = _usual_height(maps[rows, columns])
    if HEIGHTS[0] <= height <= HEIGHTS[1]:
        return None
    scale = min(view.scale * HEIGHT / height, MAX_ENLARGEMENT)
    low, high = np.zeros(2, int), np.array(shape if view.quarters % 2 else shape[::-1])
    if high.prod() * scale**2 > MAX_AREA:  # the written part alone
        ends = view.on_turned_page(STRIDE * np.array([[columns.min(), rows.min()], [columns.max(), rows.max()]]))
        margin = MARGIN * height / view.scale
        low = np.clip(np.floor(ends[0] - margin), 0, high - 1).astype(int)
        high = np.clip(np.ceil(ends[1] + margin), low + 1, high).astype(int)
    scale = min(scale, (MAX_AREA / (high - low).prod()) ** 0.5)
    if 0.8 < scale / view.scale < 1.25:
        return None
    return _View(view.quarters, tuple(low.tolist()), tuple((high - low).tolist()), float(scale))


def _with_ink(lines: list[FoundLine], image: np.ndarray) -> list[FoundLine]:
    """The lines whose ink stands out against the paper, its noise, and what shines through it.

    Args:
        lines: in pixels of the image.
        image: grey, shape (height, width).
    """
    if not lines:
        return lines
    contrast, signal = np.array([_contrast(found, image) for found in lines]).T
    usual = weighted_median(contrast, np.array([found.line.length for found in lines]))
    kept = (contrast >= max(MIN_CONTRAST, MIN_SHARE * usual)) & (signal >= MIN_SIGNAL)
    return [lines[index] for index in np.flatnonzero(kept)]


def _contrast(found: FoundLine, image: np.ndarray) -> tuple[float, float]:
    """Grey levels between the ink, dark or light, of a line and its paper; the same in those of the paper's grain."""
    line = found.line
    core = line.band(0.6 * line.above, 0.2 * line.below)
    low = np.clip(np.floor(core.min(axis=0)).astype(int), 0, np.array(image.shape[::-1]) - 1)
    high = np.clip(np.ceil(core.max(axis=0)).astype(int) + 1, low + 1, image.shape[::-1])
    part = image[low[1] : high[1], low[0] : high[0]]
    mask = cv2.fillPoly(np.zeros(part.shape, np.uint8), [np.rint(core - low).astype(np.int32)], 1)
    values = part[mask > 0]
    if not len(values):
        return 0.0, 0.0
    darkest, dark, light, lightest = np.percentile(values, (4, 25, 75, 96))
    # the grain lies on both sides of the paper's grey, ink on one
    return max(
        (light - darkest, (light - darkest) / max(lightest - light, 1)),
        (lightest - dark, (lightest - dark) / max(dark - darkest, 1)),
    )
