import os

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as PillowImage

from mltu.utils.errors import InputError
from mltu.utils.image_utils import (
    checked_file,
    dark_on_light,
    decode_pages,
    paper_color,
    read_image,
    to_bgr,
    to_gray,
    to_uint8,
)


def test_read_image_gives_grey_or_colour(png, line_image):
    path = png()
    assert np.array_equal(read_image(path, "GRAY"), line_image)
    assert np.array_equal(read_image(path), cv2.cvtColor(line_image, cv2.COLOR_GRAY2BGR))


def test_read_image_keeps_opencvs_order_of_channels(png):
    blue = np.zeros((9, 9, 3), np.uint8)
    blue[..., 0] = 255
    assert np.array_equal(read_image(png("blue.png", blue)), blue)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16", "YCbCr"])
def test_read_image_gives_the_same_picture_in_every_mode(tmp_path, mode):
    grey = np.full((10, 30), 255, np.uint8)
    grey[3:7, 5:20] = 0
    path = tmp_path / ("x.tif" if mode in ("CMYK", "YCbCr") else "x.png")
    if mode == "I;16":
        PillowImage.fromarray(grey.astype(np.uint16) * 257).save(path)
    else:
        PillowImage.fromarray(grey).convert("RGB").convert(mode).save(path)
    assert np.abs(read_image(path, "GRAY").astype(int) - grey).max() <= 1


def test_read_image_makes_transparency_white_paper(tmp_path):
    picture = np.zeros((8, 8, 4), np.uint8)  # black, all of it transparent
    picture[2, 2, 3] = 255
    PillowImage.fromarray(picture).save(tmp_path / "clear.png")
    image = read_image(tmp_path / "clear.png")
    assert image[0, 0].tolist() == [255] * 3
    assert image[2, 2].tolist() == [0] * 3


def test_read_image_applies_exif_rotation(tmp_path, line_image):
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    PillowImage.fromarray(line_image).save(tmp_path / "phone.jpg", exif=exif)
    assert read_image(tmp_path / "phone.jpg").shape == (200, 40, 3)


def test_read_image_takes_any_letters_in_paths(png):
    assert read_image(png("Größe/été 1 字.png")).shape == (40, 200, 3)


def broken_files(folder, good):
    content = good.read_bytes()
    files = {
        "missing.png": None,
        "zero.png": b"",
        "text.png": b"this is not a picture",
        "truncated.png": content[: len(content) // 2],
        "head.png": content[:20],
        "noise.png": content[:40] + bytes(range(256)),
    }
    for name, bytes_ in files.items():
        if bytes_ is not None:
            (folder / name).write_bytes(bytes_)
    PillowImage.new("L", (1, 1)).save(folder / "dot.png")
    PillowImage.new("1", (10_000, 10_000)).save(folder / "huge.png")
    PillowImage.new("1", (20_000, 20_000)).save(folder / "bomb.png")
    PillowImage.new("1", (40_000, 50)).save(folder / "ribbon.png")
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "vector.eps").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 50 50\nshowpage\n")
    made = ("dot.png", "huge.png", "bomb.png", "ribbon.png", "folder.png", "pipe.png", "vector.eps", "x" * 300, "a\0b")
    return [folder / name for name in (*files, *made)]


def test_read_image_names_unusable_files_in_one_line(tmp_path, png):
    for path in broken_files(tmp_path, png()):
        with pytest.raises(InputError) as error:
            read_image(path)
        message = str(error.value)
        assert message.startswith(f"{path}: ".replace("\0", "\\x00"))
        assert "\n" not in message
        assert len(message) > len(str(path)) + 10


def test_read_image_refuses_a_truncated_jpeg(tmp_path, line_image):
    whole = cv2.imencode(".jpg", line_image)[1].tobytes()
    (tmp_path / "half.jpg").write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(InputError, match="damaged"):
        read_image(tmp_path / "half.jpg")


def test_read_image_refuses_jpeg_files_of_thousands_of_scans(tmp_path, line_image):
    content = cv2.imencode(".jpg", line_image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    scan = content[content.rindex(b"\xff\xda") : -2]
    (tmp_path / "few.jpg").write_bytes(content[:-2] + scan * 3 + content[-2:])
    assert read_image(tmp_path / "few.jpg").shape == (40, 200, 3)
    (tmp_path / "many.jpg").write_bytes(content[:-2] + scan * 1000 + content[-2:])
    with pytest.raises(InputError, match="scans"):
        read_image(tmp_path / "many.jpg")


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16", "F"])
def test_read_image_converts_in_bands_without_a_trace(tmp_path, monkeypatch, mode):
    picture = PillowImage.fromarray((np.arange(50 * 70).reshape(50, 70) % 251).astype(np.uint8))
    if mode == "I;16":
        picture = PillowImage.fromarray(np.asarray(picture).astype(np.uint16) * 257)
    else:
        picture = picture.convert("RGB").convert(mode) if mode in ("P", "LA") else picture.convert(mode)
    picture.save(tmp_path / "x.tif" if mode == "F" else tmp_path / "x.png")
    (path,) = tmp_path.iterdir()
    whole = [read_image(path), read_image(path, "GRAY")]
    monkeypatch.setattr("mltu.utils.image_utils.BAND_PIXELS", 700)
    assert all(np.array_equal(*pair) for pair in zip(whole, [read_image(path), read_image(path, "GRAY")], strict=True))


@given(st.sampled_from(["uint8", "uint16", "int32", "float32", "float64", "bool"]))
def test_to_uint8_agrees_on_all_types_of_values(dtype):
    picture = np.array([[0, 255], [255, 0]], np.uint8)
    scaled = {"uint16": picture.astype(np.uint16) * 257, "bool": picture > 0, "float32": picture / np.float32(255)}
    assert to_uint8(scaled.get(dtype, picture.astype(dtype))).tolist() == picture.tolist()


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize("top", [255, 1023, 4095, 16383, 65535, 1 << 20])
def test_to_uint8_tells_the_range_from_the_largest_value(dtype, top):
    if dtype == "uint16" and top > 65535:
        return
    values = (np.linspace(0, 0.95, 40).reshape(4, 10) * top).astype(dtype)
    expected = values * (255 / (top if top <= 65535 else values.max()))
    assert np.abs(to_uint8(values) - expected).max() <= 0.5


def test_to_uint8_stretches_negative_values_and_passes_over_what_is_no_number():
    assert to_uint8(np.array([[-1.0, 0.0, 1.0, np.nan, np.inf]])).tolist() == [[0, 128, 255, 0, 255]]
    assert to_uint8(np.array([[np.nan, -np.inf]])).tolist() == [[0, 0]]


@pytest.mark.parametrize("ink", [255, 200, 150])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_read_image_makes_light_ink_on_transparency_dark(tmp_path, line_image, ink, mode):
    picture = np.full((40, 200, 4), ink, np.uint8)
    picture[..., 3] = 255 - np.minimum(line_image + 25, 255)
    PillowImage.fromarray(picture).convert(mode).save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.png", "GRAY")
    assert np.median(image) == 255
    assert image.min() < 140
    assert ((image < 200) == (line_image < 180)).mean() > 0.97


def test_read_image_paper_with_transparent_parts_stays_as_it_is(tmp_path, line_image):
    picture = np.dstack([line_image] * 3 + [np.full_like(line_image, 255)])
    for share in (0.2, 0.6):  # cut out by hand
        picture[:, : int(200 * share), 3] = 0
        PillowImage.fromarray(picture).save(tmp_path / "a.png")
        image = read_image(tmp_path / "a.png", "GRAY")
        assert np.array_equal(image[:, int(200 * share) :], line_image[:, int(200 * share) :])
    faint = np.full((40, 200, 4), 255, np.uint8)
    faint[10:20, 50:100, :3] = 170
    PillowImage.fromarray(faint).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path / "a.png"), faint[..., :3])


def test_read_image_takes_avif(tmp_path, line_image):
    PillowImage.fromarray(line_image).save(tmp_path / "a.avif", quality=95)
    assert np.abs(read_image(tmp_path / "a.avif", "GRAY").astype(int) - line_image).mean() < 3


def test_read_image_takes_heif_or_says_what_is_missing(tmp_path, line_image):
    path = tmp_path / "a.heic"
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        path.write_bytes(b"\0\0\0\x1cftypheic" + b"\0" * 100)
        with pytest.raises(InputError, match=r"a\.heic: a HEIF image; pip install pillow-heif, or save it as JPEG"):
            read_image(path)
        return
    register_heif_opener()
    PillowImage.fromarray(line_image).save(path, quality=95)
    assert np.abs(read_image(path, "GRAY").astype(int) - line_image).mean() < 3


def test_to_bgr_and_to_gray_refuse_what_is_not_an_image():
    for shape in ((3,), (2, 2, 5), (2, 2, 3, 1), (0, 5), (5, 0, 3)):
        with pytest.raises(InputError, match="shape"):
            to_bgr(np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match="numbers"):
        to_gray(np.array([["a"]]))


def test_paper_color_is_the_median(line_image):
    assert paper_color(line_image) == (230,)
    assert paper_color(np.full((20, 20, 3), (1, 2, 3), np.uint8)) == (1, 2, 3)


@given(background=st.integers(130, 255), ink=st.integers(0, 100), tint=st.floats(0.7, 1))
def test_dark_on_light_inverts_light_writing_only(background, ink, tint):
    gray = np.full((40, 200), background, np.uint8)
    cv2.putText(gray, "writing", (20, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.9, ink, 2)
    for image in (gray, gray[..., None], cv2.merge([np.rint(gray * tint).astype(np.uint8), gray, gray])):
        assert np.array_equal(dark_on_light(image), image)
        assert np.array_equal(dark_on_light(255 - image), image)


@pytest.mark.parametrize("shape", [(1, 1), (3, 3, 3), (1, 500), (500, 1), (300, 2000)])
@pytest.mark.parametrize("value", [0, 127, 255])
def test_dark_on_light_leaves_images_without_writing(shape, value):
    image = np.full(shape, value, np.uint8)
    assert np.array_equal(dark_on_light(image), image)


def test_dark_on_light_leaves_dark_paper(line_image):
    """What decides is the writing, not how much light there was."""
    dim = line_image // 2
    assert np.array_equal(dark_on_light(dim), dim)


def test_decode_pages_keeps_all_values(tmp_path):
    values = np.arange(12 * 16, dtype=np.uint16).reshape(12, 16) * 257
    PillowImage.fromarray(values).save(
        tmp_path / "deep.tif", save_all=True, append_images=[PillowImage.new("L", (5, 4))]
    )
    first, second = decode_pages(tmp_path / "deep.tif", "x")
    assert first.dtype == np.uint16
    assert np.array_equal(first, values)
    assert np.array_equal(second, np.zeros((4, 5), np.uint8))
    with open(tmp_path / "deep.tif", "rb") as file:
        assert np.array_equal(next(decode_pages(file, "x")), values)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.5, 2.0), (100.0, 70_000.0)])
def test_decode_pages_scales_floats_of_any_range(tmp_path, low, high):
    values = np.linspace(low, high, 300, dtype=np.float32).reshape(12, 25)
    PillowImage.fromarray(np.where(values == low, np.nan, values)).save(tmp_path / "x.tif")
    pixels = next(decode_pages(tmp_path / "x.tif", "x"))
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.ravel() - np.linspace(0, 255, 300)).max() <= 2


def test_decode_pages_measures_every_page(tmp_path):
    pages = [PillowImage.new("L", size, 255) for size in ((9, 9), (1, 9))]
    pages[0].save(tmp_path / "x.tif", save_all=True, append_images=pages[1:])
    found = decode_pages(tmp_path / "x.tif", "the scan")
    assert next(found).shape == (9, 9)
    with pytest.raises(InputError, match=r"^the scan: 1 x 9 pixels is too small"):
        next(found)


def test_read_image_takes_the_first_page(tmp_path, line_image):
    first = PillowImage.fromarray(line_image)
    first.save(tmp_path / "x.tif", save_all=True, append_images=[PillowImage.new("L", (50, 50))])
    assert np.array_equal(read_image(tmp_path / "x.tif", "GRAY"), line_image)
    content = (tmp_path / "x.tif").read_bytes()
    (tmp_path / "x.tif").write_bytes(content[:-100])
    assert np.array_equal(read_image(tmp_path / "x.tif", "GRAY"), line_image)


def test_checked_file_takes_ordinary_files_with_content(tmp_path, png):
    path = png()
    assert checked_file(str(path)) == path
    for broken in broken_files(tmp_path, path)[:2]:
        with pytest.raises(InputError) as error:
            checked_file(broken)
        assert str(error.value).startswith(f"{broken}: ")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["tif", "jpg", "png"])
def test_read_image_makes_every_orientation_upright(tmp_path, orientation, form):
    # four shades in the corners, and what an orientation makes of them
    corners = np.array([[0, 80], [160, 240]], np.uint8)
    upright = {
        1: corners,
        2: corners[:, ::-1],
        3: corners[::-1, ::-1],
        4: corners[::-1],
        5: corners.T,
        6: np.rot90(corners, -1),
        7: corners[::-1, ::-1].T,
        8: np.rot90(corners),
    }[orientation]
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    PillowImage.fromarray(np.kron(corners, np.ones((16, 32), np.uint8))).save(tmp_path / f"x.{form}", exif=exif)
    image = read_image(tmp_path / f"x.{form}", "GRAY")
    height, width = image.shape
    assert (height > width) == (orientation > 4)
    found = image[height // 4 :: height // 2, width // 4 :: width // 2]
    assert np.abs(found.astype(int) - upright).max() < 8
