"""What the fuzzer tries on each reader: valid files, ways to spoil them, and known attacks.

Everything is made here, from a seed, so that an input is the same wherever and whenever it is made.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from onnx import ModelProto, TensorProto, helper
from PIL import Image as PillowImage
from PIL import TiffImagePlugin

from configs import ModelConfigs
from inferenceModel import ImageToWordModel
from mltu.configs import BaseModelConfigs, read_yaml
from mltu.datasets import Sample, list_split, read_alto, read_iam, read_table, write_table
from mltu.inputs import read_pages
from mltu.language_model import CharacterModel
from mltu.lexicon import Lexicon
from mltu.utils.errors import InputError
from mltu.utils.image_utils import MAX_PIXELS, read_image, to_gray

LONGEST = 1 << 20  # bytes of a spoiled file
SIDE = 8000  # pixels; a square of this is as large as an image may be
MOST_PAGES = 20  # of a file that are looked at
SECRET = "../secret"  # beside every dataset there are files of this name, which no reader may open


class Input(NamedTuple):
    """A file to read: its name in the dataset, and its content."""

    name: str
    content: bytes


Attacks = dict[str, Callable[[], bytes]]  # name of the file -> its content; the part before `:` tells attacks apart


@dataclass(frozen=True)
class Target:
    """A reader and what is tried on it."""

    read: Callable[[Path], Iterable[str]]  # reads a file and gives what it says of parts that it skips
    seeds: Callable[[], list[Input]]  # valid files
    attacks: Callable[[], Attacks]
    tokens: tuple[bytes, ...] = ()  # that are put into files
    companions: Callable[[], list[Input]] = list  # files that are always in the dataset
    vary: Callable[[Random], Input] | None = None  # files spoiled by their structure, half of all
    repair: Callable[[bytes], bytes] | None = None  # makes checksums right, so that more than these is tried

    def make(self, name: str, seed: int, number: int) -> Input:
        """The input of a number: attacks have the even ones until there are no more, spoiled files the others.

        Number 1 is a valid file.

        Args:
            name: of the target.
            seed: of all that is random.
            number: from 0.
        """
        attacks = list(self.attacks().items())
        if number % 2 == 0 and number // 2 < len(attacks):
            title, content = attacks[number // 2]
            return Input(title.split(":")[-1], content())
        if number == 1:
            return self.seeds()[0]
        random = Random(f"{seed} {name} {number}")
        if self.vary is not None and random.random() < 0.5:
            return self.vary(random)
        seeds = self.seeds()
        title, content = random.choice(seeds)
        content = spoil(random, content, [one.content for one in seeds], self.tokens)
        return Input(title, self.repair(content) if self.repair and random.random() < 0.5 else content)


# --- spoiling -------------------------------------------------------------------------------

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
    """A file with some faults; one in ten stays as it is.

    Args:
        random: decides.
        content: of a file.
        others: contents, parts of which may be put in.
        tokens: to put in, beside those that trouble every format.
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
    return content[:LONGEST]


# --- images ---------------------------------------------------------------------------------


def picture(mode: str = "L", size: tuple[int, int] = (40, 30)) -> PillowImage.Image:
    """A slope from dark to light, with some ink."""
    width, height = size
    pixels = np.add.outer(np.arange(height) * 2, np.arange(width) * 3).astype(np.uint8)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = 0
    if mode == "I;16":
        return PillowImage.fromarray(pixels.astype(np.uint16) * 257)
    return PillowImage.fromarray(pixels).convert("RGB" if mode in ("LA", "P") else mode).convert(mode)


def saved(image: PillowImage.Image, form: str, **options: object) -> bytes:
    """The content of an image file."""
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def tiff_pages(*images: PillowImage.Image) -> bytes:
    return saved(images[0], "TIFF", save_all=True, append_images=list(images[1:]))


@cache
def image_files() -> list[Input]:
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    exif[0x010E] = "description"
    more = {"save_all": True, "append_images": [picture("RGB")]}
    files = {f"{mode.replace(';', '')}.png": saved(picture(mode), "PNG") for mode in ("1", "L", "LA", "RGB", "I;16")}
    files |= {
        "clear.png": saved(picture("RGBA"), "PNG", exif=exif),
        "palette.png": saved(picture("P"), "PNG", transparency=3),
        "grey.jpg": saved(picture(), "JPEG"),
        "turned.jpg": saved(picture("RGB"), "JPEG", exif=exif, progressive=True),
        "four.jpg": saved(picture("CMYK"), "JPEG"),
        "plain.tif": saved(picture("RGB"), "TIFF", exif=exif),
        "float.tif": saved(picture("F"), "TIFF", compression="tiff_deflate"),
        "pages.tif": tiff_pages(picture(), picture("RGB"), picture("1")),
        "lossy.webp": saved(picture("RGB"), "WEBP", exif=exif),
        "moving.webp": saved(picture("RGBA"), "WEBP", lossless=True, **more),
        "a.bmp": saved(picture("P"), "BMP"),
        "moving.gif": saved(picture("P"), "GIF", **more),
        "a.pgm": saved(picture(), "PPM"),
        "plain.ppm": b"P3\n# comment\n4 4 255\n" + b"1 2 3 " * 16,
        "a.jp2": saved(picture("RGB"), "JPEG2000"),
        "clear.jp2": saved(picture("RGBA"), "JPEG2000", tile_size=(16, 16)),
        "a.tga": saved(picture("RGB"), "TGA", compression="tga_rle"),
    }
    for form in ("tiff_lzw", "packbits", "jpeg"):
        files[f"{form}.tif"] = saved(picture("RGB"), "TIFF", compression=form)
    files["fax.tif"] = saved(picture("1"), "TIFF", compression="group4")
    return [Input(*one) for one in files.items()]


def image_file(name: str) -> bytes:
    return dict(image_files())[name]


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, kind: int = 2, *chunks: bytes) -> bytes:
    """A PNG file: bits and colour type of its header, chunks, and hardly any pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(100)))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + b"".join(chunks) + pixels + png_chunk(b"IEND", b"")


def png_checksums(content: bytes) -> bytes:
    """A PNG file whose checksums are right; other files stay as they are."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    place, parts = 8, [content[:8]]
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        if place + 12 + length > len(content):
            break
        parts.append(png_chunk(content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return b"".join(parts) + content[place:]


def packed_zeros(megabytes: int) -> bytes:
    """Zeros as zlib packs them, a thousandth of their size; made in no time, without the checksum."""
    packer = zlib.compressobj(9, wbits=-15)
    megabyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\xda" + megabyte * megabytes + b"\x03\x00"


def tiff_of(*entries: tuple[int, int, int, int], following: int = 0) -> bytes:
    """A TIFF file with one directory of (tag, type, count, value)."""
    directory = b"".join(struct.pack("<HHII", *one) for one in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + struct.pack("<I", following) + bytes(64)


def many_tiff_pages(count: int) -> bytes:
    file = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(file, True) as writer:
        for _ in range(count):
            picture(size=(3, 3)).save(writer, "TIFF")
            writer.newFrame()
    return file.getvalue()


def many_scans(count: int) -> bytes:
    """A progressive JPEG file of the largest size that goes over its pixels again and again."""
    content = saved(PillowImage.new("L", (SIDE, SIDE)), "JPEG", progressive=True)
    first = content.index(b"\xff\xda", content.index(b"\xff\xda") + 2)
    end = content.index(b"\xff", first + 20)
    while content[end + 1] == 0:
        end = content.index(b"\xff", end + 2)
    return content[:first] + content[first:end] * count + content[first:]


@cache
def image_attacks() -> Attacks:
    simple = [(256, 4, 1, 40), (257, 4, 1, 30), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8)]
    webp = b"RIFF\x1a\0\0\0WEBPVP8X\n\0\0\0\x10\0\0\0" + b"\xff\x3f\0" * 2
    flat = partial(PillowImage.new, size=(SIDE, SIDE))
    return {
        "empty:a.png": lambda: b"",
        "lie:a.png": lambda: png_of(2**31 - 1, 2**31 - 1),
        "lie2:a.png": lambda: png_of(SIDE, SIDE),
        "zero:a.png": lambda: png_of(0, 0),
        "text:a.png": lambda: png_of(40, 30, 2, png_chunk(b"zTXt", b"a\0\0" + packed_zeros(1000))),
        "text2:a.png": lambda: png_of(40, 30, 2, png_chunk(b"iTXt", b"a\0\1\0\0\0" + packed_zeros(1000))),
        "profile:a.png": lambda: png_of(40, 30, 2, png_chunk(b"iCCP", b"a\0\0" + packed_zeros(1000))),
        "texts:a.png": lambda: png_of(40, 30, 2, png_chunk(b"zTXt", b"a\0\0" + packed_zeros(1)) * 500),
        "exif:a.png": lambda: png_of(40, 30, 2, png_chunk(b"eXIf", tiff_of((274, 3, 2**32 - 1, 6)))),
        "pixels:a.png": lambda: png_of(40, 30, 2, png_chunk(b"IDAT", packed_zeros(1000))),
        "canvas:a.gif": lambda: b"GIF89a" + struct.pack("<HH", 65535, 65535) + image_file("moving.gif")[10:],
        "canvas:a.webp": lambda: webp,
        "loop:a.tif": lambda: tiff_of(*simple, following=8),
        "count:a.tif": lambda: tiff_of(*simple, (279, 4, 2**32 - 1, 8), (270, 2, 2**31, 8)),
        "strip:a.tif": lambda: tiff_of(*simple[1:], (256, 4, 1, 2**31), (278, 4, 1, 2**32 - 1)),
        "tile:a.tif": lambda: tiff_of(*simple[:5], (322, 4, 1, 2**31), (323, 4, 1, 2**31), (324, 4, 1, 8)),
        "bits:a.tif": lambda: tiff_of(*simple, (277, 3, 1, 65535), (339, 3, 1, 3)),
        "pages:a.tif": lambda: many_tiff_pages(1000),
        "lie:a.ppm": lambda: b"P6 999999999 999999999 255\n",
        "digits:a.ppm": lambda: b"P6 " + b"9" * 100_000 + b" 3 255\n",
        "comment:a.ppm": lambda: b"P6 #" + b"x" * 1_000_000,
        "lie:a.bmp": lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 2**31 - 1, -(2**31), *[1] * 8),
        "lie:a.jpg": lambda: image_file("grey.jpg").replace(struct.pack(">HH", 30, 40), b"\xff\xff\xff\xff"),
        "lie2:a.jpg": lambda: image_file("grey.jpg").replace(
            struct.pack(">HH", 30, 40), struct.pack(">HH", *[SIDE] * 2)
        ),
        "lie:a.jp2": lambda: image_file("a.jp2").replace(struct.pack(">II", 40, 30), struct.pack(">II", *[SIDE] * 2)),
        "lie:a.tga": lambda: b"\0\0\x0a" + bytes(9) + struct.pack("<HHBB", 65535, 65535, 24, 0) + b"\xff" * 100,
        "name:pipe\n\x1b[31m\u2028.png": lambda: b"no image",
        "grey:large.png": lambda: saved(flat("L"), "PNG", compress_level=1),
        "deep:large.png": lambda: saved(flat("I;16"), "PNG", compress_level=1),
        "clear:large.png": lambda: saved(flat("RGBA"), "PNG", compress_level=1),
        "palette:large.png": lambda: saved(flat("P"), "PNG", transparency=0, compress_level=1),
        "float:large.tif": lambda: saved(flat("F"), "TIFF", compression="tiff_deflate"),
        "four:large.tif": lambda: saved(flat("CMYK"), "TIFF", compression="tiff_deflate"),
        "four:large.jpg": lambda: saved(flat("CMYK"), "JPEG"),
        "moving:large.webp": lambda: saved(flat("RGBA"), "WEBP", lossless=True, quality=0, method=0),
        "clear:large.jp2": lambda: saved(flat("RGBA"), "JPEG2000"),
        "moving:large.gif": lambda: saved(flat("P"), "GIF"),
        "scans:large.jpg": lambda: many_scans(5000),
    }


def read_one_image(path: Path) -> Iterator[str]:
    to_gray(read_image(path))
    yield from ()


# --- pages ----------------------------------------------------------------------------------


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
        if pixels >= MAX_PIXELS or number >= MOST_PAGES:
            pages.close()
            break
    yield from ()


# --- settings -------------------------------------------------------------------------------


@cache
def yaml_files() -> list[Input]:
    short = b"dataset: table\ndata_path: lines.csv\nheight: 64\naugmentors: [RandomSlant]\nlearning_rate: 1e-4\n"
    whole = "".join(
        f"{name}: {json.dumps(value)}\n"
        for name, value in ModelConfigs(model_path="run", train_workers=1).serialize().items()
    )
    return [Input("configs.yaml", content) for content in (short, whole.encode(), b'vocab: "ab\\xe9"\nseed: 0x10\n')]


@cache
def yaml_attacks() -> Attacks:
    laughs = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    merges = "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    texts = {
        "laughs": "a0: &a0 lol\n" + laughs,
        "merges": "a0: &a0 {x: 1}\n" + merges,
        "itself": "name: &a [*a]",
        "code": "!!python/object/apply:os.system ['touch ../secret.txt']",
        "code2": "name: !!python/object/new:type {args: [z, [], {extend: !!python/name:exec}]}",
        "code3": "name: !!python/module:antigravity",
        "methods": "__class__: x\nsave: 3\nserialize: 4\n",
        "wrong": "height: !!int ''\nseed: !!bool x\n",
        "date": "seed: !!timestamp x",
        "deep": "name: " + "[" * 100_000,
        "deep2": "- " * 50_000,
        "deep3": "? " * 50_000,
        "maps": "{a: " * 30_000,
        "number": "height: 0x" + "f" * 100_000,
        "number2": "seed: 0x" + "f" * 15,
        "sixty": "height: 1" + ":1" * 60_000,
        "sixty2": "learning_rate: 1" + ":1" * 60_000 + ".5",
        "digits": "height: " + "9" * 100_000,
        "dates": "name: 2001-99-99T99:99:99+99:99",
        "year": "name: 0000-00-00",
        "nan": "learning_rate: .nan\ndropout: .inf\nmix_weights: [.nan, 1]\nmix: [a]\n",
        "text": "name: " + "x" * 120_000,
        "name": "x" * 100_000 + ": 3",
        "list": "augmentors: [" + "a, " * 40_000 + "]",
        "anchor": "name: &" + "a" * 100_000 + " b",
        "nul": "name: a\0b",
        "surrogate": 'data_path: "\\ud800"\ntrain_list: "a\\0b"\n',
        "breaks": 'dataset: "a\\n\\u2028\\e[31m"',
        "documents": "--- a\n" * 10_000,
        "tags": "%TAG ! tag:yaml.org,2002:python/\n---\nname: !str x\n",
        "null": "~",
        "keys": "3: 4\n",
        "complex": "? {a: b}\n: c\n",
        "large": "a: b\n" * 300_000,
    }
    attacks = {f"{title}:configs.yaml": partial(str.encode, text) for title, text in texts.items()}
    return attacks | {
        "utf16:configs.yaml": lambda: "name: x".encode("utf-16"),
        "latin:configs.yaml": lambda: "name: é".encode("latin-1"),
    }


def read_settings(path: Path) -> Iterator[str]:
    values = read_yaml(path)
    BaseModelConfigs.load(path)
    ModelConfigs.from_dict(values, str(path))
    yield from ()


# --- tables ---------------------------------------------------------------------------------


def one_image(*names: str) -> list[Input]:
    return [Input(name, saved(picture(), "PNG")) for name in names]


@cache
def table_files() -> list[Input]:
    return [
        Input("a.csv", b'image,text,writer\na.png,"Dear ""Anna"", x",me\nb/c.png,second,you\n'),
        Input("a.csv", "a.png,één\r\nb/c.png,zwei\r\n".encode()),
        Input("a.tsv", b'file\ttext\tform\na.png\t"Go!" she said\tf1\n'),
        Input("a.txt", b"a.png\tx\nb/c.png\ty\n"),
    ]


OUTSIDE = (
    f"{SECRET}.png",
    f"./{SECRET}.png",
    f"b/../{SECRET}.png",
    "..\\secret.png",
    "b\\..\\..\\secret.png",
    "C:..\\secret.png",
    f"file://{SECRET}.png",
    "....//secret.png",
    "..",
    "../",
    "b/../../table/../secret.png",
    "a.png\0/../secret.png",
    f"{SECRET}.png\0.png",
    "~/secret.png",
    "$HOME/secret.png",
    "x" * 5000,
    "x/" * 3000 + "a.png",
)


@cache
def table_attacks() -> Attacks:
    contents = {f"outside{number}": f"a.png,x\n{name},y\n".encode() for number, name in enumerate(OUTSIDE)}
    contents |= {
        "field": b"a.png," + b"x" * 200_000,
        "quote": b'a.png,"x\n' + b"b.png,y\n" * 20_000,
        "columns": b"a.png,x" + b",y" * 200_000 + b"\n" + b"a.png,x\n" * 10,
        "header": b"image,text\n",
        "names": b"image,image,text,text\na.png,b/c.png,x,y\n",
        "returns": b"a.png,x\ra.png,y\r",
        "nul": b"a.png,x\0y\n",
        "utf16": "a.png,x\n".encode("utf-16"),
        "breaks": "a.png\u2028,x\n,\x1b[31m\x85\n".encode(),
        "rows": b"a.png,x\n" * 100_000,
        "marks": b"\xef\xbb\xbf" * 1000 + b"a.png,x\n",
        "combining": b"a.png,a" + "\u0301".encode() * 50_000,
    }
    tables = {f"{title}:a.csv": partial(bytes, content) for title, content in contents.items()}
    quotes = b"a.png\t" + b'"' * 100_000 + b"\n"
    return tables | {"quotes:a.tsv": lambda: quotes, "outside:a.tsv": lambda: f"{SECRET}.png\tx\n".encode()}


def read_and_write_table(path: Path) -> list[str]:
    samples, skipped = read_table(path)
    for sample in samples[:20]:
        if not Path(sample.image).is_absolute():  # whole paths are the user's, who may name any file
            try_image(sample.image)
    write_table("again.csv", samples)
    read_table("again.csv")
    Path("again.csv").unlink()
    return [one.reason for one in skipped]


def try_image(name: str) -> None:
    try:
        read_image(name)
    except InputError:
        return


# --- IAM and lists --------------------------------------------------------------------------

IAM_ROWS = (
    b"#--- sentences.txt ---#\na01-000u-s00-00 0 ok 154 19 408 746 1661 89 A|MOVE|to|stop\n"
    b"a01-000u-s00-01 0 err 156 19 395 932 1850 105 nominating|any|more|Labour\n"
    b"a01-000x-s00-00 0 ok 154 19 408 746 1661 89 A | MOVE, to \n"
)
FORM_ROWS = b"#--- forms.txt ---#\na01-000u 000 2 prt 7 5 52 36\na01-000x 001 2 prt 7 5 52 36\n"
TABLE, FORMS = "db/ascii/sentences.txt", "db/ascii/forms.txt"


@cache
def iam_files() -> list[Input]:
    return [Input(TABLE, IAM_ROWS), Input(FORMS, FORM_ROWS)]


def iam_companions() -> list[Input]:
    folders = ("db/sentences/a01/a01-000u/a01-000u-s00-00.png", "db/sentences/a01/a01-000x/a01-000x-s00-00.png")
    return [*iam_files(), *one_image(*folders)]


@cache
def iam_attacks() -> Attacks:
    row = b"%b 0 ok 154 19 408 746 1661 89 text\n"
    contents = {
        "empty": b"",
        "bars": row.replace(b"text", b"|" * 100) % b"a01-000u-s00-00",
        "long": row.replace(b"text", b"x|" * 500_000) % b"a01-000u-s00-00",
        "spaces": b" " * 1_000_000,
        "returns": b"\r" * 1000 + IAM_ROWS.replace(b"\n", b"\r"),
        "breaks": b"\x1b[31m\x85\xe2\x80\xa8\x0b\n" * 100,
        "comments": b"#" * 100_000,
        "utf16": IAM_ROWS.decode().encode("utf-16"),
        "rows": b"x\n" * 200_000,
    }
    contents |= {f"outside{number}": IAM_ROWS + row % name.encode() for number, name in enumerate(OUTSIDE)}
    attacks = {f"{title}:{TABLE}": partial(bytes, content) for title, content in contents.items()}
    return attacks | {
        f"writers:{FORMS}": lambda: b"a01-000u " + b"x" * 100_000 + b"\n",
        f"binary:{FORMS}": lambda: bytes(range(256)) * 100,
    }


def read_database(path: Path) -> list[str]:
    _, skipped = read_iam("db", "sentences")
    return [one.reason for one in skipped]


@cache
def list_files() -> list[Input]:
    return [Input("train.txt", b"w1\na01-000u\n"), Input("train.txt", "\ufeffw1\r\n\r\né\r\n".encode())]


@cache
def list_attacks() -> Attacks:
    contents = {
        "empty": b"",
        "spaces": b" \n\t\n\x0b",
        "both": b"w1\nw2\n",
        "other": b"w3\n",
        "utf16": "w1\n".encode("utf-16"),
        "nul": b"w1\0\n",
        "breaks": "w1\u2028w\x85w\x1c".encode(),
        "long": b"w" * 1_000_000,
        "many": b"".join(b"%d\n" % number for number in range(100_000)) + b"w1\n",
        "control": b"w2\x1b[31m\nw1\n",
    }
    return {f"{title}:train.txt": partial(bytes, content) for title, content in contents.items()}


def read_list(path: Path) -> Iterator[str]:
    samples = [Sample("a.png", "x", "w1", "a01-000u"), Sample("b.png", "y", "w2")]
    list_split(samples, {"train": path, "val": "val.txt"})
    yield from ()


# --- XML ------------------------------------------------------------------------------------

ALTO = (
    '<?xml version="1.0" encoding="UTF-8"?>{dtd}<alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Description>'
    "<sourceImageInformation><fileName>{name}</fileName></sourceImageInformation></Description><Layout>"
    '<Page WIDTH="400" HEIGHT="300"><PrintSpace><TextBlock>{lines}</TextBlock></PrintSpace></Page></Layout></alto>'
)
LINE = (
    '<TextLine ID="l1" HPOS="20" VPOS="20" WIDTH="300" HEIGHT="40">{shape}<String CONTENT="{text}"/><SP/>'
    '<String CONTENT="line"/></TextLine>'
)
SHAPE = '<Shape><Polygon POINTS="{points}"/></Shape>'
PAGE = (
    '<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"><Page imageFilename="page.png" '
    'imageWidth="400" imageHeight="300"><TextRegion id="r"><TextLine id="l"><Coords points="1,2 300,2 300,99"/>'
    "<TextEquiv><Unicode>text</Unicode></TextEquiv></TextLine></TextRegion></Page></PcGts>"
)
POLYGON = "20,100 320 100 320 140 20 140"


def alto_page(name: str = "page.png", dtd: str = "", shape: str = "", text: str = "a", lines: str = "") -> bytes:
    lines = lines or LINE.format(shape=shape, text=text)
    return ALTO.format(name=name, dtd=dtd, lines=lines).encode("utf-8", "surrogatepass")


@cache
def alto_files() -> list[Input]:
    line = LINE.format(shape=SHAPE.format(points=POLYGON), text="first")
    return [
        Input("pages/a.xml", alto_page(lines=line + LINE.format(shape="", text="second"))),
        Input("pages/a.xml", alto_page(shape=SHAPE.format(points=POLYGON))),
        Input("pages/a.xml", PAGE.encode()),
    ]


def laughs(word: str = "lol", levels: int = 12) -> str:
    """A document type whose last entity stands for the word ten to the power of the levels times."""
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, levels))
    return f'<!DOCTYPE alto [<!ENTITY l0 "{word}">{entities}]>'


@cache
def alto_attacks() -> Attacks:
    def shaped(points: str) -> bytes:
        return alto_page(shape=SHAPE.format(points=points))

    def outer(entity: str, text: str = "&x;") -> bytes:
        return alto_page(dtd=f"<!DOCTYPE alto [{entity}]>", text="a", name=text)

    secret = f'"{SECRET}.xml"'
    include = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href={secret} parse="text"/>'
    nested = LINE.format(shape="", text="a").removesuffix("</TextLine>")
    contents = {
        "laughs": partial(alto_page, dtd=laughs(), name="&l11;"),
        "quadratic": partial(alto_page, dtd=laughs("x" * 50_000, 1), name="&l0;" * 20_000),
        "outside": partial(outer, f"<!ENTITY x SYSTEM {secret}>"),
        "outside2": partial(outer, '<!ENTITY x SYSTEM "file:///etc/hostname">'),
        "outside3": partial(outer, '<!ENTITY x SYSTEM "http://127.0.0.1:9/x">'),
        "outside4": partial(outer, f"<!ENTITY % x SYSTEM {secret}> %x;"),
        "outside5": partial(alto_page, dtd=f"<!DOCTYPE alto SYSTEM {secret}>"),
        "include": partial(alto_page, lines=include),
        "style": lambda: b'<?xml-stylesheet href="../secret.xml"?>' + alto_page().split(b"?>", 1)[1],
        "deep": partial(alto_page, lines="<a>" * 200_000 + "</a>" * 200_000),
        "nested": partial(alto_page, lines=nested * 10_000 + "</TextLine>" * 10_000),
        "lines": partial(alto_page, lines=LINE.format(shape="", text="") * 5000),
        "attribute": partial(alto_page, text="x" * 2_000_000),
        "attributes": partial(alto_page, lines="<a " + " ".join(f'a{n}=""' for n in range(100_000)) + "/>"),
        "elements": partial(alto_page, lines='<a b=""/>' * 200_000),
        "points": partial(shaped, "1 2 " * 100_000),
        "huge": partial(shaped, "1e308 -1e308 1e308 1e308 -1e308 1e308"),
        "nan": partial(shaped, "nan nan inf inf 1 1"),
        "digits": partial(shaped, "9" * 100_000 + " 1 2 3 4 5"),
        "flat": partial(shaped, "1 1 1 1 1 1"),
        "size": lambda: alto_page().replace(b'"400"', b'"1e-320"'),
        "size2": lambda: alto_page().replace(b'"400"', b'"1e308"').replace(b'"20"', b'"-1e308"'),
        "utf16": lambda: ALTO.format(name="x", dtd="", lines="").replace("UTF-8", "UTF-16").encode("utf-16"),
        "encoding": lambda: alto_page().replace(b"UTF-8", b"x-none"),
        "utf7": lambda: alto_page().replace(b"UTF-8", b"UTF-7"),
        "surrogate": partial(alto_page, text="\ud800"),
        "breaks": partial(alto_page, name="a&#10;&#x2028;&#x85;b"),
        "large": lambda: b" " * (1 << 25) + alto_page(),
    }
    attacks: Attacks = {f"{title}:pages/a.xml": make for title, make in contents.items()}
    for number, name in enumerate(OUTSIDE):
        attacks[f"name{number}:pages/a.xml"] = partial(alto_page, name=name.replace("\0", ""))
    return attacks | {f"stem:pages/{'x' * 250}.xml": partial(alto_page, shape=SHAPE.format(points=POLYGON))}


def read_collection(path: Path) -> list[str]:
    try:
        _, skipped = read_alto("pages", "cut")
    finally:
        shutil.rmtree("cut", ignore_errors=True)
    return [one.reason for one in skipped]


# --- models ---------------------------------------------------------------------------------

METADATA = {"vocab": '"ab"', "temperature": "1.5", "word_exponent": "0.9", "height": "8", "width": "64"}
LINE_METADATA = METADATA | {"color": '"GRAY"', "width_step": "8"}
METADATA_VALUES = (
    *("0", "-1", "1", "0.5", "8.0", "64", "1e9", "1e-300", "1e999", "NaN", "-Infinity", "9" * 400, "9" * 10_000),
    *(
        "true",
        "false",
        "null",
        '""',
        '"x"',
        '"GRAY"',
        '"BGR"',
        '"ab"',
        '"abc"',
        "[]",
        '["a", "b"]',
        "[1, 2]",
        "[[], {}]",
    ),
    *("{}", '{"a": 1, "b": 2}', '"\\ud800\\u0000"', '"' + "x" * 100_000 + '"', "[" * 100_000, "plain text", "", "\0"),
    *("__import__('os').system('true')", '"../secret.png"', '["a", ""]', '["aaaa", "b"]', '"a\\n"', '[null, "b"]'),
)


def onnx_proto(metadata: dict[str, str]) -> ModelProto:
    """A network that takes lines, of one size or of any width, and knows two characters."""
    any_width = "width_step" in metadata
    shape = ["n", 8, "w", 1] if any_width else ["n", 8, 16, 3]
    rows = 8 if any_width else 96
    initializers = [
        helper.make_tensor("turned", TensorProto.INT64, [3], [0, -1, rows]),
        helper.make_tensor("weights", TensorProto.FLOAT, [rows, 3], [0.001 * (n % 7) for n in range(rows * 3)]),
    ]
    nodes = [
        helper.make_node("Transpose", ["x"], ["columns"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["columns", "turned"], ["steps"]),
        helper.make_node("MatMul", ["steps", "weights"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["y"], axis=-1),
    ]
    ends = [("x", shape), ("y", ["n", "steps", 3])]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, of) for name, of in ends)
    graph = helper.make_graph(nodes, "line", [x], [y], initializers)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(proto, metadata)
    return proto


@cache
def onnx_files() -> list[Input]:
    return [Input("model.onnx", onnx_proto(one).SerializeToString()) for one in (METADATA, LINE_METADATA)]


def vary_onnx(random: Random) -> Input:
    """A sound network with wrong metadata."""
    metadata = dict(random.choice((METADATA, LINE_METADATA)))
    proto = onnx_proto(metadata)
    for _ in range(random.randint(1, 3)):
        name = random.choice(("vocab", "color", "width_step", "width", "temperature", "word_exponent", "preprocessing"))
        value = metadata.get(name, "").encode()
        spoiled = spoil(random, value, [value]).decode("utf-8", "replace")
        metadata[name] = random.choice((*METADATA_VALUES, spoiled))
        if random.random() < 0.1:
            del metadata[name]
    helper.set_model_props(proto, metadata)
    return Input("model.onnx", proto.SerializeToString())


def outside_weights(place: str, **more: str) -> bytes:
    """A network that wants its weights from another file."""
    proto = onnx_proto(METADATA)
    weights = proto.graph.initializer[1]
    weights.ClearField("float_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": place, **more}.items():
        weights.external_data.add(key=key, value=value)
    return proto.SerializeToString()


@cache
def model_attacks() -> Attacks:
    def sized(height: int, width: int) -> bytes:
        proto = onnx_proto(METADATA)
        for axis, side in ((1, height), (2, width)):
            proto.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = side
        return proto.SerializeToString()

    def classes(count: int) -> bytes:
        proto = onnx_proto(METADATA)
        proto.graph.output[0].type.tensor_type.shape.dim[2].dim_value = count
        return proto.SerializeToString()

    def without(field: str) -> bytes:
        proto = onnx_proto(METADATA)
        proto.graph.ClearField(field)
        return proto.SerializeToString()

    def weights(shape: list[int], value: float) -> bytes:
        proto = onnx_proto(METADATA)
        tensor = proto.graph.initializer[1]
        tensor.dims[:] = shape
        tensor.float_data[:] = [value] * 288
        return proto.SerializeToString()

    contents = {
        "empty": lambda: b"",
        "outside": partial(outside_weights, f"{SECRET}.bin"),
        "outside2": partial(outside_weights, "beside/../../secret.bin"),
        "outside3": partial(outside_weights, "/etc/hostname", offset="0", length="4"),
        "memory": partial(outside_weights, "*/_ORT_MEM_ADDR_/*", offset="4096", length="1152"),
        "memory2": partial(outside_weights, "*/_ORT_MEM_ADDR_/*", offset="-1", length="99999999999"),
        "sides": partial(sized, 2**31, 2**31),
        "sides2": partial(sized, 30_000, 30_000),
        "sides3": partial(sized, -5, 0),
        "classes": partial(classes, 2**40),
        "classes2": partial(classes, 0),
        "nothing": partial(without, "node"),
        "blind": partial(without, "input"),
        "dumb": partial(without, "output"),
        "weights": partial(weights, [2**31, 2**31], 1.0),
        "weights2": partial(weights, [96, 3], float("nan")),
        "weights3": partial(weights, [-1, 3], 1.0),
        "flat": lambda: b"\x00\x00\x00\x00ORTM" + bytes(1000),
        "text": lambda: onnx_files()[0].content.replace(b"temperature", b"temp\xff\xfeature"[:11]),
    }
    return {f"{title}:model.onnx": make for title, make in contents.items()}


def read_model(path: Path) -> Iterator[str]:
    model = ImageToWordModel(path, threads=1, force_cpu=True)
    image = np.asarray(picture("L", (90, 20)))
    model.predict(image)
    model.read(image)
    yield from ()


@cache
def language_models() -> list[Input]:
    texts = (["a rose is a rose", "été"], ["Dear Anna, thank you"] * 9)
    return [
        Input("en.lm", CharacterModel.build(lines, order).to_bytes())
        for lines, order in zip(texts, (3, 6), strict=True)
    ]


def vary_language_model(random: Random) -> Input:
    """A model one of whose arrays is spoiled, in a sound archive."""
    with zipfile.ZipFile(io.BytesIO(random.choice(language_models()).content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = random.choice(sorted(parts))
    parts[name] = spoil(random, parts[name], list(parts.values()))
    if random.random() < 0.1:
        del parts[random.choice(sorted(parts))]
    return Input("en.lm", zip_of(parts))


def zip_of(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


@cache
def language_model_attacks() -> Attacks:
    def array(kind: str, count: int, content: bytes) -> bytes:
        header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({count},), }}".ljust(117).encode() + b"\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content

    def with_part(name: str, content: bytes) -> bytes:
        with zipfile.ZipFile(io.BytesIO(language_models()[0].content)) as archive:
            parts = {one: archive.read(one) for one in archive.namelist()}
        return zip_of(parts | {name: content})

    pickled = b"cos\nsystem\n(S'true'\ntR."
    contents = {
        "empty": lambda: b"",
        "bomb": lambda: with_part("counts.npy", bytes(500 << 20)),
        "bomb2": lambda: with_part("counts.npy", array("<u4", 2**23, bytes(1 << 25))),
        "pickle": lambda: with_part("counts.npy", array("|O", 1, pickled)),
        "lie": lambda: with_part("counts.npy", array("<u4", 99_999_999, b"")),
        "outside": lambda: with_part(f"{SECRET}.npy", b""),
        "parts": lambda: zip_of({str(number): b"" for number in range(2000)}),
        "nan": lambda: with_part("discounts.npy", array("<f8", 9, struct.pack("<9d", *[float("nan")] * 9))),
        "zeros": lambda: bytes(1 << 27),
    }
    return {f"{title}:en.lm": make for title, make in contents.items()}


def read_language_model(path: Path) -> Iterator[str]:
    model = CharacterModel.load(path)
    scorer = model.scorer("ab", 1.0, 0.0)
    scorer.scores(scorer.advance(scorer.start, 0))
    model.log_probs("a ro")
    yield from ()


@cache
def word_lists() -> list[Input]:
    return [
        Input("words.txt", "the 99\nl'été\t5\nwell-known\n".encode()),
        Input("words.txt", b"\xef\xbb\xbfa\r\nb\r\n"),
    ]


@cache
def word_list_attacks() -> Attacks:
    contents = {
        "empty": b"",
        "none": b"1\n2\n",
        "long": b"a" * 1_000_000,
        "joiners": b"-'" * 100_000 + b"\na\n",
        "parts": b"a-" * 100_000 + b"a\n",
        "many": b"".join(b"%b\n" % f"{n:020b}".replace("0", "a").replace("1", "b").encode() for n in range(100_000)),
        "combining": b"a" + "\u0301".encode() * 100_000 + b"\n",
        "utf16": "word\n".encode("utf-16"),
        "nul": b"a\0b\nword\n",
        "breaks": "a\u2028b\x85\x0b\x1c \u3000\nword".encode(),
    }
    return {f"{title}:words.txt": partial(bytes, content) for title, content in contents.items()}


def read_word_list(path: Path) -> Iterator[str]:
    lexicon = Lexicon.from_file(path, "ab-' ")
    state = lexicon.start
    for index in (0, 1, 2, 1, 4):
        lexicon.scores(state)
        state = lexicon.advance(state, index)
    lexicon.end(state)
    yield from ()


XML_TOKENS = (
    *(b"&l;", b"&#0;", b"&#xd800;", b"&amp;", b"]]>", b"<![CDATA[", b"<!--", b"<a>", b"</a>", b"<?x?>", b'<a b="'),
    *(b"<!DOCTYPE alto>", b'<!ENTITY x SYSTEM "../secret.xml">', b"../secret.png", b"TextLine", b"POINTS", b"nan"),
)
YAML_TOKENS = (
    *(b"&a ", b"*a", b"<<: ", b"!!python/name:os.system ", b"!!int ", b"? ", b"- ", b"{", b"}", b"]", b"|\n", b"> "),
    *(b"%TAG ", b"---\n", b"...\n", b"@", b"`", b".inf", b".nan", b"0x", b"1:1:1", b"2001-01-01", b"__class__: x\n"),
)
ROW_TOKENS = (
    b"../secret.png",
    b"..\\secret.png",
    b"a.png",
    b"/etc/hostname",
    b'""',
    b"\r\n",
    b"|",
    b" ok ",
    b" err ",
    b"#",
)

TARGETS = {
    "images": Target(read_one_image, image_files, image_attacks, repair=png_checksums),
    "pages": Target(
        read_all_pages, page_files, page_attacks, (b"/Filter", b"4 0 R", b"<<", b">>", b"stream\n", b"/I Do ")
    ),
    "yaml": Target(read_settings, yaml_files, yaml_attacks, YAML_TOKENS),
    "table": Target(
        read_and_write_table, table_files, table_attacks, ROW_TOKENS, partial(one_image, "a.png", "b/c.png")
    ),
    "iam": Target(read_database, iam_files, iam_attacks, ROW_TOKENS, iam_companions),
    "lists": Target(
        read_list,
        list_files,
        list_attacks,
        (b"w1", b"w2", b"a01-000u", b"a.png"),
        partial(list, [Input("val.txt", b"w2")]),
    ),
    "alto": Target(read_collection, alto_files, alto_attacks, XML_TOKENS, partial(one_image, "pages/page.png")),
    "onnx": Target(read_model, onnx_files, model_attacks, vary=vary_onnx),
    "lm": Target(read_language_model, language_models, language_model_attacks, vary=vary_language_model),
    "lexicon": Target(read_word_list, word_lists, word_list_attacks, (b"'", b"-", b"\t", "’".encode())),
}
