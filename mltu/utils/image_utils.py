"""Read image files and bring images into the forms that training and inference share."""

from __future__ import annotations

import stat
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageOps, UnidentifiedImageError

from .errors import InputError
from .files import write_atomic

MIN_SIDE = 3  # pixels; a comma cut out of a page is larger
MAX_SIDE = 32_000  # pixels; OpenCV's warps end at 32,767
MAX_PIXELS = 64_000_000  # about 200 MB as colour in memory, well above any phone photograph of a line
MAX_SCANS = 200  # each scan of a JPEG file goes over all pixels; progressive files have some ten
JPEG_QUALITY = 90
BAND_PIXELS = 1_000_000  # pixels converted at once, which bounds the memory that a conversion takes

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")  # of images in datasets
MAX_INK = 0.5  # share of the rectangle around writing that its ink covers; paper covers more
DARKEST = 0.005  # share of the visible pixels of light ink that noise may make dark
QUANTILES = (0.02, 0.5, 0.98)  # darkest pixels, background and lightest pixels of an image
# PostScript and the like are left out, because Pillow hands them to other programs
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "JPEG2000", "PPM", "TGA", "AVIF")
HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")  # in bytes 8 to 12 of a HEIF file


def read_image(path: str | Path, color: str = "BGR") -> np.ndarray:
    """Read an image file, or its first page, as 8-bit grey or colour.

    EXIF rotation is applied, transparency becomes white paper, on which light ink becomes dark, and values of more
    than 8 bits are scaled.

    Args:
        path: a file in any format that Pillow reads (PNG, JPEG, TIFF, WebP, BMP, ...).
        color: "BGR" or "GRAY".

    Returns:
        uint8 array of shape (height, width, 3) for "BGR", (height, width) for "GRAY".

    Raises:
        InputError: the file is missing, empty, damaged or not an image; a side is shorter than 3 or longer than
            32,000 pixels; it has more than 64 megapixels. The message starts with the path.
    """
    pixels = next(decode_pages(checked_file(path), path))
    return to_gray(pixels) if color == "GRAY" else to_bgr(pixels)


def checked_file(path: str | Path, folder: str | Path = "") -> Path:
    """The path of an ordinary file with content, from a folder if it is relative.

    Raises:
        InputError: it is something else, missing or empty. The message starts with the path as it was given.
    """
    path, place = Path(path), Path(folder, path)
    try:
        status = place.stat()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{path}: is a folder, not an image; name the image files in it")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path}: is not an ordinary file; save the image to one")
    if status.st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); copy or export it again")
    return place


def decode_pages(file: Path | BinaryIO, name: str | Path) -> Iterator[np.ndarray]:
    """The pages of an image file, one after the other; only TIFF files can have several.

    Args:
        file: its path, or the file opened for reading.
        name: of the file in messages.

    Yields:
        uint8 or uint16 arrays of shape (height, width), (height, width, 3) or (height, width, 4).

    Raises:
        InputError: as :func:`read_image`; the pages before a damaged one come first.
    """
    try:
        # opened here, because Pillow maps a TIFF file that it gets by name into memory, and scrambles rotated ones
        with (
            open(file, "rb") if isinstance(file, Path) else nullcontext(file) as opened,
            _quietly(PillowImage.open, opened, formats=readable_formats()) as picture,
        ):
            for number in count() if picture.format == "TIFF" else range(1):
                try:
                    _quietly(picture.seek, number)
                except EOFError:  # the page before was the last
                    break
                check_size(name, picture.size)
                if picture.format in ("JPEG", "MPO"):
                    _check_scans(name, opened)
                _quietly(picture.load)
                _quietly(ImageOps.exif_transpose, picture, in_place=True)
                yield _pixels(picture)
    except InputError:
        raise
    except PillowImage.DecompressionBombError:
        raise InputError(f"{name}: larger than {MAX_PIXELS / 1e6:.0f} megapixels; cut the line out first") from None
    except PermissionError:
        raise InputError(f"{name}: no permission to read it") from None
    except UnidentifiedImageError:
        if "HEIF" not in readable_formats() and _is_heif(file):
            raise InputError(f"{name}: a HEIF image; pip install pillow-heif, or save it as JPEG") from None
        raise InputError(f"{name}: not an image in a known format; convert it to PNG or JPEG") from None
    except Exception as error:  # decoders raise a dozen types on damaged bytes, which all mean the same here
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{name}: the image is damaged ({reason}); copy or export it again") from None


def pillow_pixels(picture: PillowImage.Image) -> np.ndarray:
    """The pixels of an image that Pillow has opened or made, upright as :func:`decode_pages` gives them.

    Raises:
        InputError: it is too small or too large, or its file is damaged.
    """
    name = getattr(picture, "filename", "") or "the image"
    check_size(name, picture.size)
    try:
        return _pixels(_quietly(ImageOps.exif_transpose, picture))
    except Exception as error:  # as in decode_pages
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{name}: the image is damaged ({reason}); copy or export it again") from None


@cache
def readable_formats() -> tuple[str, ...]:
    """What Pillow reads here: for HEIF, in which iPhones save photographs, it needs a further package."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return FORMATS
    register_heif_opener()
    return (*FORMATS, "HEIF")


def _is_heif(file: Path | BinaryIO) -> bool:
    with open(file, "rb") if isinstance(file, Path) else nullcontext(file) as opened:
        opened.seek(0)
        start = opened.read(12)
    return start[4:8] == b"ftyp" and start[8:] in HEIF_BRANDS


def _quietly(function: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Call Pillow without its warnings: our own limit judges the size, and whether pixels can be read the damage."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args, **options)


def check_size(path: str | Path, size: tuple[int, int]) -> None:
    """Check that an image, or a page, is neither too small for a line nor too large for the memory.

    Args:
        path: of the file, for messages.
        size: width and height, pixels.

    Raises:
        InputError: it is too small or too large.
    """
    width, height = size
    if min(size) < MIN_SIDE:
        raise InputError(f"{path}: {width} x {height} pixels is too small to hold a line of text")
    if max(size) > MAX_SIDE:
        raise InputError(f"{path}: {width} x {height} pixels; no side may exceed {MAX_SIDE}; cut the line out first")
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: {width} x {height} pixels is more than {MAX_PIXELS / 1e6:.0f} megapixels; cut the line out first"
        )


def _pixels(picture: PillowImage.Image) -> np.ndarray:
    """A Pillow image as grey, or in OpenCV's channel order."""
    width, height = picture.size
    # cropping keeps palette and transparency
    pixels = _by_bands(
        height, width, lambda rows: _band_pixels(picture.crop((0, rows.start, width, min(rows.stop, height))))
    )
    return pixels if pixels.dtype == np.uint16 else to_uint8(pixels)  # of other numbers, only the whole tells the range


def _check_scans(name: str | Path, file: BinaryIO) -> None:
    """Refuse a JPEG file with so many scans that decoding it would take hours."""
    place = file.tell()
    file.seek(0)
    scans = file.read().count(b"\xff\xda")  # a marker, which cannot occur in pixel data
    file.seek(place)
    if scans > MAX_SCANS:
        raise InputError(f"{name}: a JPEG file of {scans} scans; save it as another")


def _by_bands(height: int, width: int, convert: Callable[[slice], np.ndarray]) -> np.ndarray:
    """An image made in bands of `BAND_PIXELS` pixels, each by a function of its rows."""
    step = max(1, BAND_PIXELS // max(width, 1))
    first = convert(slice(0, step))
    if step >= height:
        return first
    whole = np.empty((height, *first.shape[1:]), first.dtype)
    whole[:step] = first
    for top in range(step, height, step):
        whole[top : top + step] = convert(slice(top, top + step))
    return whole


def _band_pixels(picture: PillowImage.Image) -> np.ndarray:
    if picture.mode in ("L", "I;16", "I;16B", "I;16L", "I", "F"):
        return np.asarray(picture)
    if picture.mode == "1":
        return np.asarray(picture.convert("L"))
    if "A" in picture.getbands() or "transparency" in picture.info:
        return cv2.cvtColor(np.asarray(picture.convert("RGBA")), cv2.COLOR_RGBA2BGRA)
    return cv2.cvtColor(np.asarray(picture.convert("RGB")), cv2.COLOR_RGB2BGR)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Convert pixel values of any number type to uint8; the shape stays.

    Booleans become 0 and 255. Of integers wider than 8 bits and floats, the largest value tells the range: 1 (floats
    only), 255, or 10, 12, 14 or 16 bits. Beyond these, or with negative values, they are stretched to 0 to 255.

    Raises:
        InputError: the values are not numbers.
    """
    image = np.asarray(image)
    if image.dtype == np.uint8:
        return image
    if image.dtype == bool:
        return image.astype(np.uint8) * 255
    if not (np.issubdtype(image.dtype, np.integer) or np.issubdtype(image.dtype, np.floating)):
        raise InputError(f"an image must hold numbers, not {image.dtype}")
    low, high = _range(image)
    tops = (*((1,) if image.dtype.kind == "f" else ()), 255, *(2**bits - 1 for bits in (10, 12, 14, 16)))
    if low >= 0 and high <= tops[-1]:
        low, high = 0, next(top for top in tops if high <= top)

    def scaled(rows: slice) -> np.ndarray:
        values = np.nan_to_num(image[rows].astype(np.float64), nan=low, posinf=high, neginf=low)
        return np.rint((np.clip(values, low, high) - low) * (255 / (high - low))).astype(np.uint8)

    return _by_bands(len(image), image.size // max(len(image), 1), scaled)


def _range(image: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest value of an image that is a number; 0 and 0 if there is none."""
    low, high = np.inf, -np.inf
    step = max(1, BAND_PIXELS * len(image) // max(image.size, 1))
    for top in range(0, len(image), step):
        values = image[top : top + step]
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _ink_is_light(image: np.ndarray) -> bool:
    """Whether light ink, and no paper, is on a transparent background; the last channel is alpha."""
    step = max(1, round((image.shape[0] * image.shape[1] / BAND_PIXELS) ** 0.5))
    sample = image[::step, ::step]
    visible = sample[..., -1] > 127
    rows, columns = (np.flatnonzero(visible.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return False
    around = (rows[-1] - rows[0] + 1) * (columns[-1] - columns[0] + 1)
    return visible.sum() < MAX_INK * around and np.quantile(sample[visible][:, :-1].mean(axis=1), DARKEST) > 127


def _on_white(image: np.ndarray) -> np.ndarray:
    """An image whose last channel is alpha, without it, on white; light ink becomes dark."""
    light = _ink_is_light(image)

    def blended(rows: slice) -> np.ndarray:
        alpha = image[rows, :, -1:].astype(np.float32) / 255.0
        color = 255 - image[rows, :, :-1] if light else image[rows, :, :-1]
        return np.rint(color * alpha + 255.0 * (1.0 - alpha)).astype(np.uint8)

    return _by_bands(*image.shape[:2], blended)


def _check_shape(image: np.ndarray) -> None:
    channels = image.shape[2] if image.ndim == 3 else 1
    if image.ndim not in (2, 3) or channels not in (1, 2, 3, 4) or min(image.shape[:2]) < 1:
        raise InputError(
            f"an image must have shape (height, width) or (height, width, 1 to 4 channels), not {image.shape}"
        )


def _opaque(image: np.ndarray) -> np.ndarray:
    """An image of any number type and channels as uint8, without its transparency."""
    _check_shape(image)
    image = to_uint8(image)
    return _on_white(image) if image.ndim == 3 and image.shape[2] in (2, 4) else image


def check_pixels(image: np.ndarray) -> None:
    """Check that an array can be an image, for one that does not come from a file.

    Raises:
        InputError: it has another shape, or does not hold numbers, or some that are no grey values.
    """
    _check_shape(image)
    if image.dtype.kind not in "buif":
        raise InputError(f"an image must hold numbers, not {image.dtype}")
    if image.dtype.kind in "if":
        low, high = float(image.min()), float(image.max())
        if not (low >= 0 and high <= (255 if image.dtype.kind == "f" else 65535)):
            raise InputError(f"pixels from {low:g} to {high:g}: give 0 to 255, or float from 0 to 1, without NaN")


def to_bgr(image: np.ndarray) -> np.ndarray:
    """Convert any image to uint8 BGR on white.

    Args:
        image: grey (H, W) or (H, W, 1), grey with alpha (H, W, 2), BGR (H, W, 3) or BGRA (H, W, 4),
            of any number type (see :func:`to_uint8`).

    Returns:
        uint8 array of shape (H, W, 3).

    Raises:
        InputError: it has another shape, or does not hold numbers.
    """
    image = _opaque(image)
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR) if image.ndim == 2 or image.shape[2] == 1 else image


def to_gray(image: np.ndarray) -> np.ndarray:
    """Convert any image to uint8 grey on white: as :func:`to_bgr`, but the result has shape (H, W)."""
    image = _opaque(image)
    if image.ndim == 2:
        return image
    return image[..., 0] if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)


def dark_on_light(image: np.ndarray) -> np.ndarray:
    """An image with dark writing on a light background: light writing, as on a blackboard, is inverted.

    The background is the median; writing is light if the lightest pixels differ more from it than the darkest.

    Args:
        image: uint8, shape (height, width) or (height, width, channels).
    """
    sample = image[:: max(1, image.shape[0] // 32), :: max(1, image.shape[1] // 128)]
    low, background, high = np.quantile(sample, QUANTILES)
    return 255 - image if background < 128 and high - background > background - low else image


def paper_color(image: np.ndarray) -> tuple[int, ...]:
    """The colour of the background: the median of each channel.

    Ink covers a small part of a line, so the median pixel is paper. Every fourth row and column is enough.

    Returns:
        One value for a grey image, three for a colour image.
    """
    step = 4 if min(image.shape[:2]) >= 16 else 1
    values = image[::step, ::step].reshape(-1, 1 if image.ndim == 2 else image.shape[2])
    middle = len(values) // 2
    # the upper median; np.median takes several times as long on so few values
    return tuple(np.partition(values, middle, axis=0)[middle].astype(int).tolist())


def write_png(path: Path, image: np.ndarray) -> None:
    """Write an image as PNG, whole or not at all; unlike `cv2.imwrite`, it takes any path on every system.

    Raises:
        OSError: the file cannot be written.
    """
    write_atomic(path, cv2.imencode(".png", image)[1].tobytes())


def encode_jpeg(image: np.ndarray) -> bytes:
    """An image, as :func:`decode_pages` gives it, as a JPEG file in which no loss is seen."""
    pixels = to_gray(image) if image.ndim == 2 else to_bgr(image)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
