"""Draws the pages of the PDF file on standard input; :mod:`mltu.inputs` runs it in a process of its own.

Arguments: largest number of pixels of a page, its longest side in pixels, dots per inch. On standard output come, for
each page, its height, width and channels as 32-bit numbers and then its pixels; at the end three zeros, or after an
error -1, the length of the message, 0, and the message.

A PDF file is a program that draws: a few hundred bytes can ask for hours and for any amount of memory. The operating
system ends this process where a page takes more than its share, and a crash of the library does not reach the reader.
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

MAX_MEMORY = 1536 << 20  # bytes of address space; the largest page and its largest image take some 700 MB
MAX_SECONDS = 15  # processor time of a page; scans take one or two


def send(*values: int, content: bytes | memoryview = b"") -> None:
    """Write three numbers and what they announce to standard output."""
    sys.stdout.buffer.write(struct.pack("<3i", *values))
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def limit_time() -> None:
    """Let the system end this process after `MAX_SECONDS` of processor time from now."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)


def draw(page: pypdfium2.PdfPage, max_pixels: float, max_side: float, resolution: float) -> None:
    """Draw a page and send it; the limits shrink a page that would be too large."""
    width, height = page.get_size()  # in points, of which an inch has 72
    max_scale = min((max_pixels / max(width * height, 1)) ** 0.5, max_side / max(width, height, 1))
    bitmap = page.render(scale=min(resolution / 72, max_scale))
    rows = memoryview(bitmap.buffer).cast("B")
    used = bitmap.width * bitmap.n_channels
    if bitmap.stride != used:  # rows are padded with bytes that are not pixels
        rows = b"".join(rows[start : start + used] for start in range(0, len(rows), bitmap.stride))
    send(bitmap.height, bitmap.width, bitmap.n_channels, content=rows)


def main(limits: list[str]) -> None:
    if resource is not None:
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
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
    os._exit(0)  # without the library's own clean-up, which could only fail
