"""Spoiling files: faults at random places, and what troubles every format."""

from __future__ import annotations

import re
from random import Random

MAX_BYTES = 1 << 20  # of a spoiled file

TOKENS = (
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\r", b"\n", b"\xe2\x80\xa8", b"\xc2\x85", b"\x1b[31m"),
    *(b"../", b"..\\", b"/", b"%s%n", b"NaN", b"-1", b"0", b"1e308", b"1e999", b"9" * 400, b"A" * 10_000, b" " * 5000),
    *("é".encode(), "e\u0301".encode(), "\U0001f600".encode(), b'"', b"'", b"[" * 2000, b"(" * 200, b",", b"\t", b":"),
)
NUMBERS = (0, 1, 2, 3, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1)
WRITTEN = (*(str(number).encode() for number in NUMBERS), b"-1", b"1e308", b"NaN", b"inf", b"1e-320", b"9" * 30)


def _part(random: Random, content: bytes, most: int = 64) -> tuple[int, int]:
    start = random.randrange(len(content) + 1)
    return start, min(len(content), start + random.randint(1, most))


def _flip(random: Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(random.randint(1, 8)):
        if changed:
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _overwrite(random: Random, content: bytes) -> bytes:
    start, end = _part(random, content, 8)
    return content[:start] + random.randbytes(end - start) + content[end:]


def _cut_out(random: Random, content: bytes) -> bytes:
    start, end = _part(random, content, random.choice((4, 64, 4096)))
    return content[:start] + content[end:]


def _truncate(random: Random, content: bytes) -> bytes:
    return content[: random.randrange(len(content) + 1)]


def _repeat(random: Random, content: bytes) -> bytes:
    start, end = _part(random, content)
    return content[:end] + content[start:end] * random.choice((1, 2, 10, 1000)) + content[end:]


def _swap(random: Random, content: bytes) -> bytes:
    a, b, c, d = sorted((*_part(random, content), *_part(random, content)))
    return content[:a] + content[c:d] + content[b:c] + content[a:b] + content[d:]


def _binary_number(random: Random, content: bytes) -> bytes:
    start = random.randrange(len(content) + 1)
    size = random.choice((1, 2, 4))
    number = random.choice(NUMBERS) % 256**size
    return content[:start] + number.to_bytes(size, random.choice(("little", "big"))) + content[start + size :]


def _written_number(random: Random, content: bytes) -> bytes:
    places = list(re.finditer(rb"\d+", content[:100_000]))
    if not places:
        return content
    start, end = random.choice(places).span()
    return content[:start] + random.choice(WRITTEN) + content[end:]


OPERATIONS = (_flip, _overwrite, _cut_out, _truncate, _repeat, _swap, _binary_number, _written_number)


def spoil(random: Random, content: bytes, others: list[bytes], tokens: tuple[bytes, ...] = ()) -> bytes:
    """The content of a file with some faults; one in ten stays as it is.

    Parts of others may be put in, and tokens beside those that trouble every format.
    """
    for _ in range(random.choice((0, 1, 1, 1, 1, 2, 2, 3, 5, 10))):
        kind = random.randrange(len(OPERATIONS) + 3)
        start, end = _part(random, content)
        if kind < len(OPERATIONS):
            content = OPERATIONS[kind](random, content)
        elif kind == len(OPERATIONS):
            other = random.choice(others)
            content = content[:start] + other[random.randrange(len(other) + 1) :]
        else:
            token = random.choice(random.choice((TOKENS, tokens or TOKENS)))
            content = content[:start] + token + content[random.choice((start, end)) :]
    return content[:MAX_BYTES]
