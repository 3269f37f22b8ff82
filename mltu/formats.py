"""Readings as text, JSON, CSV, ALTO XML, PAGE XML, hOCR, PDF, and as a page for correcting them.

Text, JSON and CSV of several pages stand one after the other in one file. JSON is JSON Lines, an object
for each page on a line of its own, so a file that a run left unfinished can be read and continued. ALTO
and PAGE hold one page per file, hOCR, PDF and HTML all pages of a document.

    text    the lines; [?] follows a doubtful word
    json    all that is known, down to the alternatives of each character
    csv     a row for each line
    alto    ALTO 4.3, https://www.loc.gov/standards/alto/
    page    PAGE 2019-07-15, https://github.com/PRImA-Research-Lab/PAGE-XML
    hocr    hOCR 1.2, https://kba.github.io/hocr-spec/1.2/
    pdf     the images, with the text invisible over them; see :mod:`mltu.pdf`
    html    a page on which a person corrects the lines, to train on them; see :mod:`mltu.correction`
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from itertools import islice
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import numpy as np

from .correction import to_html
from .pdf import to_pdf
from .readings import Character, LineReading, PageReading, Word
from .utils.files import as_utf8

SOFTWARE = "Handwriting to text"
DOUBTFUL = "[?]"  # as editors of manuscripts mark a reading that they are not sure of
CSV_HEADER = ("image", "page", "line", "reading", "confidence", "left", "top", "right", "bottom")
ALTO = "http://www.loc.gov/standards/alto/ns-v4#"
PAGE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
UTC = timezone.utc  # datetime.UTC came with Python 3.11

Box = tuple[int, int, int, int]  # left, top, right, bottom, pixels

# all but these, XML 1.0 cannot hold; a carriage return it can, but reading makes a line feed of it
_NOT_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def marked_text(line: LineReading, min_confidence: float = 0.0) -> str:
    """The text of a line, with `[?]` after each word whose confidence is below `min_confidence`."""
    return "".join(text + DOUBTFUL * doubtful for text, doubtful in line.parts(min_confidence))


def to_text(page: PageReading, min_confidence: float = 0.0) -> str:
    """The lines as text, each with a line feed at its end; for the marks see :func:`marked_text`."""
    return "".join(f"{marked_text(line, min_confidence)}\n" for line in page.lines)


def to_json(page: PageReading, min_confidence: float = 0.0) -> str:
    """A page as a JSON object on one line, with a line feed at its end.

    Places are pixels of the page, boxes are left, top, right, bottom. `doubtful` of words is there where
    `min_confidence` is not 0.

    Example:
        {"source": "a.png", "page": 1, "width": 800, "height": 100, "lines": [{"text": "Hi", "confidence": 0.9824,
        "characters_right": 0.9912, "box": [0, 0, 800, 100], "polygon": [[0, 0], ...], "baseline": null, "region": 0,
        "words": [{"text": "Hi", "confidence": 0.9823, "box": [12, 0, 90, 100], "doubtful": false}],
        "characters": [{"text": "H", "confidence": 0.9923, "box": [12, 0, 51, 100], "alternatives": [["N", 0.0041]]},
        ...]}]}
    """

    def part(line: LineReading, unit: Word | Character) -> dict:
        return {"text": unit.text, "confidence": _round(unit.confidence), "box": line.box_of(unit)}

    lines = [
        {
            "text": line.text,
            "confidence": _round(line.confidence),
            "characters_right": _round(line.characters_right),
            "box": line.box,
            "polygon": _whole(line.polygon).tolist(),
            "baseline": None if line.baseline is None else _whole(line.baseline).tolist(),
            "region": int(line.region),
            "words": [
                part(line, word) | ({"doubtful": word.confidence < min_confidence} if min_confidence else {})
                for word in line.words
            ],
            "characters": [
                part(line, character)
                | {"alternatives": [(text, _round(share)) for text, share in character.alternatives]}
                for character in line.characters
            ],
        }
        for line in page.lines
    ]
    found = {"source": page.source, "page": page.page, "width": page.width, "height": page.height, "lines": lines}
    content = json.dumps(found, ensure_ascii=False)
    # what stands for a byte of a file name that is no UTF-8 becomes \udc.., which JSON reads back as it was
    return as_utf8(content).decode() + "\n"


def csv_rows(page: PageReading) -> list[tuple]:
    """A row for each line with the columns of `CSV_HEADER`; lines count from 1, places are pixels of the page."""
    return [
        (page.source, page.page, number, line.text, f"{line.confidence:.4f}", *line.box)
        for number, line in enumerate(page.lines, start=1)
    ]


def to_csv(page: PageReading) -> str:
    """The rows of :func:`csv_rows` as CSV; rows end with CR LF, so open a file for them with `newline=""`."""
    content = io.StringIO(newline="")
    csv.writer(content).writerows(csv_rows(page))
    return content.getvalue()


def to_alto(page: PageReading, glyphs: bool = True) -> str:
    """A page as an ALTO 4.3 document, a TextBlock for each region in the order of their first lines.

    Args:
        page: what was read; places outside it are moved to its edge.
        glyphs: with the confidence of each character and the alternatives to it.
    """
    root = _root("alto", ALTO, f"{ALTO} http://www.loc.gov/standards/alto/v4/alto-4-3.xsd")
    description = _add(root, "Description")
    _add(description, "MeasurementUnit", "pixel")
    _add(_add(description, "sourceImageInformation"), "fileName", _file_name(page))
    processing = _add(description, "Processing", ID="processing")
    _add(processing, "processingCategory", "contentGeneration")
    _add(_add(processing, "processingSoftware"), "softwareName", SOFTWARE)
    size = {"WIDTH": page.width, "HEIGHT": page.height}
    sheet = _add(_add(root, "Layout"), "Page", ID="page", PHYSICAL_IMG_NR=page.page, **size)
    space = _add(sheet, "PrintSpace", HPOS=0, VPOS=0, **size)
    for number, lines in enumerate(_regions(page), start=1):
        block = _add(space, "TextBlock", ID=f"region_{number}", **_alto_place(page, _box_around(lines)))
        for name, line in lines:
            _add_alto_line(block, page, name, line, glyphs)
    return _document(root)


def _add_alto_line(block: Element, page: PageReading, name: str, line: LineReading, glyphs: bool) -> None:
    element = _add(block, "TextLine", ID=name, **_alto_place(page, line.box))
    if _has_baseline(line):
        element.set("BASELINE", _alto_points(page, line.baseline))
    _add(_add(element, "Shape"), "Polygon", POINTS=_alto_points(page, line.polygon))
    if not line.words:  # the schema asks for a String
        _add(element, "String", ID=f"{name}_word_1", CONTENT="", WC=_share(0.0), **_alto_place(page, line.box))
    previous = None
    characters = iter(
        [character for character in line.characters if not character.text.isspace()]
    )  # those of the words
    for number, word in enumerate(line.words, start=1):
        if previous:
            gap = Word(" ", 1.0, previous.end, max(previous.end, word.start))
            _add(element, "SP", **_alto_place(page, line.box_of(gap)))
        previous = word
        place = _alto_place(page, line.box_of(word))
        word_name = f"{name}_word_{number}"
        string = _add(element, "String", ID=word_name, CONTENT=word.text, WC=_share(word.confidence), **place)
        for position, character in enumerate(islice(characters, len(word.text) if glyphs else 0), start=1):
            place = _alto_place(page, line.box_of(character))
            glyph_name = f"{word_name}_glyph_{position}"
            glyph = _add(
                string, "Glyph", ID=glyph_name, CONTENT=character.text, GC=_share(character.confidence), **place
            )
            for text, share in character.alternatives:
                _add(glyph, "Variant", CONTENT=text, VC=_share(share))


def to_page(page: PageReading, created: datetime) -> str:
    """A page as a PAGE XML document of 2019-07-15, a TextRegion for each region in the order of their first lines.

    Args:
        page: what was read; places outside it are moved to its edge.
        created: when; without a time zone it counts as UTC.
    """
    root = _root("PcGts", PAGE, f"{PAGE} {PAGE}/pagecontent.xsd")
    created = created.astimezone(UTC) if created.tzinfo else created.replace(tzinfo=UTC)
    moment = created.isoformat(timespec="seconds")
    metadata = _add(root, "Metadata")
    for name, text in (("Creator", SOFTWARE), ("Created", moment), ("LastChange", moment)):
        _add(metadata, name, text)
    sheet = _add(root, "Page", imageFilename=_file_name(page), imageWidth=page.width, imageHeight=page.height)
    regions = _regions(page)
    if regions:
        order = _add(_add(sheet, "ReadingOrder"), "OrderedGroup", id="reading_order")
        for number in range(len(regions)):
            _add(order, "RegionRefIndexed", index=number, regionRef=f"region_{number + 1}")
    for number, lines in enumerate(regions, start=1):
        region = _add(sheet, "TextRegion", id=f"region_{number}")
        _add(region, "Coords", points=_page_points(page, _corners(_box_around(lines))))
        for name, line in lines:
            _add_page_line(region, page, name, line)
        _add_page_text(region, "\n".join(line.text for _, line in lines))
    return _document(root)


def _add_page_line(region: Element, page: PageReading, name: str, line: LineReading) -> None:
    element = _add(region, "TextLine", id=name)
    _add(element, "Coords", points=_page_points(page, line.polygon))
    if _has_baseline(line):
        _add(element, "Baseline", points=_page_points(page, line.baseline))
    for number, word in enumerate(line.words, start=1):
        part = _add(element, "Word", id=f"{name}_word_{number}")
        _add(part, "Coords", points=_page_points(page, _corners(line.box_of(word))))
        _add_page_text(part, word.text, conf=_share(word.confidence))
    _add_page_text(element, line.text, conf=_share(line.confidence))


def _add_page_text(parent: Element, text: str, **attributes: str) -> None:
    _add(_add(parent, "TextEquiv", **attributes), "Unicode", text)


def to_hocr(pages: Sequence[PageReading]) -> str:
    """The pages of a document as hOCR 1.2 in XHTML; an ocr_carea for each region, as in :func:`to_alto`.

    Confidences (x_wconf) are per cent. A baseline is the straight line through the ends of the one that was found;
    where writing runs up, down or upside down, its angle (textangle, degrees counterclockwise) stands instead.
    """
    root = Element("html", xmlns="http://www.w3.org/1999/xhtml")
    head = _add(root, "head")
    _add(head, "title", ", ".join(dict.fromkeys(map(_file_name, pages))))
    _add(head, "meta", **{"http-equiv": "Content-Type", "content": "text/html; charset=utf-8"})
    for name, content in (("system", SOFTWARE), ("capabilities", "ocr_page ocr_carea ocr_line ocrx_word")):
        _add(head, "meta", name=f"ocr-{name}", content=content)
    body = _add(root, "body")
    for position, page in enumerate(pages, start=1):
        # the spec knows no way to quote a quote, and many programs split titles at every semicolon
        image = re.sub(r'["%;\x00-\x1f]', lambda found: f"%{ord(found[0]):02X}", _file_name(page))
        title = f'image "{image}"; bbox 0 0 {page.width} {page.height}; ppageno {position - 1}'
        sheet = _add(body, "div", **{"class": "ocr_page"}, id=f"page_{position}", title=title)
        for number, lines in enumerate(_regions(page), start=1):
            place = _hocr_place(page, _box_around(lines))
            region = _add(sheet, "div", **{"class": "ocr_carea"}, id=f"region_{position}_{number}", title=place)
            for name, line in lines:
                _add_hocr_line(region, page, f"page_{position}_{name}", line)
    return _document(root)


def _add_hocr_line(region: Element, page: PageReading, name: str, line: LineReading) -> None:
    title = _hocr_place(page, line.box)
    if _has_baseline(line):
        (left, top), (right, bottom) = line.baseline[[0, -1]] - (line.box[0], line.box[3])
        if right - left > abs(bottom - top):  # from the lower left corner of the box
            slope = (bottom - top) / (right - left)
            title += f"; baseline {slope:.4f} {top - slope * left:.0f}"
        else:  # which no slope describes
            title += f"; textangle {-np.degrees(np.arctan2(bottom - top, right - left)):.1f}"
    title += f"; x_wconf {100 * line.confidence:.0f}"
    element = _add(region, "span", **{"class": "ocr_line"}, id=name, title=title)
    for number, word in enumerate(line.words, start=1):
        title = f"{_hocr_place(page, line.box_of(word))}; x_wconf {100 * word.confidence:.0f}"
        _add(element, "span", word.text, **{"class": "ocrx_word"}, id=f"{name}_word_{number}", title=title)


class Format(NamedTuple):
    """How pages are written: call `write(pages, min_confidence, created)`.

    What it returns, text with a line end at its end or bytes, may be appended to a file that starts with `header`
    where a file holds "rows". Text is UTF-8 and files are opened with `newline=""`.
    """

    ending: str  # of the file's name
    write: Callable[[Sequence[PageReading], float, datetime], str | bytes]
    header: str = ""
    holds: str = "rows"  # a file; or one "page", or a "document" of pages, of which the first are not written alone
    with_pictures: bool = False  # pages need their `picture`


FORMATS = {
    "text": Format(".txt", lambda pages, least, created: "".join(to_text(page, least) for page in pages)),
    "json": Format(".jsonl", lambda pages, least, created: "".join(to_json(page, least) for page in pages)),
    "csv": Format(".csv", lambda pages, least, created: "".join(map(to_csv, pages)), ",".join(CSV_HEADER) + "\r\n"),
    "alto": Format(".xml", lambda pages, least, created: "".join(map(to_alto, pages)), holds="page"),
    "page": Format(
        ".xml", lambda pages, least, created: "".join(to_page(page, created) for page in pages), holds="page"
    ),
    "hocr": Format(".hocr", lambda pages, least, created: to_hocr(pages), holds="document"),
    "pdf": Format(".pdf", lambda pages, least, created: to_pdf(pages), holds="document", with_pictures=True),
    "html": Format(".html", lambda pages, least, created: to_html(pages, least), holds="document", with_pictures=True),
}


def _round(share: float) -> float:
    return round(float(share), 4)


def _share(share: float) -> str:
    return f"{min(max(share, 0.0), 1.0):.4f}"


def _whole(points: np.ndarray) -> np.ndarray:
    return np.rint(points).astype(int)


def _regions(page: PageReading) -> list[list[tuple[str, LineReading]]]:
    """The lines with their names in the document, those of a region together."""
    regions: dict[int, list[tuple[str, LineReading]]] = {}
    for number, line in enumerate(page.lines, start=1):
        regions.setdefault(line.region, []).append((f"line_{number}", line))
    return list(regions.values())


def _box_around(lines: Iterable[tuple[str, LineReading]]) -> Box:
    lefts, tops, rights, bottoms = zip(*(line.box for _, line in lines), strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)


def _corners(box: Box) -> np.ndarray:
    left, top, right, bottom = box
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _on_page(page: PageReading, points: Sequence | np.ndarray) -> np.ndarray:
    return np.clip(_whole(points), 0, (page.width, page.height))


def _has_baseline(line: LineReading) -> bool:
    # PAGE asks for two points
    return line.baseline is not None and len(line.baseline) > 1


def _alto_place(page: PageReading, box: Box) -> dict[str, int]:
    (left, top), (right, bottom) = _on_page(page, np.reshape(box, (2, 2)))
    return {"HPOS": left, "VPOS": top, "WIDTH": right - left, "HEIGHT": bottom - top}


def _alto_points(page: PageReading, points: np.ndarray) -> str:
    return " ".join(f"{x} {y}" for x, y in _on_page(page, points))


def _hocr_place(page: PageReading, box: Box) -> str:
    (left, top), (right, bottom) = _on_page(page, np.reshape(box, (2, 2)))
    return f"bbox {left} {top} {right} {bottom}"


def _page_points(page: PageReading, points: np.ndarray) -> str:
    return " ".join(f"{x},{y}" for x, y in _on_page(page, points))


def _file_name(page: PageReading) -> str:
    # without folders: those of one machine mean nothing on another
    return re.split(r"[/\\]", page.source)[-1]


def _xml_text(value: object) -> str:
    return _NOT_XML.sub("\ufffd", str(value))


def _add(parent: Element, tag: str, text: str | None = None, **attributes: object) -> Element:
    element = ElementTree.SubElement(parent, tag, {name: _xml_text(value) for name, value in attributes.items()})
    element.text = None if text is None else _xml_text(text)
    return element


def _root(tag: str, namespace: str, schema: str) -> Element:
    # as an attribute: registering a namespace would hold for the whole process
    names = {"xmlns": namespace, "xmlns:xsi": "http://www.w3.org/2001/XMLSchema-instance"}
    return Element(tag, {**names, "xsi:schemaLocation": schema})


def _document(root: Element) -> str:
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="UTF-8", xml_declaration=True).decode("utf-8") + "\n"
