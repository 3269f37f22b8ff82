"""Lines cut out of page images by ALTO XML, as eScriptorium, kraken and HTR-United publish them.

ALTO 4 (https://www.loc.gov/standards/alto/): a page has text lines, each with a polygon and its text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

import cv2
import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from ..configs import abbreviate
from ..pages import cut_line
from ..utils.errors import InputError, escape_control_chars
from ..utils.files import one_at_a_time, write_atomic
from ..utils.image_utils import IMAGE_ENDINGS, checked_file, read_image
from ..utils.progress import ProgressBar
from .base import Sample, Skipped, normalize_text

VERSION = 1  # part of the names of the cut lines; raise it when the cutting changes
LINE_HEIGHT = 128  # pixels; higher lines are shrunk to save space, lower ones stay
QUALITY = 90  # of WebP
LARGEST_FILE = 1 << 25  # bytes; a newspaper's page with places of letters has some 20 MB, which become 30 times as many
MOST_POINTS = 10_000  # of a polygon; more take OpenCV minutes to fill
FARTHEST = 100  # widths or heights of the page
MAX_LINE_PIXELS = 16_000_000  # pixels of a line on the page, which takes 60 bytes of memory for each to cut
STEM = 50  # characters of a page's name that its lines' names begin with, below what file systems allow


class PageLine(NamedTuple):
    """A text line of a page: text, and polygon of shape (points, 2) as shares of the page's width and height."""

    text: str
    polygon: np.ndarray


def _local(element: Element) -> str:
    """An element's name without its namespace, which differs between versions of ALTO."""
    return element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""


def _find_all(element: Element, name: str) -> Iterator[Element]:
    return (child for child in element.iter() if _local(child) == name)


def _number(element: Element, name: str) -> float:
    value = float(element.get(name, "nan"))
    if not np.isfinite(value):
        raise ValueError(f"{_local(element)} has no {name}")
    return value


def _text(line: Element) -> str:
    parts = []
    for child in line:
        if _local(child) in ("String", "HYP"):
            parts.append(child.get("CONTENT", ""))
        elif _local(child) == "SP":
            parts.append(" ")
    # some writers leave the spaces between words out
    return normalize_text("".join(parts) if " " in parts else " ".join(parts))


def _polygon(line: Element, page_size: np.ndarray) -> np.ndarray:
    # children only: in a file whose lines are within each other, all below would be looked at again and again
    shapes = (inner for child in line if _local(child) == "Shape" for inner in child if _local(inner) == "Polygon")
    shape = next(shapes, None)
    if shape is not None:
        parts = re.split(r"[\s,]+", shape.get("POINTS", "").strip(), maxsplit=2 * MOST_POINTS)
        if len(parts) > 2 * MOST_POINTS:
            raise ValueError(f"the polygon has more than {MOST_POINTS} points")
        numbers = [float(part) for part in parts if part]
        if len(numbers) < 6 or len(numbers) % 2 or not np.isfinite(numbers).all():
            raise ValueError("the polygon is not a list of three or more points")
        return _near(np.array(numbers).reshape(-1, 2) / page_size)
    x, y, width, height = (_number(line, name) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
    return _near(np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]]) / page_size)


def _near(polygon: np.ndarray) -> np.ndarray:
    """A polygon, unless it is too far from its page to count its pixels."""
    if not (np.abs(polygon) <= FARTHEST).all():
        raise ValueError("the polygon is far outside the page")
    return polygon


def read_page(path: str | Path) -> tuple[str, list[PageLine], list[Skipped]]:
    """Read one ALTO file.

    Entities and document type definitions are refused, so that a file can name no other.

    Returns:
        (file name of the page's image, lines in the file's order, lines without text or place).

    Raises:
        InputError: not an ALTO file, larger than 32 MB, or without a page.
    """
    path = Path(path)
    try:
        if checked_file(path).stat().st_size > LARGEST_FILE:
            raise InputError(f"{path}: larger than {LARGEST_FILE >> 20} MB, so no ALTO file of a single page")
        root = parse(path, forbid_dtd=True).getroot()
    except InputError:
        raise
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InputError(f"{path}: not a plain XML file ({' '.join(str(error).split())[:200]})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    page = next(_find_all(root, "Page"), None)
    if _local(root) != "alto" or page is None:
        raise InputError(f"{path}: not an ALTO file with a page")
    try:
        size = np.array([_number(page, "WIDTH"), _number(page, "HEIGHT")])
        if size.min() < 1:  # pixels, or tenths of millimetres
            raise ValueError("the page has no size")
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    name = next((element.text or "" for element in _find_all(root, "fileName")), "").strip().replace("\\", "/")
    lines, skipped = [], []
    for number, element in enumerate(_find_all(page, "TextLine"), start=1):
        source = f"{path}:{element.get('ID', f'line {number}')}"
        try:
            text = _text(element)
            if text:
                lines.append(PageLine(text, _polygon(element, size)))
            else:
                skipped.append(Skipped(source, "no text"))
        except ValueError as error:
            skipped.append(Skipped(source, f"no place: {error}"))
    # only the last part of the name counts, so that a file cannot point out of the dataset
    return name.rsplit("/", 1)[-1], lines, skipped


def _stored(line: np.ndarray) -> bytes:
    """A cut line as WebP, of at most `LINE_HEIGHT` pixels."""
    if line.shape[0] > LINE_HEIGHT:
        width = max(1, round(line.shape[1] * LINE_HEIGHT / line.shape[0]))
        line = cv2.resize(line, (width, LINE_HEIGHT), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".webp", line, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])[1].tobytes()


def _cut(page: np.ndarray, polygon: np.ndarray) -> np.ndarray:
    size = np.minimum(polygon.max(axis=0), page.shape[1::-1]) - np.maximum(polygon.min(axis=0), 0)
    if size.prod() > MAX_LINE_PIXELS:
        raise InputError(
            f"the line has more than {MAX_LINE_PIXELS / 1e6:.0f} megapixels; make the page's image smaller"
        )
    return cut_line(page, polygon)[0]


def _cut_page(
    target: Path, images: dict[str, Path], drop: re.Pattern | None, writer: re.Pattern | None, path: Path
) -> tuple[list[Sample], list[Skipped]]:
    try:
        name, lines, skipped = read_page(path)
        picture = images.get(name) or images.get(path.stem)
        if picture is None:
            raise InputError(f"{path}: no image: {name or path.stem}")
        changed = checked_file(picture).stat().st_mtime_ns
    except InputError as error:
        return [], [Skipped(str(path), str(error).removeprefix(f"{path}: "))]
    found = writer.search(path.stem) if writer else None
    page: np.ndarray | None = None
    samples = []
    for number, line in enumerate(lines):
        if drop and drop.search(line.text):
            skipped.append(Skipped(f"{path}: {escape_control_chars(line.text[:60])}", "left out by drop_text"))
            continue
        # named after all that it depends on, so that a cut line never stands for another
        content = f"{VERSION} {picture.resolve()} {changed} {line.polygon.tolist()}"
        digest = hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()[:12]
        cut_path = target / f"{path.stem[:STEM]}-{number:03d}-{digest}.webp"
        if not cut_path.exists():
            try:
                page = read_image(picture) if page is None else page
                content = _stored(_cut(page, line.polygon * page.shape[1::-1]))
            except InputError as error:
                source = f"{path}: {escape_control_chars(line.text[:60])}"
                skipped.append(Skipped(source, str(error).removeprefix(f"{picture}: ")))
                continue
            write_atomic(cut_path, content)
        samples.append(Sample(str(cut_path), line.text, found[0] if found else "", path.stem))
    return samples, skipped


def _pattern(text: str, name: str) -> re.Pattern | None:
    try:
        return re.compile(text) if text else None
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"{name}: {abbreviate(text)} is not a regular expression ({error})") from None


def read_alto(
    root: str | Path, cut_folder: str | Path, drop_text: str = "", writer_pattern: str = "", workers: int = 1
) -> tuple[list[Sample], list[Skipped]]:
    """Cut the lines of all pages below a folder, or take them from an earlier call. Shows a progress bar.

    An ALTO file's page image is found by the file name that it gives, else by its own name, anywhere
    below the folder.

    Args:
        root: folder with ALTO files (.xml) and page images.
        cut_folder: where the cut lines go, as WebP.
        drop_text: regular expression; lines whose text matches are left out.
        writer_pattern: regular expression that finds the writer in the name of a page's ALTO file;
            empty: the writer is unknown, and a page counts as one.
        workers: threads that cut.

    Returns:
        (samples with the page as form, pages and lines that cannot be used).

    Raises:
        InputError: no such folder, no ALTO file in it, nothing usable, or a pattern is malformed.
    """
    root, target = Path(root), Path(cut_folder)
    drop, writer = _pattern(drop_text, "drop_text"), _pattern(writer_pattern, "writer_pattern")
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; it should hold ALTO files (.xml) and the images of their pages")
    pages, images = [], {}
    for path in sorted(root.rglob("*")):
        if path.suffix.lower() == ".xml":
            pages.append(path)
        elif path.suffix.lower() in IMAGE_ENDINGS:
            images.setdefault(path.name, path)
            images.setdefault(path.stem, path)
    if not pages:
        raise InputError(f"{root}: no ALTO file (.xml) in it or below")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: cut lines cannot be put there ({error.strerror})") from None
    samples: list[Sample] = []
    skipped: list[Skipped] = []
    with one_at_a_time(target), ThreadPoolExecutor(max(1, workers)) as pool:
        cut = pool.map(partial(_cut_page, target, images, drop, writer), pages)
        for page_samples, page_skipped in ProgressBar(cut, total=len(pages), desc="Cutting lines", unit="page"):
            samples += page_samples
            skipped += page_skipped
    if not samples:
        first = skipped[0] if skipped else Skipped(str(pages[0]), "has no lines")
        raise InputError(
            f"{root}: no line in {len(pages)} pages can be used; the first, {first.source}: {first.reason}"
        )
    return samples, skipped
