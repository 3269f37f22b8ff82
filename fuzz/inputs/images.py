"""Image files."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache, partial
from pathlib import Path

import numpy as np
from PIL import Image as PillowImage
from PIL import TiffImagePlugin

from mltu.utils.image_utils import read_image, readable_formats, to_gray

from .base import Attacks, Input, Target

SIDE = 8000  # pixels; a square of this is as large as an image may be


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
        "a.avif": saved(picture("RGBA"), "AVIF", exif=exif),
        "a.bmp": saved(picture("P"), "BMP"),
        "moving.gif": saved(picture("P"), "GIF", **more),
        "a.pgm": saved(picture(), "PPM"),
        "plain.ppm": b"P3\n# comment\n4 4 255\n" + b"1 2 3 " * 16,
        "a.jp2": saved(picture("RGB"), "JPEG2000"),
        "clear.jp2": saved(picture("RGBA"), "JPEG2000", tile_size=(16, 16)),
        "a.tga": saved(picture("RGB"), "TGA", compression="tga_rle"),
    }
    if "HEIF" in readable_formats():
        files["phone.heic"] = saved(picture("RGB"), "HEIF", exif=exif)
    for form in ("tiff_lzw", "packbits", "jpeg"):
        files[f"{form}.tif"] = saved(picture("RGB"), "TIFF", compression=form)
    files["fax.tif"] = saved(picture("1"), "TIFF", compression="group4")
    return [Input(*file) for file in files.items()]


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
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
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
    sides = struct.pack(">HH", 30, 40)  # as a JPEG file has them
    return {
        "empty:a.png": b"",
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
        "canvas:a.webp": webp,
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
        "lie:a.jpg": lambda: image_file("grey.jpg").replace(sides, b"\xff\xff\xff\xff"),
        "lie2:a.jpg": lambda: image_file("grey.jpg").replace(sides, struct.pack(">HH", SIDE, SIDE)),
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


def read_one_image(path: Path) -> None:
    to_gray(read_image(path))


def plain_images(*names: str) -> list[Input]:
    return [Input(name, saved(picture(), "PNG")) for name in names]


IMAGES = Target(read_one_image, image_files, image_attacks, repair=png_checksums)
