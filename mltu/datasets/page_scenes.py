"""Pages for training the line finder, and the scenes that augmentation makes of them.

A scene is a square that shows a part of a page, or of a sheet that was made up, with the lines of writing on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from ..augmentors import Augmentor
from ..inputs import read_pages
from ..pages.maps import MAPS, Line, draw_maps
from ..transformers import Transformer
from ..utils.errors import InputError
from ..utils.image_utils import to_gray
from .base import Sample, Skipped
from .page_xml import list_pages, read_xml
from .synthetic.paper import coarse_noise
from .synthetic.sheets import (
    draw_grain,
    draw_ruling,
    draw_scribbles,
    draw_sheet,
    draw_stains,
    draw_table_top,
    log_uniform,
)

PAGE_SIDE = 1024  # pixels of a page's long side, as it is read
MAX_SIDE = 1600  # pixels of a page's long side in memory
SHRUNK = 4  # pixels of a page for each of its map of unknown writing, and for finding the paper
RULE = 40  # pixels; straight level or upright strokes of this length are rules
MAX_DARKEST = 0.9  # of the paper's grey value, of what can be ink
SHARES = (0.62, 0.14, 0.06, 0.08, 0.1)  # of scenes: parts of pages, blank, facing pages, tables, few lines
TURNED = 0.1  # share of scenes that lie on a side or upside down
INK = 0.86  # of the paper's grey value; darker pixels count as ink

Rng = np.random.Generator


class PageTruth(NamedTuple):
    """What is known of an image of a page."""

    lines: list[Line]  # in pixels of the image
    unknown: np.ndarray | None = (
        None  # uint8, `SHRUNK` times smaller: 255 where there may be lines that the truth omits
    )


def list_page_samples(folder: str | Path) -> tuple[list[Sample], list[Skipped]]:
    """Samples (picture, XML file) of the pages below a folder of ALTO or PAGE files, and what cannot be used.

    Raises:
        InputError: no such folder, or no usable page in it.
    """
    if not Path(folder).is_dir():
        raise InputError(f"{folder}: no such folder; it should hold ALTO or PAGE files (.xml) and images of the pages")
    files, skipped = list_pages(folder)
    if not files:
        reason = f"; the first, {skipped[0].source}: {skipped[0].reason}" if skipped else ""
        raise InputError(f"{folder}: no ALTO or PAGE file (.xml) with its image in it or below{reason}")
    return [Sample(str(file.picture), str(file.path), form=file.path.stem) for file in files], skipped


class PageReader:
    """Read a page in grey, at most `MAX_SIDE` pixels long, and its lines.

    Args:
        partial_truth: patterns of the names of files whose truth omits lines, such as `wills-*`.
    """

    def __init__(self, partial_truth: Sequence[str] = ()) -> None:
        self.partial_truth = tuple(partial_truth)

    def __call__(self, picture: str, xml: str) -> tuple[np.ndarray, PageTruth]:
        """Return (uint8 image, truth).

        Raises:
            InputError: one of the files cannot be read.
        """
        image = to_gray(next(read_pages(picture)))
        scale = min(1.0, MAX_SIDE / max(image.shape))
        if scale < 1:
            size = [max(1, round(scale * side)) for side in image.shape[::-1]]
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        lines, polygons = [], []
        for line in read_xml(xml, picture)[0].lines:
            polygon = (np.zeros((0, 2)) if line.polygon is None else line.polygon) * image.shape[::-1]
            lines.append(Line.measured(None if line.baseline is None else line.baseline * image.shape[::-1], polygon))
            polygons.append(polygon)
        partial = any(fnmatch(Path(xml).name, pattern) for pattern in self.partial_truth)
        return image, PageTruth(lines, _unknown_writing(image, lines, polygons) if partial else None)


def _unknown_writing(image: np.ndarray, lines: Sequence[Line], polygons: Sequence[np.ndarray]) -> np.ndarray:
    """Where there is ink outside all lines: uint8, `SHRUNK` times smaller, 255 there."""
    ink = np.uint8(_ink(image) < 255 * INK) * 255
    for size in ((RULE, 1), (1, RULE)):  # rules are known to be no writing
        rules = cv2.morphologyEx(ink, cv2.MORPH_OPEN, np.ones(size, np.uint8))
        ink[cv2.dilate(rules, np.ones((3, 3), np.uint8)) > 0] = 0
    for line, polygon in zip(lines, polygons, strict=True):
        for shape in (polygon, line.band(line.above, line.below)):
            if len(shape) > 2:
                cv2.fillPoly(ink, [np.rint(shape).astype(np.int32)], 0)
    size = [max(1, side // SHRUNK) for side in image.shape[::-1]]
    dense = cv2.blur(cv2.resize(ink, size, interpolation=cv2.INTER_AREA), (5, 5))
    reach = round(np.median([line.above for line in lines]) / SHRUNK) if lines else 5
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, reach + 1))
    unknown = cv2.dilate(np.uint8(dense > 16) * 255, kernel)
    for line in lines:  # beside a line, the paper is known
        band = line.band(line.above, line.below) / SHRUNK
        cv2.fillPoly(unknown, [np.rint(band).astype(np.int32)], 0)
    return unknown


def _paper(image: np.ndarray, size: float = 48) -> np.ndarray:
    """The image without its ink: dark things narrower than `size` pixels are gone."""
    small = cv2.resize(image, None, fx=1 / SHRUNK, fy=1 / SHRUNK, interpolation=cv2.INTER_AREA)
    side = int(np.clip(size / SHRUNK, 5, 31)) | 1
    small = cv2.morphologyEx(small, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return cv2.resize(cv2.blur(small, (5, 5)), image.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _ink(image: np.ndarray) -> np.ndarray:
    """The image on white paper: uint8, 255 where it is as light as its surroundings."""
    return cv2.divide(image, _paper(image), scale=255)


class Scene(NamedTuple):
    """A square with lines of writing."""

    image: np.ndarray  # float32, grey, 0 to 255
    lines: list[Line]
    unknown: np.ndarray | None = None  # as that of a page's truth, but of the size of the image


class RandomScenes(Augmentor):
    """Make a scene of a page; one call draws one of many.

    Most scenes are parts of the page, centred on writing, shrunk, enlarged, turned and sheared. Others are two facing
    pages, a table of its words, few lines on a large sheet, or a blank sheet. Rules, strokes, stains, writing that
    shows through from the other side, a table under the sheet, light, grain, blur and compression are added to all.

    Args:
        side: of the scenes, pixels.
        min_scale: of the writing, times that of a page as it is read.
        max_scale: likewise.
    """

    def __init__(self, side: int = 512, min_scale: float = 0.5, max_scale: float = 2.0) -> None:
        super().__init__(random_chance=1.0)
        self.side = side
        self.scales = min_scale, max_scale

    def __call__(self, page: np.ndarray, truth: PageTruth, rng: Rng | None = None) -> tuple[np.ndarray, PageTruth]:
        """Return (uint8 image, truth) of a scene; `rng` as in :class:`Augmentor`."""
        rng = self._rng if rng is None else rng
        kinds = {
            self._part: 0.54,
            self._facing_pages: 0.08,
            self._table: 0.12,
            self._few_lines: 0.14,
            self._blank: 0.12,
        }
        if not truth.lines:
            kinds = {self._part: 0.5, self._blank: 0.5}
        make = list(kinds)[rng.choice(len(kinds), p=list(kinds.values()))]
        scene = make(page, truth, rng)
        if rng.random() < (0.3 if make == self._blank else 0.13):
            scene = scene._replace(image=_show_through(scene.image, page, rng))
        if rng.random() < 0.15:
            scene = scene._replace(image=scene.image * draw_scribbles(scene.image.shape, rng))
        # grain may be coarse and strong where it can hide no writing
        image = _photographed(scene.image, rng, grain=0.6 if scene.lines else 1.0)
        turns = int(rng.integers(1, 4)) if rng.random() < TURNED else 0
        return _turned(image, scene.lines, scene.unknown, turns)

    def _part(self, page: np.ndarray, truth: PageTruth, rng: Rng) -> Scene:
        """A part of the page, with rules drawn over it, and some of its lines painted out, at times."""
        scale, degrees = self._scale(page, rng), _angle(rng)
        linear = _linear(rng, scale, degrees)
        focus = rng.uniform(0, 1, 2) * page.shape[::-1]
        if truth.lines and rng.random() < 0.85:
            line = truth.lines[rng.integers(len(truth.lines))]
            focus = line.baseline[0] + rng.random() * (line.baseline[-1] - line.baseline[0])
        target = self.side * (0.5 + rng.normal(0, 0.15, 2))
        scene = self._view(page, truth, np.hstack([linear, (target - linear @ focus)[:, None]]), rng)
        if truth.lines and rng.random() < 0.2:
            scene = _painted_out(scene, int(rng.choice((0, 1, 2, 4), p=(0.4, 0.3, 0.2, 0.1))), rng)
        if rng.random() < 0.22:
            scene = scene._replace(image=scene.image * draw_ruling(scene.image.shape, rng, degrees + rng.normal(0, 1)))
        if truth.lines and rng.random() < 0.08:
            scene = _with_margin_notes(scene, page, truth, rng)
        return scene

    def _facing_pages(self, page: np.ndarray, truth: PageTruth, rng: Rng) -> Scene:
        """Two pages with a gutter between them, which the lines come near to."""
        scale = self._scale(page, rng) * 0.8
        gutter = int(self.side * rng.uniform(0.3, 0.7))
        places = np.concatenate([line.baseline for line in truth.lines])
        margins = rng.uniform(3, 40, 2) / scale
        images, lines, unknown = [], [], []
        for inner in (places[:, 0].max() + margins[0], places[:, 0].min() - margins[1]):
            linear = _linear(rng, scale, rng.normal(0, 0.7))
            focus = np.array([np.clip(inner, 0, page.shape[1] - 1), rng.choice(places[:, 1])])
            target = np.array([gutter, self.side * rng.uniform(0.2, 0.8)])
            scene = self._view(page, truth, np.hstack([linear, (target - linear @ focus)[:, None]]), rng)
            left = not images
            images.append(scene.image)
            unknown.append(scene.unknown)
            lines += [line for line in scene.lines if (line.baseline[:, 0].mean() < gutter) == left]
        columns = np.arange(self.side)
        image = np.where(columns < gutter, *images)
        distance = np.abs(columns - gutter) / log_uniform(rng, 2, 40)
        image = image * (1 - rng.uniform(0, 0.7) * np.exp(-distance)).astype(np.float32)
        return Scene(image, lines, None if unknown[0] is None else np.where(columns < gutter, *unknown))

    def _few_lines(self, page: np.ndarray, truth: PageTruth, rng: Rng) -> Scene:
        """A sheet with one line or a few, of any size."""
        degrees = _angle(rng)
        height = log_uniform(rng, 14, 60) if rng.random() < 0.7 else log_uniform(rng, 50, 220)
        pitch = height * rng.uniform(0.9, 2.2)
        image = self._sheet(rng, degrees, pitch, 0.6)
        count = int(rng.choice((1, 2, 4, 8), p=(0.5, 0.2, 0.2, 0.1)))
        along, down = (np.array(_rotation(degrees))[:, axis] for axis in (0, 1))
        start = rng.uniform(-0.1, 0.6, 2) * self.side
        pen, lines = _Pen(page, image, rng), []
        for row in range(count):
            line = truth.lines[rng.integers(len(truth.lines))]
            matrix = _placing(line, height, degrees, start + row * pitch * down + rng.uniform(0, 10) * along, page)
            lines += pen.write(line, matrix)
        return Scene(image, lines)

    def _table(self, page: np.ndarray, truth: PageTruth, rng: Rng) -> Scene:
        """Words of the page in the cells of a table, with or without rules."""
        degrees, height = rng.normal(0, 1.0), log_uniform(rng, 9, 34)
        pitch = height * rng.uniform(0.8, 1.7)
        image = self._sheet(rng, degrees, pitch, 0.3)
        edges = np.cumsum(log_uniform(rng, 40, 130) * rng.uniform(0.5, 1.7, 16)) - rng.uniform(0, 80)
        edges = edges[edges < self.side + 60]
        rows = np.arange(rng.uniform(-20, 150), self.side, pitch)
        rotation = np.array(_rotation(degrees))
        if rng.random() < 0.65:
            darkness, thickness = rng.uniform(40, 200), int(rng.integers(1, 4))
            for x in edges:
                points = np.array([[x, -99], [x, self.side + 99]]) @ rotation.T
                cv2.polylines(
                    image, [np.rint(points * 16).astype(np.int32)], False, darkness, thickness, cv2.LINE_AA, 4
                )
        pen, lines = _Pen(page, image, rng), []
        filled = rng.uniform(0.5, 1)
        for y in rows:
            for left, right in pairwise(edges):
                line = truth.lines[rng.integers(len(truth.lines))]
                scale = height / (line.above + line.below)
                room = (right - left - rng.uniform(4, 14)) / scale
                if rng.random() > filled or room < line.above:
                    continue
                length = min(line.length, room * rng.uniform(0.4, 1))
                begin = rng.uniform(0, line.length - length)
                part = line.part(begin, begin + length)
                spot = np.array([left + rng.uniform(2, 4) + rng.random() * (room - length) * scale, y])
                matrix = _placing(part, height, degrees + rng.normal(0, 1), rotation @ spot, page)
                lines += pen.write(part, matrix)
        return Scene(image, lines)

    def _blank(self, page: np.ndarray, truth: PageTruth, rng: Rng) -> Scene:
        """A sheet without any writing, or the lower end of the page when its lines are painted out."""
        return Scene(self._sheet(rng, _angle(rng), 0.0, 0.8), [])

    def _sheet(self, rng: Rng, degrees: float, pitch: float, ruled: float) -> np.ndarray:
        """An empty sheet, ruled with the given probability, that may end within the scene."""
        shape = (self.side, self.side)
        image = draw_sheet(shape, rng)
        if rng.random() < ruled:
            image *= draw_ruling(shape, rng, degrees, pitch * (rng.random() < 0.5))
            if rng.random() < 0.15:
                image *= draw_ruling(shape, rng, degrees)
        if rng.random() < 0.25:
            turned = np.array(_rotation(degrees + rng.normal(0, 2)))
            low, high = rng.uniform(-0.6, 0.15, 2) * self.side, rng.uniform(0.85, 1.6, 2) * self.side
            corners = np.array([low, [high[0], low[1]], high, [low[0], high[1]]]) - self.side / 2
            mask = np.zeros(shape, np.uint8)
            cv2.fillPoly(
                mask, [np.rint((corners @ turned.T + self.side / 2) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4
            )
            image = _on_table(image, mask, rng)
        return image

    def _scale(self, page: np.ndarray, rng: Rng) -> float:
        return PAGE_SIDE / max(page.shape) * log_uniform(rng, *self.scales)

    def _view(self, page: np.ndarray, truth: PageTruth, matrix: np.ndarray, rng: Rng) -> Scene:
        """What an affine map of the page shows, with something around the page where that ends."""
        size = (self.side, self.side)
        grow = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        source = page if grow > 0.6 else cv2.blur(page, (2, 2))  # linear interpolation alone would lose thin strokes
        image = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        image = image.astype(np.float32)
        corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * (np.array(page.shape[::-1]) - 1)
        inside = np.zeros(size, np.uint8)
        sheet = np.rint((corners @ matrix[:, :2].T + matrix[:, 2]) * 16).astype(np.int32)
        cv2.fillConvexPoly(inside, sheet, 255, cv2.LINE_AA, 4)
        if not inside.all() and rng.random() < 0.75:
            image = _on_table(image, inside, rng)
        unknown = None
        if truth.unknown is not None:
            shrunk = matrix * np.array([SHRUNK, SHRUNK, 1])
            unknown = cv2.warpAffine(truth.unknown, shrunk, size, flags=cv2.INTER_NEAREST)
        return Scene(image, [line.moved(matrix) for line in truth.lines], unknown)


class MapDrawer(Transformer):
    """Turn a page or scene into the arrays that training takes: (image, maps with weights).

    The image is a uint8 array of shape (height, width, 1). The maps are float16, shape (height / 2, width / 2, 7):
    those of :func:`mltu.pages.maps.draw_maps`, and the weight of each pixel in the loss.
    """

    def __call__(self, image: np.ndarray, truth: PageTruth) -> tuple[np.ndarray, np.ndarray]:
        height, width = (side // 32 * 32 for side in image.shape)
        maps = draw_maps(truth.lines, (height, width))
        weights = np.ones(maps.shape[:2], np.float32)
        if truth.unknown is not None:
            unknown = cv2.resize(truth.unknown, maps.shape[1::-1], interpolation=cv2.INTER_NEAREST)
            weights[(unknown > 0) & (maps[..., MAPS.index("core")] == 0)] = 0
        return image[:height, :width, None], np.dstack([maps, weights]).astype(np.float16)


def _rotation(degrees: float) -> tuple[tuple[float, float], tuple[float, float]]:
    cos, sin = float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))
    return (cos, -sin), (sin, cos)


def _angle(rng: Rng) -> float:
    """Degrees by which a sheet lies aslant: mostly few, at times up to 25."""
    return rng.uniform(-25, 25) if rng.random() < 0.15 else rng.normal(0, 1.8)


def _linear(rng: Rng, scale: float, degrees: float) -> np.ndarray:
    """Scaling, rotation, some shear and some stretching; shape (2, 2)."""
    stretch = np.exp(rng.normal(0, 0.06))
    shear = np.array([[stretch, rng.normal(0, 0.08)], [0, 1 / stretch]])
    return scale * np.array(_rotation(degrees)) @ shear


def _placing(line: Line, height: float, degrees: float, start: np.ndarray, page: np.ndarray) -> np.ndarray:
    """Affine map that gives a line of the page a height, a direction and a place for its first point."""
    along = line.baseline[-1] - line.baseline[0]
    turn = degrees - np.degrees(np.arctan2(along[1], along[0]))
    # not enlarged so far that only blur is left
    scale = min(height / (line.above + line.below), 6 * PAGE_SIDE / max(page.shape))
    linear = scale * np.array(_rotation(turn))
    return np.hstack([linear, (start - linear @ line.baseline[0])[:, None]])


def _fixed(polygon: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(polygon * 16, -(1 << 20), 1 << 20)).astype(np.int32)


class _Pen:
    """Writes lines of a page on an image, none over another.

    Args:
        page: uint8, that the lines are on.
        image: float32, to write on, in place.
        rng: random numbers.

    Attributes:
        taken: uint8 mask of the image, 255 where nothing more can be written.
    """

    def __init__(self, page: np.ndarray, image: np.ndarray, rng: Rng) -> None:
        self.ink = _ink(page)
        self.soft_ink = cv2.blur(self.ink, (2, 2))  # for small writing, whose thin strokes would be lost
        self.image = image
        self.taken = np.zeros(image.shape, np.uint8)
        self.darkness = rng.uniform(0.15, 0.6)  # share of the paper's light that the darkest ink is to leave

    def has_room(self, polygon: np.ndarray) -> bool:
        """Whether a polygon is at least partly on the image, and free."""
        mask = cv2.fillPoly(np.zeros_like(self.taken), [_fixed(polygon)], 255, cv2.LINE_8, 4)
        return bool(mask.any()) and not cv2.bitwise_and(mask, self.taken).any()

    def take(self, polygon: np.ndarray) -> None:
        """Let nothing more be written on a polygon."""
        cv2.fillPoly(self.taken, [_fixed(polygon)], 255, cv2.LINE_8, 4)

    def write(self, line: Line, matrix: np.ndarray) -> list[Line]:
        """Write a line where an affine map of the page, shape (2, 3), brings it.

        Returns:
            The line on the image; nothing if it has no room there, or no ink.
        """
        moved = line.moved(matrix)
        band = moved.band(1.1 * moved.above, 1.2 * moved.below)
        low = np.clip(np.floor(band.min(axis=0)), 0, self.image.shape[1]).astype(int)
        high = np.clip(np.ceil(band.max(axis=0)) + 1, 0, self.image.shape[1]).astype(int)
        small_letters = moved.band(0.45 * moved.above, 0)  # ascenders and descenders may be written over
        if (high - low).min() < 4 or not self.has_room(small_letters):
            return []
        shifted = matrix - np.array([[0, 0, low[0]], [0, 0, low[1]]])
        ink = self.soft_ink if np.sqrt(abs(np.linalg.det(matrix[:, :2]))) < 0.6 else self.ink
        size = tuple(int(side) for side in high - low)
        piece = cv2.warpAffine(ink, shifted, size, flags=cv2.INTER_LINEAR, borderValue=255).astype(np.float32) / 255
        mask = np.zeros(piece.shape, np.uint8)
        cv2.fillPoly(mask, [_fixed(band - low)], 255, cv2.LINE_AA, 4)
        darkest = float(np.clip(np.quantile(piece[mask > 0], 0.02), 0.02, 1)) if mask.any() else 1.0
        if darkest > MAX_DARKEST:  # the space between two words, say
            return []
        if darkest > self.darkness:  # what is too faint to see would be wrong truth
            piece = piece ** np.float32(np.log(self.darkness) / np.log(darkest))
        self.image[low[1] : high[1], low[0] : high[0]] *= 1 - mask.astype(np.float32) / 255 * (1 - piece)
        self.take(small_letters)
        return [moved]


def _painted_out(scene: Scene, kept: int, rng: Rng) -> Scene:
    """The scene with so many of its lines left, next to each other; paper takes the place of the others."""
    side = scene.image.shape[0]
    shown = [line for line in scene.lines if ((line.baseline >= 0) & (line.baseline < side)).all(axis=1).any()]
    if not shown:
        return scene
    first = rng.integers(max(1, len(shown) - kept + 1))
    rest = shown[first : first + kept]
    mask = np.zeros(scene.image.shape, np.uint8)
    for lines, value in ((scene.lines, 255), (rest, 0)):
        for line in lines:
            if value or any(line is one for one in rest):
                up, down = (1.5, 1.7) if value else (1.05, 1.1)
                band = line.part(-0.4 * line.above * (value > 0), line.length + 0.4 * line.above * (value > 0))
                cv2.fillPoly(mask, [_fixed(band.band(up * line.above, down * line.below))], value, cv2.LINE_8, 4)
    height = float(np.median([line.above + line.below for line in shown]))
    paper = _paper(np.clip(scene.image, 0, 255).astype(np.uint8), max(40.0, 1.3 * height)).astype(np.float32)
    paper += rng.uniform(1, 4) * rng.standard_normal(mask.shape, np.float32)
    soft = cv2.GaussianBlur(mask, (0, 0), 1.5).astype(np.float32) / 255
    return scene._replace(image=scene.image * (1 - soft) + paper * soft, lines=list(rest))


def _with_margin_notes(scene: Scene, page: np.ndarray, truth: PageTruth, rng: Rng) -> Scene:
    """The scene with a line or a few of the page written sideways where there is room."""
    image, lines = scene.image.copy(), list(scene.lines)
    pen = _Pen(page, image, rng)
    for line in scene.lines:
        cv2.fillPoly(pen.taken, [_fixed(line.band(line.above, line.below))], 255, cv2.LINE_8, 4)
    if scene.unknown is not None:
        pen.taken |= scene.unknown
    degrees, height = rng.choice((-90, 90)) + rng.normal(0, 4), log_uniform(rng, 14, 45)
    for _ in range(12):
        source = truth.lines[rng.integers(len(truth.lines))]
        part = source.part(0, min(source.length, rng.uniform(3, 12) * source.above))
        moved = part.moved(matrix := _placing(part, height, degrees, rng.uniform(0, 1, 2) * image.shape[0], page))
        if pen.has_room(around := moved.band(1.3 * moved.above, 1.5 * moved.below)):
            lines += pen.write(part, matrix)
            pen.take(around)
    return scene._replace(image=image, lines=lines)


def _on_table(image: np.ndarray, inside: np.ndarray, rng: Rng) -> np.ndarray:
    """Let a sheet lie on a table, with a shadow at its edges.

    Args:
        image: float32, the sheet.
        inside: uint8 mask of it, 255 inside.
        rng: random numbers.
    """
    top = draw_table_top(image.shape, rng)
    part = inside.astype(np.float32) / 255
    move = np.array([[1, 0, rng.uniform(-8, 8)], [0, 1, rng.uniform(-8, 8)]])
    shadow = cv2.GaussianBlur(cv2.warpAffine(part, move, image.shape[::-1]), (0, 0), log_uniform(rng, 1, 12))
    return image * part + top * (1 - rng.uniform(0, 0.7) * shadow) * (1 - part)


def _show_through(image: np.ndarray, page: np.ndarray, rng: Rng) -> np.ndarray:
    """Let the page show through from the other side: mirrored, faint and blurred."""
    side = image.shape[0]
    scale = PAGE_SIDE / max(page.shape) * log_uniform(rng, 0.6, 1.8)
    linear = scale * np.array(_rotation(rng.normal(0, 2))) @ np.diag((-1.0, 1.0))
    focus = rng.uniform(0.2, 0.8, 2) * page.shape[::-1]
    matrix = np.hstack([linear, (side / 2 - linear @ focus)[:, None]])
    ink = cv2.warpAffine(_ink(page), matrix, image.shape[::-1], borderValue=255).astype(np.float32) / 255
    ink = cv2.GaussianBlur(ink, (0, 0), scale * log_uniform(rng, 0.7, 3.5))
    return image * (1 - rng.uniform(0.08, 0.5) * (1 - ink))


def _photographed(image: np.ndarray, rng: Rng, grain: float = 1.0) -> np.ndarray:
    """What a camera or scanner makes of a sheet: light, contrast, grain, blur, noise, compression; uint8."""
    shape = image.shape
    image = image / 255
    if rng.random() < 0.12:
        image = image * draw_stains(shape, rng)
    if rng.random() < 0.5:  # uneven light
        direction = rng.normal(0, 0.2, 2)
        y, x = np.ogrid[-0.5 : 0.5 : shape[0] * 1j, -0.5 : 0.5 : shape[1] * 1j]
        light = 1 + direction[0] * x + direction[1] * y
        image = image * (light + rng.uniform(0, 0.08) * coarse_noise(rng, shape, 120)).astype(np.float32)
    if rng.random() < 0.4:
        image = image * (1 + grain * (draw_grain(shape, rng) - 1))
    image = np.clip(image, 0, 1)
    if rng.random() < 0.5:
        image = image ** np.float32(log_uniform(rng, 0.5, 2.2))
    if rng.random() < 0.3:  # faint
        contrast = rng.uniform(0.25, 1)
        image = contrast * image + rng.uniform(0, 1 - contrast)
    if rng.random() < 0.3:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.4))
    if rng.random() < 0.4:
        image = image + rng.uniform(0, 0.06) * rng.standard_normal(shape, np.float32)
    image = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 85))]
        image = cv2.imdecode(cv2.imencode(".jpg", image, quality)[1], cv2.IMREAD_GRAYSCALE)
    return 255 - image if rng.random() < 0.03 else image


def _turned(image: np.ndarray, lines: Sequence[Line], unknown: Any, turns: int) -> tuple[np.ndarray, PageTruth]:
    """A square scene turned clockwise by so many quarters."""
    rotation = np.rint(np.array(_rotation(90.0 * turns)))
    middle = np.full(2, (image.shape[0] - 1) / 2)
    matrix = np.hstack([rotation, (middle - rotation @ middle)[:, None]])
    if turns:
        lines = [line.moved(matrix) for line in lines]
        image = np.ascontiguousarray(np.rot90(image, -turns))
        unknown = None if unknown is None else np.ascontiguousarray(np.rot90(unknown, -turns))
    return image, PageTruth(list(lines), unknown)
