"""Searchable PDF: the images of pages, with the words that were read invisible over them.

The words are written in a font whose only glyph is a box, half as wide as high, that no one sees. Each word is
stretched and turned to cover its place, and a table in the file says which character each code stands for, so
that any character can be searched and copied, with a font of 276 bytes.
"""

from __future__ import annotations

import base64
import ctypes
import io
import zlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from .readings import LineReading, PageReading

if TYPE_CHECKING:
    import pypdfium2

RESOLUTION = 200  # dots per inch, which gives the pages their size; what PDF files are read with
DESCENT = 0.2  # share of the box that is below the baseline
# a TrueType font of the tables that PDF asks for, compressed; the tests build it with fontTools
FONT = (
    "eNpjYGRgYGBjcGBgYlBIz6lMY85j/AEUAWGpjNTElERuZwsgOweIzTKAAqxijHpA9hIgVsnILalg/MIAAi9ApuTkJycy8IL5H0D83MSKAgYWoOkM"
    "DCeAWIEBZBcQJ7D1XIvnt/nKwMz8ggED/Ldg/MKsAGQwA90EAUA9zAr/ge6A2AYkGdE0MYJFmIC2QWSY0E2FuhMCeCFmQm1iZmAQFVQUZPxygvnF"
    "HwmgFABn/CSu"
)
# Adobe Technical Note 5411, "ToUnicode Mapping File Tutorial"
TO_UNICODE = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
{}endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""
MAX_ENTRIES = 100  # of a block in that table


def to_pdf(pages: Sequence[PageReading]) -> bytes:
    """A PDF file of pages that have their `picture`.

    Raises:
        ValueError: a page has none.
    """
    import pypdfium2  # here, because only this format needs it in this process
    from pypdfium2 import raw

    if not all(page.picture for page in pages):
        raise ValueError("a page without its picture cannot be shown")
    texts = [word.text for page in pages for line in page.lines for word in line.words]
    codes = {character: code for code, character in enumerate(sorted(set(" ".join(["", *texts]))), start=1)}
    document = pypdfium2.PdfDocument.new()
    font = _load_font(document, codes)
    for page in pages:
        scale = 72 / RESOLUTION  # points of a pixel
        width, height = page.width * scale, page.height * scale
        sheet = document.new_page(width, height)
        image = pypdfium2.PdfImage.new(document)
        image.load_jpeg(io.BytesIO(page.picture), inline=True)
        image.set_matrix(pypdfium2.PdfMatrix().scale(width, height))
        sheet.insert_obj(image)
        to_points = np.array([[scale, 0, 0], [0, -scale, height]])
        for line in page.lines:
            for text, matrix in _place_words(line, to_points):
                _insert_word(sheet, font, [codes[character] for character in text], matrix)
        sheet.gen_content()
        sheet.close()
    content = io.BytesIO()
    document.save(content)
    raw.FPDFFont_Close(font)
    document.close()
    return content.getvalue()


def _place_words(line: LineReading, to_points: np.ndarray) -> Iterable[tuple[str, np.ndarray]]:
    """The words of a line, each with the matrix, shape (2, 3), that brings its text from em units to its place."""
    words = line.words
    for number, word in enumerate(words, start=1):
        upper_left, _, lower_right, lower_left = (to_points @ [*corner, 1] for corner in line.corners_of(word))
        along, up = lower_right - lower_left, upper_left - lower_left
        if not along.any():  # a place without any width would make the text vanish
            along = np.array([up[1], -up[0]]) / 100
        matrix = np.column_stack([2 * along / len(word.text), up, lower_left + DESCENT * up])
        yield word.text + " " * (number < len(words)), matrix


def _load_font(document: pypdfium2.PdfDocument, codes: dict[str, int]) -> ctypes.c_void_p:
    """The font, with the codes of its characters."""
    from pypdfium2 import raw

    blocks = ""
    entries = [
        f"<{code:04X}> <{character.encode('utf-16-be', 'replace').hex()}>\n" for character, code in codes.items()
    ]
    for start in range(0, len(entries), MAX_ENTRIES):
        block = entries[start : start + MAX_ENTRIES]
        blocks += f"{len(block)} beginbfchar\n{''.join(block)}endbfchar\n"
    font = zlib.decompress(base64.b64decode(FONT))
    glyphs = b"\0\0" + b"\0\1" * len(codes)  # the one glyph for each of the codes
    return raw.FPDFText_LoadCidType2Font(
        document.raw, _bytes(font), len(font), TO_UNICODE.format(blocks).encode(), _bytes(glyphs), len(glyphs)
    )


def _bytes(content: bytes) -> ctypes.Array:
    return (ctypes.c_ubyte * len(content)).from_buffer_copy(content)


def _insert_word(sheet: pypdfium2.PdfPage, font: ctypes.c_void_p, codes: Sequence[int], matrix: np.ndarray) -> None:
    from pypdfium2 import raw

    text = raw.FPDFPageObj_CreateTextObj(sheet.pdf.raw, font, 1.0)
    raw.FPDFText_SetCharcodes(text, (ctypes.c_uint32 * len(codes))(*codes), len(codes))
    raw.FPDFTextObj_SetTextRenderMode(text, raw.FPDF_TEXTRENDERMODE_INVISIBLE)
    raw.FPDFPageObj_SetMatrix(text, raw.FS_MATRIX(*matrix.T.ravel()))
    raw.FPDFPage_InsertObject(sheet.raw, text)
