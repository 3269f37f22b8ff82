"""What a user names to be read: files, folders, patterns, standard input; images, TIFF and PDF of many pages."""

from __future__ import annotations

import glob
import io
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Any, BinaryIO

import numpy as np
from PIL import Image as PillowImage

from .utils.errors import InputError
from .utils.files import files_below, is_of_macos
from .utils.image_utils import (
    IMAGE_ENDINGS,
    MAX_PIXELS,
    MAX_SIDE,
    check_pixels,
    check_size,
    checked_file,
    decode_pages,
    pillow_pixels,
)

STDIN = "-"
FILE_ENDINGS = (  # files read from folders
    *IMAGE_ENDINGS,
    *(".jpe", ".jfif", ".mpo", ".apng", ".avif", ".avifs", ".heic", ".heif", ".heics", ".heifs", ".hif"),
    *(".bmp", ".dib", ".gif", ".jp2", ".j2k", ".jpc", ".jpf", ".jpx", ".pbm", ".pgm", ".ppm", ".pnm", ".tga", ".pdf"),
)
PDF_START = re.compile(rb"(\xef\xbb\xbf|\s)*%PDF-")  # some programs put blanks or a mark of UTF-8 before it
PDF_RESOLUTION = 200  # dots per inch; a line of writing is then some 60 to 100 pixels high
MAX_INPUT = 1 << 29  # bytes from standard input, which are held in memory
RENDER_PDF = Path(__file__).with_name("utils") / "render_pdf.py"


def list_files(names: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """The files that names stand for.

    Args:
        names: files, folders (all images and PDF files in them and below), patterns such as `scans/**/*.jpg`, whose
            brackets may be those of a name, "-" for standard input.

    Returns:
        (files, each once, in the order of the names and sorted within a folder or pattern; complaints about
        names that stand for none; notes on what was left out of folders).
    """
    files: dict[str, str] = {}  # where a file is -> how it was named first
    complaints, notes = [], []
    for name in names:
        if name == STDIN:
            found = [STDIN]
        elif os.path.isdir(name):
            below = list(files_below(name))
            found = [file for file in below if file.lower().endswith(FILE_ENDINGS)]
            others = [os.path.basename(file) for file in below if not file.lower().endswith(FILE_ENDINGS)]
            if others and found:
                notes.append(f"{name}: {len(others)} files that are not images are left out, such as {others[0]}")
            if not found:
                complaints.append(f"{name}: no image in this folder or below")
        elif glob.has_magic(name) and not os.path.exists(name):
            found = _matching(name)
            if not found:
                complaints.append(f"{name}: no file matches this pattern")
        else:
            found = [name]  # what is wrong with it is said when it is read
        for file in found:
            files.setdefault(file if file == STDIN else os.path.abspath(file), file)
    return list(files.values()), complaints, notes


def _matching(pattern: str) -> list[str]:
    """The files of a pattern; what of it is the name of a folder, or cannot be matched else, is taken literally."""
    folder = pattern
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder) if os.path.dirname(folder) != folder else ""
    rest = pattern[len(folder) :]
    for way in (glob.escape(folder) + rest, glob.escape(folder) + rest.replace("[", "[[]")):
        found = [file for file in glob.glob(way, recursive=True) if os.path.isfile(file) and not is_of_macos(file)]
        if found:
            return sorted(found)
    return []


def read_pages(name: str, folder: str = "") -> Iterator[np.ndarray]:
    """The pages of a file as images, one after the other.

    Args:
        name: path of an image or PDF file, or "-" for one on standard input.
        folder: from which a relative path leads; by default the current one.

    Yields:
        As :func:`mltu.utils.image_utils.decode_pages`.

    Raises:
        InputError: as :func:`mltu.utils.image_utils.read_image`, or a PDF file that cannot be opened, or whose page
            takes more than 1.5 GB of memory or 15 seconds of computing.
    """
    if name == STDIN:
        content = sys.stdin.buffer.read(MAX_INPUT + 1)
        if not 0 < len(content) <= MAX_INPUT:
            reason = f"more than {MAX_INPUT >> 20} MB" if content else "nothing"
            raise InputError(f"{name}: {reason} on standard input; an image was expected")
        start, file = content[:1024], io.BytesIO(content)
    else:
        file = checked_file(name, folder)
        try:
            with open(file, "rb") as opened:
                start = opened.read(1024)
        except OSError as error:
            raise InputError(f"{name}: cannot be read ({error.strerror})") from None
    yield from _pdf_pages(file, name) if PDF_START.match(start) else decode_pages(file, name)


def as_pixels(image: Any) -> np.ndarray:
    """The pixels of what a program gives to be read.

    Args:
        image: an array, grey (H, W), BGR (H, W, 3) or BGRA (H, W, 4), 8-bit, 16-bit or float from 0 to 1 or to 255;
            the path of a file that :func:`read_pages` reads, with one page; or a Pillow image.

    Returns:
        The array itself, or one as :func:`mltu.utils.image_utils.decode_pages` yields them.

    Raises:
        InputError: it is something else; the message says what to give instead.
    """
    if isinstance(image, np.ndarray):
        check_pixels(image)
        return image
    if isinstance(image, (str, os.PathLike)):
        first, *others = islice(read_pages(os.fspath(image)), 2)
        if others:
            raise InputError(f"{image}: has several pages; give one after the other, from mltu.inputs.read_pages")
        return first
    if isinstance(image, PillowImage.Image):
        return pillow_pixels(image)
    reason = {
        "NoneType": "; cv2.imread gives None where it cannot read a file",
        "bytes": "; PIL.Image.open(io.BytesIO(content)) opens the content of a file",
        "list": "; predict_batch and read_batch take several images",
        "tuple": "; predict_batch and read_batch take several images",
    }.get(type(image).__name__, "")
    raise InputError(f"{type(image).__name__} is not an image: give an array, a path or a Pillow image{reason}")


def as_images(images: Iterable[Any]) -> list[Any]:
    """Several images to be read, each as for :func:`as_pixels`.

    Raises:
        InputError: it is one image, or nothing to go through.
    """
    one_array = isinstance(images, np.ndarray) and (images.ndim < 3 or (images.ndim == 3 and images.shape[2] <= 4))
    if one_array or isinstance(images, (str, os.PathLike, PillowImage.Image)):
        raise InputError("one image was given in place of several: use predict or read, or a list")
    if not isinstance(images, Iterable):
        raise InputError(f"{type(images).__name__} is not several images: give a list of them")
    return list(images)


def _pdf_pages(file: Path | io.BytesIO, name: str) -> Iterator[np.ndarray]:
    """Pages as another process draws them, in which a hostile file can do no harm; see the script."""
    command = [sys.executable, str(RENDER_PDF), str(MAX_PIXELS), str(MAX_SIDE), str(PDF_RESOLUTION)]
    with _opened(file) as opened, subprocess.Popen(command, stdin=opened, stdout=PIPE, stderr=DEVNULL) as process:
        try:
            for number in count(1):
                header = process.stdout.read(12)
                height, width, channels = struct.unpack("<3i", header) if len(header) == 12 else (-1, 0, 0)
                if not height:
                    break
                if height < 0:
                    reason = process.stdout.read(width).decode() or f"page {number} takes too much memory or time"
                    raise InputError(f"{name}: not a PDF file that can be read ({reason}); save it again")
                check_size(name, (width, height))
                pixels = process.stdout.read(height * width * channels)
                if len(pixels) == height * width * channels:  # else the next header is missing too
                    yield np.frombuffer(pixels, np.uint8).reshape(height, width, channels)
        finally:
            process.kill()


def _opened(file: Path | io.BytesIO) -> BinaryIO:
    """A file of the system's, from its path or content."""
    if isinstance(file, Path):
        return open(file, "rb")
    copy = tempfile.TemporaryFile()
    copy.write(file.getbuffer())
    copy.seek(0)
    return copy
