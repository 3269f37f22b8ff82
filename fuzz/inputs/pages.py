"""Files of pages: PDF files, and images of several pages."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from mltu.inputs import read_pages
from mltu.utils.image_utils import MAX_PIXELS

from .base import SECRET, Attacks, Input, Target
from .images import many_scans, many_tiff_pages, packed_zeros, picture, saved, tiff_pages

MAX_PAGES = 20  # of a file that are looked at


def pdf_of(*objects: bytes) -> bytes:
    """A PDF file of numbered objects; the first is the catalogue."""
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % numbered for numbered in enumerate(objects, start=1))
    return b"%PDF-1.5\n" + body + b"trailer\n<</Root 1 0 R/Size 99>>\n%%EOF\n"


def pdf_stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<<%b/Length %d>>stream\n%b\nendstream" % (entries, len(content), content)


def pdf_page(contents: bytes = b"4 0 R", box: bytes = b"0 0 60 40", more: tuple[bytes, ...] = ()) -> bytes:
    """A PDF file of one page; objects from number 4 on are given, and 5 is the image or form /I."""
    return pdf_of(
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[%b]/Contents %b/Resources<</XObject<</I 5 0 R>>>>>>" % (box, contents),
        *more,
    )


def pdf_image(side: int, data: bytes, entries: bytes = b"", space: bytes = b"/DeviceRGB") -> bytes:
    """A PDF file with an image on its page."""
    head = b"/Type/XObject/Subtype/Image/BitsPerComponent 8/Width %d/Height %d/ColorSpace%b" % (side, side, space)
    return pdf_page(more=(pdf_stream(b"q 60 0 0 40 0 0 cm /I Do Q"), pdf_stream(data, head + entries)))


def nested_forms(depth: int) -> bytes:
    """A PDF file whose forms draw others ten times each: ten to the power of the depth rectangles."""
    form = b"/Type/XObject/Subtype/Form/BBox[0 0 60 40]/Resources<</XObject<</I %d 0 R>>>>"
    forms = [pdf_stream(b"/I Do " * 10, form % (6 + number)) for number in range(depth)]
    last = pdf_stream(b"0 0 30 20 re f", b"/Type/XObject/Subtype/Form/BBox[0 0 60 40]")
    return pdf_page(more=(pdf_stream(b"/I Do " * 10), *forms, last))


@cache
def page_files() -> list[Input]:
    flate = b"/Filter/FlateDecode"
    text = b"BT /F1 12 Tf 5 5 Td (hand) Tj ET 1 0 0 RG 3 w 5 5 m 50 30 l S 0.5 g 10 10 20 9 re f"
    return [
        Input("image.pdf", pdf_image(4, zlib.compress(bytes(range(48))), flate)),
        Input("drawn.pdf", pdf_page(more=(pdf_stream(text), pdf_stream(b"x")))),
        Input("jpeg.pdf", pdf_image(8, saved(picture("RGB", (8, 8)), "JPEG"), b"/Filter/DCTDecode")),
        Input("jpx.pdf", pdf_image(8, saved(picture("RGB", (8, 8)), "JPEG2000"), b"/Filter/JPXDecode")),
        Input("pages.tif", tiff_pages(picture(), picture("RGB"), picture("1"))),
        Input("one.png", saved(picture(), "PNG")),
    ]


@cache
def page_attacks() -> Attacks:
    flate = b"/Filter/FlateDecode"
    twice = b"/Filter[/FlateDecode/FlateDecode]"
    outside = b"/F<</Type/Filespec/F(%b.png)/UF(%b.png)>>" % (SECRET.encode(), SECRET.encode())
    sound = b"<</S/Launch/F(%b.txt)>>" % SECRET.encode()
    kids = b"<</Type/Pages/Kids[2 0 R 2 0 R 3 0 R]/Count 2000000000>>"
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 60 40]>>"
    return {
        "start:a.pdf": lambda: b"%PDF-",
        "outside:a.pdf": lambda: pdf_image(4, b"", outside),
        "launch:a.pdf": lambda: pdf_page(more=(pdf_stream(b""), sound)).replace(b"/Pages", b"/OpenAction 5 0 R/Pages"),
        "tree:a.pdf": lambda: pdf_of(b"<</Type/Catalog/Pages 2 0 R>>", kids, page),
        "lie:a.pdf": lambda: pdf_image(2**31 - 1, b"", flate),
        "large:a.pdf": lambda: pdf_image(26_000, packed_zeros(100), flate),
        "box:a.pdf": lambda: pdf_page(box=b"0 0 1e30 1e30", more=(pdf_stream(b""),)),
        "box2:a.pdf": lambda: pdf_page(box=b"-1e9 0 14400 1e-9", more=(pdf_stream(b""),)),
        "sheet:a.pdf": lambda: pdf_page(box=b"0 0 14400 14400", more=(pdf_stream(b""),)),
        "deep:a.pdf": lambda: pdf_page(more=(b"[" * 100_000,)),
        "inner:a.pdf": lambda: pdf_page(b"[" + b"4 0 R " * 9 + b"]", more=(pdf_stream(packed_zeros(300), flate),)),
        "bomb:a.pdf": lambda: pdf_page(more=(pdf_stream(packed_zeros(1000), flate),)),
        "bombs:a.pdf": lambda: pdf_page(more=(pdf_stream(zlib.compress(packed_zeros(1000)), twice),)),
        "pages:a.tif": lambda: many_tiff_pages(1000),
        "scans:a.jpg": lambda: many_scans(5000),
        "forms:a.pdf": lambda: nested_forms(9),
    }


def read_all_pages(path: Path) -> Iterator[str]:
    pixels = 0
    pages = read_pages(str(path))
    for number, page in enumerate(pages, start=1):
        pixels += page.shape[0] * page.shape[1]
        if pixels >= MAX_PIXELS or number >= MAX_PAGES:
            pages.close()
            break
    yield from ()


PAGES = Target(read_all_pages, page_files, page_attacks, (b"/Filter", b"4 0 R", b"<<", b">>", b"stream\n", b"/I Do "))
