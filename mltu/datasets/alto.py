"""Lines cut out of page images by ALTO or PAGE XML; see :mod:`mltu.datasets.page_xml`."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from ..configs import abbreviate
from ..inputs import read_pages
from ..pages import cut_line, encode_line
from ..utils.errors import InputError, escape_control_chars
from ..utils.files import one_at_a_time, write_atomic
from ..utils.image_utils import checked_file, to_bgr
from ..utils.progress import ProgressBar
from .base import Sample, Skipped
from .page_xml import PageFile, PageLine, XmlPage, complete_polygons, list_pages, read_xml

VERSION = 3  # part of the names of the cut lines; raise it when the cutting changes
QUALITY = 90  # of WebP
MAX_LINE_PIXELS = 16_000_000  # pixels of a line on the page, which takes 60 bytes of memory for each to cut
MAX_STRETCH = 1.05  # of a picture's proportions against those of its page in the XML file
UPRIGHT, UPRIGHT_CHARACTERS = 1.5, 4  # a line that is so much higher than wide with so many characters is not level
STEM = 50  # characters of a page's name that its lines' names begin with, below what file systems allow


def _cut(page: np.ndarray, line: PageLine) -> np.ndarray:
    """A line, straightened along its baseline.

    Raises:
        InputError: it is too large or too small, outside the page, or seems to run up or down without a baseline.
    """
    polygon = line.polygon * page.shape[1::-1]
    baseline = line.baseline
    if baseline is None:
        width, height = np.ptp(polygon, axis=0)
        if height > UPRIGHT * width and len(line.text) >= UPRIGHT_CHARACTERS:
            raise InputError("the line is higher than wide, and no baseline tells whether it runs up or down")
    else:
        baseline = baseline * page.shape[1::-1]
    size = np.minimum(polygon.max(axis=0), page.shape[1::-1]) - np.maximum(polygon.min(axis=0), 0)
    if size.prod() > MAX_LINE_PIXELS:
        raise InputError(
            f"the line has more than {MAX_LINE_PIXELS / 1e6:.0f} megapixels; make the page's image smaller"
        )
    return cut_line(page, polygon, baseline)[0]


def _cut_page(
    target: Path, drop: re.Pattern | None, writer: re.Pattern | None, file: PageFile
) -> tuple[list[Sample], list[Skipped]]:
    """The lines of an XML file."""
    try:
        pages = read_xml(file.path, file.picture)
        changed = checked_file(file.picture).stat().st_mtime_ns
    except InputError as error:
        return [], [Skipped(str(file.path), str(error).removeprefix(f"{file.path}: "))]
    found = writer.search(file.path.stem) if writer else None
    images = enumerate(read_pages(str(file.picture)))  # decoded when the first line is to be cut
    samples, skipped = [], []
    for page in pages:
        skipped += page.skipped
        form = file.path.stem + (f" {page.number + 1}" if page.number else "")
        image: np.ndarray | None = None
        for number, line in enumerate(complete_polygons(page)):
            if not line.text:
                skipped.append(Skipped(f"{file.path}:{line.name}", "no text"))
                continue
            source = f"{file.path}: {escape_control_chars(line.text[:60])}"
            if drop and drop.search(line.text):
                skipped.append(Skipped(source, "left out by drop_text"))
                continue
            # named after all that it depends on, so that a cut line never stands for another
            places = [None if points is None else points.tolist() for points in (line.polygon, line.baseline)]
            content = f"{VERSION} {file.picture.resolve()} {page.number} {changed} {places}"
            digest = hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()[:12]
            cut_path = target / f"{file.path.stem[:STEM]}-{number:03d}-{digest}.webp"
            if not cut_path.exists():
                try:
                    if image is None:
                        image = _picture(file.picture, images, page)
                    content = encode_line(_cut(image, line), QUALITY)[0]
                except InputError as error:
                    skipped.append(Skipped(source, str(error).removeprefix(f"{file.picture}: ")))
                    continue
                write_atomic(cut_path, content)
            samples.append(Sample(str(cut_path), line.text, found[0] if found else "", form))
    return samples, skipped


def _picture(path: Path, images: Iterator[tuple[int, np.ndarray]], page: XmlPage) -> np.ndarray:
    """The picture of a page, from the numbered pages of its file that have not been taken yet."""
    image = next((image for number, image in images if number == page.number), None)
    if image is None:
        raise InputError(f"page {page.number + 1} of the XML file has no picture; {path.name} has fewer pages")
    height, width = image.shape[:2]
    stretched = page.size[0] * height / (page.size[1] * width)
    if max(stretched, 1 / stretched) > MAX_STRETCH:
        size = " x ".join(f"{side:g}" for side in page.size)
        raise InputError(f"the page is {size} in the XML file, but its picture is {width} x {height}; turn the picture")
    return to_bgr(image)


def _pattern(text: str, name: str) -> re.Pattern | None:
    try:
        return re.compile(text) if text else None
    except (re.error, OverflowError, RecursionError) as error:
        raise InputError(f"{name}: {abbreviate(text)} is not a regular expression ({error})") from None


def read_alto(
    root: str | Path,
    cut_folder: str | Path,
    drop_text: str = "",
    writer_pattern: str = "",
    workers: int = 1,
    preferred: str = "ALTO",
) -> tuple[list[Sample], list[Skipped]]:
    """Cut the lines of all pages below a folder, or take them from an earlier call. Shows a progress bar.

    Lines are cut level, along their baselines. Where the pages' pictures are looked for: see
    :func:`mltu.datasets.page_xml.list_pages`.

    Args:
        root: folder with ALTO or PAGE files (.xml) and page images.
        cut_folder: where the cut lines go, as WebP.
        drop_text: regular expression; lines whose text matches are left out.
        writer_pattern: regular expression that finds the writer in the name of a page's XML file;
            empty: the writer is unknown, and a page counts as one.
        workers: threads that cut.
        preferred: "ALTO" or "PAGE": which counts where a page has files of both.

    Returns:
        (samples with the page as form, pages and lines that cannot be used).

    Raises:
        InputError: no such folder, no XML file in it, nothing usable, or a pattern is malformed.
    """
    root, target = Path(root), Path(cut_folder)
    drop, writer = _pattern(drop_text, "drop_text"), _pattern(writer_pattern, "writer_pattern")
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; it should hold ALTO or PAGE files (.xml) and the images of their pages"
        )
    pages, skipped = list_pages(root, preferred)
    if not pages and not skipped:
        raise InputError(f"{root}: no ALTO or PAGE file (.xml) in it or below")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{target}: cut lines cannot be put there ({error.strerror})") from None
    samples: list[Sample] = []
    with one_at_a_time(target), ThreadPoolExecutor(max(1, workers)) as pool:
        cut = pool.map(partial(_cut_page, target, drop, writer), pages)
        for page_samples, page_skipped in ProgressBar(cut, total=len(pages), desc="Cutting lines", unit="page"):
            samples += page_samples
            skipped += page_skipped
    if not samples:
        first = skipped[0] if skipped else Skipped(str(pages[0].path), "has no lines")
        raise InputError(f"{root}: no line of any page can be used; the first, {first.source}: {first.reason}")
    return samples, skipped
