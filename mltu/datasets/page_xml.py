"""Pages in XML: the text, outline and baseline of each line, from ALTO 2 to 4 and PAGE of any version.

ALTO (https://www.loc.gov/standards/alto/) is what eScriptorium, kraken and HTR-United publish, PAGE
(https://github.com/PRImA-Research-Lab/PAGE-XML) what Transkribus exports. :func:`list_pages` finds the files of a
folder and the picture of each, :func:`read_xml` reads a file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse, parse

from ..inputs import FILE_ENDINGS, read_pages
from ..utils.errors import InputError
from ..utils.files import files_below
from ..utils.image_utils import checked_file
from .base import Skipped, normalize_text, tell_invisible

MAX_FILE = 1 << 25  # bytes; a newspaper's page with places of letters has some 20 MB, which become 30 times as many
MAX_POINTS = 10_000  # of an outline; more take OpenCV minutes to fill
MAX_SIZE = 10_000_000  # of a page in pixels, tenths of millimetres or 1200ths of inches
FARTHEST = 100  # widths or heights of the page
FORMATS = {"alto": "ALTO", "PcGts": "PAGE"}  # by the name of a file's first element
REGIONS = ("TextBlock", "TextRegion", "TableCell", "TableRegion")
ENDING = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")  # of a picture's name, also one that is not read here
NEIGHBOURS = 50  # lines before and after a line in its file
CHARACTER_WIDTHS = 3  # of the typical handwriting are as much as the height of a line
MIN_CHARACTERS, TYPICAL_CHARACTERS, MAX_CHARACTERS = 3, 30, 400  # of a line
ABOVE, BELOW, MARGIN = 0.75, 0.35, 0.2  # what a line takes above and below its baseline and at its ends, in heights
SOFT_HYPHEN = "\u00ad"


class PageLine(NamedTuple):
    """A text line of a page. Points are shares of the page's width and height, shape (points, 2)."""

    text: str  # empty if the file gives none
    polygon: np.ndarray | None
    baseline: np.ndarray | None  # in the direction of writing; a line has a polygon, a baseline or both
    region: int  # number of its text block on the page, from 0
    name: str  # what the file calls it


class XmlPage(NamedTuple):
    """A page of an XML file."""

    image: str  # file name of its picture, empty if the file gives none
    lines: list[PageLine]  # in the file's order, those without text included
    skipped: list[Skipped]  # lines without a place, and texts with characters that nobody can see
    size: tuple[float, float]  # width and height, in the file's unit
    number: int  # which page of its picture file it is, from 0


class PageFile(NamedTuple):
    """An XML file, its picture, and "ALTO" or "PAGE"."""

    path: Path
    picture: Path
    format: str


def list_pages(folder: str | Path, preferred: str = "ALTO") -> tuple[list[PageFile], list[Skipped]]:
    """Find the ALTO and PAGE files in a folder and below it, and the picture of each.

    The picture is looked for beside the XML file, then below its folder, then in and below each folder around it up to
    the given one. It has the name that the file gives, else the same in other letter case, else the same with another
    ending, else the XML file's own name with any ending.

    Args:
        folder: holds the XML files and the pictures.
        preferred: "ALTO" or "PAGE": which counts where a picture has files of both.

    Returns:
        (files with their pictures in the order of their paths, files that are not ALTO or PAGE, have no picture, or
        whose picture could be one of several, or has a file of the preferred format).
    """
    folder = Path(folder)
    paths = list(map(Path, files_below(folder)))
    pictures = _Pictures(folder, [path for path in paths if path.suffix.lower() in FILE_ENDINGS])
    found, skipped = [], []
    for path in paths:
        if path.suffix.lower() != ".xml":
            continue
        try:
            kind, name = _opening(path)
            found.append(PageFile(path, pictures.find(path, name), kind))
        except InputError as error:
            skipped.append(Skipped(str(path), str(error).removeprefix(f"{path}: ")))
    preferred_files = {file.picture: file.path for file in found if file.format == preferred}
    kept = []
    for file in found:
        if file.format == preferred or file.picture not in preferred_files:
            kept.append(file)
        else:
            reason = f"its picture has a file in {preferred} too: {preferred_files[file.picture]}"
            skipped.append(Skipped(str(file.path), reason))
    return kept, skipped


class _Pictures:
    """The pictures of a folder, by name."""

    def __init__(self, root: Path, paths: Sequence[Path]) -> None:
        self.root = root
        self.paths: dict[tuple[str, str], list[Path]] = {}  # (way of comparing, name) -> pictures
        for path in paths:
            for key in _keys(path.name):
                self.paths.setdefault(key, []).append(path)

    def find(self, xml: Path, name: str) -> Path:
        """The picture of an XML file that gives a name for it.

        Raises:
            InputError: there is none, or there are several.
        """
        keys = [key for given in (name, xml.stem) if given for key in _keys(given)]
        named = [(key, self.paths[key]) for key in keys if key in self.paths]
        around = [xml.parent, *xml.parent.parents]
        for place in around[: around.index(self.root) + 1]:
            for only_in_it in (True, False):
                for _, paths in named:
                    near = [p for p in paths if (p.parent == place if only_in_it else place in p.parents)]
                    if len(near) > 1:
                        remedy = "keep one of them" if only_in_it else "put the right one beside the XML file"
                        raise InputError(f"{xml}: its picture could be {near[0]} or {near[1]}; {remedy}")
                    if near:
                        return near[0]
        raise InputError(f"{xml}: no image: {name or xml.stem}")


def _keys(name: str) -> Iterator[tuple[str, str]]:
    """How a picture's name is compared, the closest way first."""
    yield "exact", name
    name = unicodedata.normalize("NFC", unquote(name))  # macOS decomposes names
    yield "letters", name.casefold()
    yield "stem", ENDING.sub("", name).casefold()


def _opening(path: Path) -> tuple[str, str]:
    """The format and the file name of the picture, without reading the lines."""
    with _errors_named(path), open(_checked(path), "rb") as file:
        kind = name = ""
        for event, element in iterparse(file, events=("start", "end"), forbid_dtd=True):
            kind = kind or _format(path, element)
            if event == "end" and _local(element) == "fileName":
                name = name or element.text or ""
            elif event == "start" and _local(element) == "Page":
                return kind, _file_name(element.get("imageFilename", "") if kind == "PAGE" else name)
    raise InputError(f"{path}: not an {kind} file with a page")


def read_xml(path: str | Path, picture: str | Path | None = None) -> list[XmlPage]:
    """Read the pages of an ALTO or PAGE file.

    Entities and document type definitions are refused, so that a file can name no other.

    Args:
        path: the file.
        picture: the file of the pages' pictures, whose size counts where the XML file gives none.

    Raises:
        InputError: neither ALTO nor PAGE, larger than 32 MB, without a page, or without a page size.
    """
    path = Path(path)
    with _errors_named(path):
        root = parse(_checked(path), forbid_dtd=True).getroot()
    kind = _format(path, root)
    name, unit, sizes = "", "pixel", None
    pages: list[XmlPage] = []
    regions: dict[int, int] = {}
    stack = [(root, 0)]  # elements with the number of their region in the file; lines within lines are taken too
    count = 0
    while stack:
        element, region = stack.pop()
        tag = _local(element)
        count += 1
        if tag == "fileName":
            name = name or element.text or ""
        elif tag == "MeasurementUnit":
            unit = (element.text or "pixel").strip()
        elif tag == "Page":
            size = _page_size(element, kind)
            if size is None:
                if sizes is None:
                    sizes = _picture_sizes(path, unit, picture)
                size = sizes[len(pages)] if len(pages) < len(sizes) else (1, 1)  # the page has no picture
            image = element.get("imageFilename", "") if kind == "PAGE" else name
            pages.append(XmlPage(_file_name(image), [], [], size, len(pages)))
            regions = {}
            region = count
        elif tag in REGIONS:
            region = count
        elif tag == "TextLine" and pages:
            page = pages[-1]
            line_id = element.get("ID") or element.get("id") or f"line {len(page.lines) + len(page.skipped) + 1}"
            try:
                number = regions.setdefault(region, len(regions))
                line = _READERS[kind](element, np.array(page.size), number, line_id)
                page.skipped.extend(tell_invisible(f"{path}:{line_id}", line.text))
                page.lines.append(line._replace(text=normalize_text(line.text)))
            except ValueError as error:
                page.skipped.append(Skipped(f"{path}:{line_id}", f"no place: {error}"))
        stack += [(child, region) for child in reversed(element)]
    if not pages:
        raise InputError(f"{path}: not an {kind} file with a page")
    return pages


def complete_polygons(page: XmlPage) -> list[PageLine]:
    """The lines of a page, each with a polygon: one with only a baseline gets a band along it.

    The band is as high as the distance to the nearest baseline beside it, but at most as the page's baselines usually
    are apart and as its number of characters suggests.
    """
    size = np.array(page.size)
    bare = [number for number, line in enumerate(page.lines) if line.polygon is None]
    # three points of each baseline stand for it
    points = np.full((len(page.lines), 3, 2), np.nan)
    for number, line in enumerate(page.lines if bare else []):
        if line.baseline is not None:
            points[number] = line.baseline[[0, len(line.baseline) // 2, -1]] * size
    distances = {number: _distance(number, points) for number in np.flatnonzero(~np.isnan(points[:, 0, 0])).tolist()}
    usual = float(np.median([distance for distance in distances.values() if np.isfinite(distance)] or [np.inf]))
    lines = list(page.lines)
    for number in bare:
        line, baseline = lines[number], lines[number].baseline * size
        length = float(np.hypot(*np.diff(baseline, axis=0).T).sum())
        likely = CHARACTER_WIDTHS * length / max(len(line.text) or TYPICAL_CHARACTERS, MIN_CHARACTERS)
        height = min(max(distances[number], usual / 2), usual, 2 * likely) if np.isfinite(usual) else likely
        along, up = _axes(baseline) * [[1], [-1]]
        ends = MARGIN * height * along * np.array([[-1], *[[0]] * (len(baseline) - 2), [1]])
        band = np.concatenate([baseline + ends + ABOVE * height * up, (baseline + ends - BELOW * height * up)[::-1]])
        lines[number] = line._replace(polygon=band / size)
    return lines


def _axes(baseline: np.ndarray) -> np.ndarray:
    """Unit vectors along a baseline and down from it."""
    chord = baseline[-1] - baseline[0]
    along = chord / np.hypot(*chord)
    return np.array([along, [-along[1], along[0]]])


def _distance(number: int, points: np.ndarray) -> float:
    """From a baseline to the nearest one beside it, infinite if there is none.

    Args:
        number: of the baseline.
        points: three of each baseline, NaN where there is none, shape (lines, 3, 2).
    """
    # neighbours on the page are neighbours in the file, and looking at all would be slow in a hostile one
    first = max(0, number - NEIGHBOURS)
    near = np.delete(points[first : number + NEIGHBOURS + 1], number - first, axis=0)
    near = near[~np.isnan(near[:, 0, 0])] - points[number, 0]
    axes = _axes(points[number])
    x, y = np.moveaxis(near @ axes.T, -1, 0)
    length = (points[number, -1] - points[number, 0]) @ axes[0]
    distance = np.abs(np.median(y, axis=1))
    # a neighbour runs beside half of it, unlike words between two lines, and is not a piece of the same line
    beside = np.minimum(length, x.max(axis=1)) - np.maximum(0, x.min(axis=1)) > length / 2
    return float(distance[beside & (distance > length / MAX_CHARACTERS)].min(initial=np.inf))


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise InputError(f"{path}: not a plain XML file ({' '.join(str(error).split())[:200]})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None


def _checked(path: Path) -> Path:
    if checked_file(path).stat().st_size > MAX_FILE:
        raise InputError(f"{path}: larger than {MAX_FILE >> 20} MB, so not an ALTO or PAGE file of a page")
    return path


def _format(path: Path, root: Element) -> str:
    if _local(root) not in FORMATS:
        raise InputError(f"{path}: not an ALTO or PAGE file")
    return FORMATS[_local(root)]


def _file_name(name: str) -> str:
    # only the last part of the name counts, so that a file cannot point out of the dataset
    return re.split(r"[/\\]", name.strip())[-1]


def _page_size(page: Element, kind: str) -> tuple[float, float] | None:
    names = ("imageWidth", "imageHeight") if kind == "PAGE" else ("WIDTH", "HEIGHT")
    try:
        size = tuple(_number(page, name) for name in names)
    except ValueError:
        return None
    return size if min(size) >= 1 and max(size) <= MAX_SIZE else None


def _picture_sizes(path: Path, unit: str, picture: str | Path | None) -> list[tuple[int, int]]:
    """Width and height of each page of a picture."""
    if picture is None or unit != "pixel":
        raise InputError(f"{path}: the page has no size{'' if unit == 'pixel' else f', and its unit is {unit[:60]}'}")
    return [pixels.shape[1::-1] for pixels in read_pages(str(picture))]


def _local(element: Element) -> str:
    """An element's name without its namespace, which differs between versions."""
    return element.tag.rsplit("}", 1)[-1] if isinstance(element.tag, str) else ""


def _children(element: Element, *names: str) -> Iterator[Element]:
    # children only: in a file whose lines are within each other, all below would be looked at again and again
    return (child for child in element if _local(child) in names)


def _number(element: Element, name: str) -> float:
    value = float(element.get(name, "nan"))
    if not np.isfinite(value):
        raise ValueError(f"{_local(element)} has no {name}")
    return value


def _page_line(text: str, polygon: np.ndarray | None, baseline: np.ndarray | None, region: int, name: str) -> PageLine:
    """A line whose baseline fits to its polygon and its script."""
    if baseline is not None and polygon is not None:
        low, high = polygon.min(axis=0), polygon.max(axis=0)
        if not (np.abs(np.median(baseline, axis=0) - (low + high) / 2) <= high - low).all():
            baseline = None  # of another line
    if baseline is not None and baseline[-1, 0] < baseline[0, 0]:
        directions = [unicodedata.bidirectional(character) for character in text]
        if sum(direction in ("R", "AL") for direction in directions) > directions.count("L"):
            baseline = baseline[::-1]  # drawn as the script runs, so it does not stand on its head
    return PageLine(text, polygon, baseline, region, name)


def _read_alto_line(line: Element, size: np.ndarray, region: int, name: str) -> PageLine:
    outlines = (inner for child in _children(line, "Shape") for inner in _children(child, "Polygon"))
    outline = next(outlines, None)
    baseline = _baseline(line.get("BASELINE", ""), line, size)
    if outline is not None:
        polygon = _polygon(outline.get("POINTS", ""), size)
    else:
        try:
            x, y, width, height = (_number(line, side) for side in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
            if baseline is not None and min(width, height) <= 0:
                raise ValueError("the box is empty")
            box = np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]])
            polygon = _near(box / size)
        except ValueError:
            if baseline is None:
                raise
            polygon = None
    return _page_line(_alto_text(line), polygon, baseline, region, name)


def _alto_text(line: Element) -> str:
    words: list[str] = []
    spaced = any(True for _ in _children(line, "SP"))
    apart = True  # the next string begins a word
    for child in _children(line, "String", "SP", "HYP"):
        tag, content = _local(child), child.get("CONTENT", "")
        if tag == "SP":
            apart = True
        elif tag == "HYP":  # the hyphen belongs to the word before it, and is there to be seen
            hyphen = child.get("CONTENT", "-").replace(SOFT_HYPHEN, "-")
            word = words.pop() if words else ""
            words.append(word if word.endswith(hyphen) else word + hyphen)
        elif apart:
            words.append(content)
            apart = not spaced  # some writers leave the spaces between words out
        else:
            words[-1] += content
    return " ".join(words)


def _read_page_line(line: Element, size: np.ndarray, region: int, name: str) -> PageLine:
    coords, baseline = (_page_points(line, child) for child in ("Coords", "Baseline"))
    baseline = _baseline(baseline, line, size)
    if not coords.strip() and baseline is None:
        raise ValueError("TextLine has no Coords")
    polygon = _polygon(coords, size) if coords.strip() else None
    return _page_line(_page_text(line), polygon, baseline, region, name)


def _page_points(line: Element, name: str) -> str:
    element = next(_children(line, name), None)
    if element is None:
        return ""
    # until 2010 points were elements
    points = (f"{point.get('x')},{point.get('y')}" for point in _children(element, "Point"))
    return element.get("points") or " ".join(islice(points, MAX_POINTS + 1))


def _page_text(line: Element) -> str:
    """The text of a line, else of its words, else of their letters."""
    words = (
        _equivalent(word) or "".join(map(_equivalent, _children(word, "Glyph"))) for word in _children(line, "Word")
    )
    return _equivalent(line) or " ".join(words)


def _equivalent(element: Element) -> str:
    """The best text of several that PAGE gives for a line, a word or a letter."""
    texts = list(_children(element, "TextEquiv"))
    texts.sort(key=lambda text: int(text.get("index", "0")) if text.get("index", "0").isdecimal() else 0)
    found = (plain.text or "" for text in texts for plain in _children(text, "Unicode", "PlainText"))
    return next(filter(normalize_text, found), "")


_READERS = {"ALTO": _read_alto_line, "PAGE": _read_page_line}


def _numbers(points: str) -> np.ndarray:
    parts = re.split(r"[\s,]+", points.strip(), maxsplit=2 * MAX_POINTS)
    if len(parts) > 2 * MAX_POINTS:
        raise ValueError(f"the polygon has more than {MAX_POINTS} points")
    return np.array([float(part) for part in parts if part])


def _polygon(points: str, size: np.ndarray) -> np.ndarray:
    numbers = _numbers(points)
    if len(numbers) < 6 or len(numbers) % 2 or not np.isfinite(numbers).all():
        raise ValueError("the polygon is not a list of three or more points")
    return _near(numbers.reshape(-1, 2) / size)


def _baseline(points: str, line: Element, size: np.ndarray) -> np.ndarray | None:
    """A baseline that has a direction; None if there is none. In ALTO 2 it is a height, which tells no more."""
    try:
        numbers = _numbers(points)
        if len(numbers) == 1:
            left, width = _number(line, "HPOS"), _number(line, "WIDTH")
            numbers = np.array([left, numbers[0], left + width, numbers[0]])
        if len(numbers) < 4 or len(numbers) % 2 or not np.isfinite(numbers).all():
            return None
        baseline = _near(numbers.reshape(-1, 2) / size)
    except ValueError:
        return None
    return None if np.array_equal(baseline[0], baseline[-1]) else baseline


def _near(points: np.ndarray) -> np.ndarray:
    """Points, unless they are too far from their page to count its pixels."""
    if not (np.abs(points) <= FARTHEST).all():
        raise ValueError("the polygon is far outside the page")
    return points
