"""What a user names to be read: files, folders, patterns, standard input; images, TIFF and PDF of many pages."""

from __future__ import annotations

import glob
import io
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .utils.errors import InputError
from .utils.image_utils import IMAGE_ENDINGS, MAX_PIXELS, MAX_SIDE, checked_file, decode_pages

STDIN = "-"
MORE_ENDINGS = (".bmp", ".gif", ".jp2", ".pgm", ".ppm", ".pdf")  # taken from folders beside those of datasets
PDF_RESOLUTION = 200  # dots an inch; a line of writing is then some 60 to 100 pixels high
LARGEST_INPUT = 1 << 29  # bytes from standard input, which are held in memory
_PDFIUM = threading.Lock()  # the library must not be used by two threads at once


def list_files(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """The files that names stand for.

    Args:
        names: files, folders (all images and PDF files in them and below), patterns such as `scans/**/*.jpg`,
            "-" for standard input.

    Returns:
        (files, each once, in the order of the names and sorted within a folder or pattern; complaints about
        names that stand for none).
    """
    files: dict[str, str] = {}  # where a file is -> how it was named first
    complaints = []
    for name in names:
        if name == STDIN:
            found = [STDIN]
        elif os.path.isdir(name):
            found = list(_images_below(name))
            if not found:
                complaints.append(f"{name}: no image in this folder or below")
        elif glob.has_magic(name) and not os.path.exists(name):
            found = sorted(one for one in glob.glob(name, recursive=True) if os.path.isfile(one))
            if not found:
                complaints.append(f"{name}: no file matches this pattern")
        else:
            found = [name]  # what is wrong with it is said when it is read
        for one in found:
            files.setdefault(one if one == STDIN else os.path.abspath(one), one)
    return list(files.values()), complaints


def _images_below(folder: str) -> Iterator[str]:
    for parent, folders, files in os.walk(folder):
        folders.sort()  # in place, which is how os.walk is told the order
        for file in sorted(files):
            if file.lower().endswith((*IMAGE_ENDINGS, *MORE_ENDINGS)):
                yield os.path.join(parent, file)


def read_pages(name: str) -> Iterator[np.ndarray]:
    """The pages of a file as images, one after the other.

    Args:
        name: path of an image or PDF file, or "-" for one on standard input.

    Yields:
        As :func:`mltu.utils.image_utils.decode_pages`.

    Raises:
        InputError: as :func:`mltu.utils.image_utils.read_image`, or a PDF file that cannot be opened.
    """
    if name == STDIN:
        content = sys.stdin.buffer.read(LARGEST_INPUT + 1)
        if not 0 < len(content) <= LARGEST_INPUT:
            reason = f"more than {LARGEST_INPUT >> 20} MB" if content else "nothing"
            raise InputError(f"{name}: {reason} on standard input; an image was expected")
        start, file = content[:5], io.BytesIO(content)
    else:
        file = checked_file(name)
        try:
            with open(file, "rb") as opened:
                start = opened.read(5)
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror})") from None
    yield from _pdf_pages(file, name) if start == b"%PDF-" else decode_pages(file, name)


def _pdf_pages(file: Path | io.BytesIO, name: str) -> Iterator[np.ndarray]:
    import pypdfium2  # loads a large library, which images do without

    try:
        with _PDFIUM:
            document = pypdfium2.PdfDocument(file)
            count = len(document)
        try:
            for number in range(count):
                with _PDFIUM:
                    page = document[number]
                    width, height = page.get_size()  # in points, 72 an inch
                    most = min(np.sqrt(MAX_PIXELS / max(width * height, 1)), MAX_SIDE / max(width, height, 1))
                    image = page.render(scale=min(PDF_RESOLUTION / 72, most)).to_numpy().copy()
                    page.close()
                yield image
        finally:
            with _PDFIUM:
                document.close()
    except pypdfium2.PdfiumError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{name}: not a PDF file that can be opened ({reason}); save it again") from None
