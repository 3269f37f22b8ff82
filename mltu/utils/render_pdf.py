"""Draws the pages of the PDF file on standard input; :mod:`mltu.inputs` runs it in a process of its own.

Arguments: largest number of pixels of a page, its longest side in pixels, dots an inch. On standard output, for each
page its height, width and channels as 32-bit numbers and its pixels; in the end three zeros, or `-1`, the length
of a message and 0, and the message.

A PDF file is a program that draws: a few hundred bytes can ask for hours and for any amount of memory. The operating
system ends this process where it takes more than a page may, and a crash of the library is none of the reader.
"""

from __future__ import annotations

import os
import signal
import struct
import sys

import pypdfium2

try:
    import resource
except ImportError:  # Windows
    resource = None

MEMORY = 1536 << 20  # bytes of addresses; the largest page and its largest image take some 700 MB
SECONDS = 15  # of computing for a page; scans take one or two


def send(*values: int, content: bytes | memoryview = b"") -> None:
    sys.stdout.buffer.write(struct.pack("<3i", *values))
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def limit_time() -> None:
    """Be ended by the system after some seconds of computing from now."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, SECONDS)


def draw(page: pypdfium2.PdfPage, most_pixels: float, longest: float, resolution: float) -> None:
    """Send one page, as large as it may be."""
    width, height = page.get_size()  # in points, 72 an inch
    most = min((most_pixels / max(width * height, 1)) ** 0.5, longest / max(width, height, 1))
    bitmap = page.render(scale=min(resolution / 72, most))
    rows = memoryview(bitmap.buffer).cast("B")
    used = bitmap.width * bitmap.n_channels
    if bitmap.stride != used:  # rows end in bytes that are no pixels
        rows = b"".join(rows[start : start + used] for start in range(0, len(rows), bitmap.stride))
    send(bitmap.height, bitmap.width, bitmap.n_channels, content=rows)


def main(limits: list[str]) -> None:
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    limit_time()
    try:
        document = pypdfium2.PdfDocument(sys.stdin.buffer)
        for number in range(len(document)):
            limit_time()
            page = document[number]
            draw(page, *map(float, limits))
            page.close()
    except pypdfium2.PdfiumError as error:
        message = str(error).encode()
        send(-1, len(message), 0, content=message)
    else:
        send(0, 0, 0)


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # nothing is left to do, and the library's own end could only fail
