import io
import os
import subprocess
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pypdfium2
import pytest
from PIL import Image as PillowImage

from mltu import inputs
from mltu.inputs import PDF_RESOLUTION, STDIN, as_images, as_pixels, list_files, read_pages
from mltu.utils.errors import InputError
from mltu.utils.image_utils import MAX_PIXELS, MAX_SIDE, to_gray


@pytest.fixture
def tree(tmp_path):
    """A folder of files that hold nothing; returns a function that names one, with the system's separators."""
    for name in ("b/2.JPG", "b/10.png", "a/deep/x.pdf", "a/page.tif", "z.webp", "notes.txt", "a/x.xml", "a/y.png.part"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    return lambda *names: [os.path.join(tmp_path, *name.split("/")) for name in names]


@pytest.fixture
def stdin(monkeypatch):
    """Puts bytes on standard input."""
    return lambda content: monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def shades(*values, size=(40, 30)):
    """Images of one grey each."""
    return [PillowImage.new("L", size, value) for value in values]


def save(path, pictures, **options):
    pictures[0].save(path, save_all=True, append_images=pictures[1:], **options)
    return str(path)


def content_of(pictures, form):
    file = io.BytesIO()
    pictures[0].save(file, form, save_all=True, append_images=pictures[1:])
    return file.getvalue()


def greys(pages):
    """The grey in the middle of each page."""
    return [int(to_gray(page)[page.shape[0] // 2, page.shape[1] // 2]) for page in pages]


def refusal(path):
    """The line that refuses a file, which it names."""
    with pytest.raises(InputError) as error:
        list(read_pages(str(path)))
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message


# --- names ----------------------------------------------------------------------------------


def test_list_files_gives_images_of_folders_and_those_below_sorted(tree, tmp_path):
    files, complaints, _ = list_files([str(tmp_path)])
    assert files == tree("z.webp", "a/page.tif", "a/deep/x.pdf", "b/10.png", "b/2.JPG")
    assert complaints == []


def test_list_files_keeps_the_order_and_needs_no_known_ending(tree):
    names = tree("z.webp", "notes.txt", "b", "missing.png")
    files, complaints, _ = list_files([*names, STDIN])
    assert files == [*tree("z.webp", "notes.txt", "b/10.png", "b/2.JPG", "missing.png"), STDIN]
    assert complaints == []


def test_list_files_finds_patterns_in_folders_below_too(tree):
    (pattern,) = tree("**/*.p*")
    assert list_files([pattern])[0] == sorted(tree("b/10.png", "a/deep/x.pdf", "a/y.png.part"))
    assert list_files(tree("[ab]/*.png"))[0] == tree("b/10.png")
    assert list_files(tree("b*"))[1], "a folder is not a file, so the pattern stands for none"


def test_list_files_takes_files_named_like_a_pattern(tmp_path):
    for name in ("scan[1].png", "scan1.png"):
        (tmp_path / name).touch()
    name = str(tmp_path / "scan[1].png")
    assert list_files([name]) == ([name], [], [])


def test_list_files_lists_each_file_once(tree, tmp_path, monkeypatch):
    (first,) = tree("b/10.png")
    files, *_ = list_files([first, *tree("b", "b/*"), first, STDIN, STDIN])
    assert files == [first, *tree("b/2.JPG"), STDIN]
    monkeypatch.chdir(tmp_path)
    assert list_files([os.path.join("b", "10.png"), os.path.join(".", "b"), first])[0] == [
        os.path.join("b", "10.png"),
        os.path.join(".", "b", "2.JPG"),
    ]


def test_list_files_reports_names_without_files(tree):
    files, complaints, _ = list_files(tree("empty", "*.bmp", "z.webp"))
    assert files == tree("z.webp")
    assert [complaint.split(": ")[0] for complaint in complaints] == tree("empty", "*.bmp")
    assert "no image" in complaints[0]
    assert "pattern" in complaints[1]


def test_list_files_says_in_one_line_what_is_left_out_of_a_folder(tree, tmp_path):
    _, complaints, notes = list_files([str(tmp_path)])
    assert complaints == []
    assert notes == [f"{tmp_path}: 3 files that are not images are left out, such as notes.txt"]
    assert list_files([str(tmp_path / "b")])[2] == []


def test_list_files_takes_every_ending_that_can_be_read(tmp_path):
    names = [f"a.{ending}" for ending in ("HEIC", "avif", "bmp", "j2k", "jfif", "jp2", "jpe", "pbm", "pnm", "tga")]
    for name in names:
        (tmp_path / name).touch()
    assert list_files([str(tmp_path)])[0] == [str(tmp_path / name) for name in names]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_list_files_follows_links_once(tmp_path, png):
    png("in/a.png")
    png("else/b.png")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "else")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    (tmp_path / "in" / "twice").symlink_to(tmp_path / "else")
    assert list_files([str(tmp_path / "in")])[0] == [str(tmp_path / "in" / name) for name in ("a.png", "link/b.png")]


def test_list_files_passes_over_what_macos_adds(tmp_path, png):
    png("a.png")
    for name in ("._a.png", "__MACOSX/._a.png", "__MACOSX/b.png"):
        png(name)
    expected = [str(tmp_path / "a.png")]
    assert list_files([str(tmp_path)]) == (expected, [], [])
    assert list_files([str(tmp_path / "**" / "*.png")]) == (expected, [], [])


@pytest.mark.parametrize(
    "pattern", ["scans [2021]/*.png", "scans [[]2021]/*.png", "*[2021]]/?.png", "scans [2021]/[x].png", "*/x[].png"]
)
def test_list_files_brackets_of_a_pattern_may_be_those_of_a_name(tmp_path, png, pattern):
    png("scans [2021]/x.png")
    name = "x[].png" if "x[]" in pattern else "x.png"
    png(f"scans [2021]/{name}")
    png("scans 2/y.png")
    files, complaints, _ = list_files([str(tmp_path / pattern)])
    assert complaints == []
    assert files[-1] == str(tmp_path / "scans [2021]" / name)
    assert len(files) == 1


# --- images ---------------------------------------------------------------------------------


def test_read_pages_takes_an_image_as_a_page(png, line_image):
    (page,) = read_pages(str(png()))
    assert np.array_equal(to_gray(page), line_image)


def test_read_pages_takes_standard_input(stdin, png, line_image):
    stdin(png().read_bytes())
    (page,) = read_pages(STDIN)
    assert np.array_equal(to_gray(page), line_image)
    stdin(content_of(shades(10, 20), "TIFF"))
    assert greys(read_pages(STDIN)) == [10, 20]
    stdin(content_of(shades(40, 200), "PDF"))
    assert greys(read_pages(STDIN)) == pytest.approx([40, 200], abs=3)


def test_read_pages_refuses_nothing_or_too_much_on_standard_input(stdin, monkeypatch):
    stdin(b"")
    with pytest.raises(InputError, match=r"^-: nothing on standard input"):
        next(read_pages(STDIN))
    stdin(b"no image")
    with pytest.raises(InputError, match=r"^-: not an image"):
        next(read_pages(STDIN))
    content = content_of(shades(10), "TIFF")
    monkeypatch.setattr(inputs, "MAX_INPUT", len(content))
    stdin(content)
    assert greys(read_pages(STDIN)) == [10]
    stdin(content + b"\0")
    with pytest.raises(InputError, match=r"^-: more than"):
        next(read_pages(STDIN))


def test_read_pages_gives_tiff_pages_of_any_size(tmp_path):
    pictures = [*shades(10, 200), *shades(90, size=(60, 25))]
    pages = list(read_pages(save(tmp_path / "x.tif", pictures)))
    assert greys(pages) == [10, 200, 90]
    assert [page.shape[:2] for page in pages] == [(30, 40), (30, 40), (25, 60)]


def test_read_pages_gives_the_first_of_moving_pictures(tmp_path):
    assert greys(read_pages(save(tmp_path / "x.gif", shades(10, 200)))) == [10]


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("form", ["jpg", "tif"])
def test_read_pages_turns_pages_upright(tmp_path, form, mode):
    picture = PillowImage.new("L", (40, 20), 255)
    picture.paste(0, (0, 0, 20, 20))  # black on the left
    exif = PillowImage.Exif()
    exif[0x0112] = 6  # to be turned clockwise: the left becomes the top
    picture.convert(mode).save(tmp_path / f"x.{form}", exif=exif)
    (page,) = read_pages(str(tmp_path / f"x.{form}"))
    gray = to_gray(page)
    assert gray.shape == (40, 20)
    assert gray[:16].max() < 30
    assert gray[-16:].min() > 225


def test_read_pages_gives_pages_before_a_cut_one(tmp_path):
    """A TIFF file cut anywhere: the first page whenever all of it is there, then an error that names the file."""
    rng = np.random.default_rng(0)
    pictures = [PillowImage.fromarray(rng.integers(0, 256, (12, 16), np.uint8)) for _ in range(2)]
    whole = content_of(pictures, "TIFF")
    first_page = whole.index(pictures[0].tobytes()) + len(pictures[0].tobytes())
    path = tmp_path / "cut.tif"
    last_with_error = 0
    for end in range(first_page + 8, len(whole)):
        path.write_bytes(whole[:end])
        pages = read_pages(str(path))
        assert np.array_equal(next(pages), np.asarray(pictures[0])), end
        try:
            rest = len(list(pages))
        except InputError as error:
            rest, last_with_error = int(str(error).startswith(f"{path}: ")), end
        assert rest == 1, end  # the whole second page, if only bytes that none needs are missing
    assert last_with_error > whole.index(pictures[1].tobytes())


def test_read_pages_names_unusable_files(tmp_path, png):
    content = png().read_bytes()
    files = {
        "missing.png": None,
        "empty.png": b"",
        "empty.pdf": b"",
        "letter.png": b"Dear Sir or Madam,\n",
        "half.png": content[: len(content) // 2],
        "start.pdf": b"%PDF-",
    }
    for name, bytes_ in files.items():
        path = tmp_path / name
        if bytes_ is not None:
            path.write_bytes(bytes_)
        refusal(path)
    assert "is a folder" in refusal(tmp_path)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="permissions are not checked for this user")
def test_read_pages_names_forbidden_files(png):
    path = png()
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read"):
        list(read_pages(str(path)))


# --- PDF ------------------------------------------------------------------------------------


def test_read_pages_gives_pdf_pages_at_a_resolution_for_reading(tmp_path):
    # 72 dots an inch, so a point is a pixel; the content decides, not the name
    path = save(tmp_path / "scan.png", [*shades(40, 200), *shades(90, size=(80, 30))], format="PDF", resolution=72)
    pages = list(read_pages(path))
    assert greys(pages) == pytest.approx([40, 200, 90], abs=3)
    for page, (height, width) in zip(pages, [(30, 40), (30, 40), (30, 80)], strict=True):
        assert page.dtype == np.uint8
        expected = np.array([height, width]) * PDF_RESOLUTION / 72
        assert np.abs(np.array(page.shape[:2]) - expected).max() <= 1


def test_read_pages_gives_pdf_pages_in_bgr(tmp_path):
    path = save(tmp_path / "blue.pdf", [PillowImage.new("RGB", (40, 30), (0, 0, 255))])
    (page,) = read_pages(path)
    blue, green, red = page[10, 10, :3].tolist()
    assert blue > 240
    assert max(green, red) < 15


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"\r\n\n"])
def test_read_pages_knows_pdf_files_behind_blanks_or_a_mark_of_utf8(tmp_path, start):
    path = save(tmp_path / "x.pdf", [PillowImage.new("RGB", (40, 30), (0, 0, 255))])
    (tmp_path / "x.pdf").write_bytes(start + (tmp_path / "x.pdf").read_bytes())
    assert len(list(read_pages(str(path)))) == 1


def test_as_images_refuses_what_cannot_be_gone_through():
    with pytest.raises(InputError, match="NoneType is not several images"):
        as_images(None)


def test_read_pages_gives_pdf_pages_that_outlive_the_file(tmp_path):
    """Pages are read ahead, while later ones are drawn and the file is closed."""
    path = save(tmp_path / "x.pdf", shades(40, 200, size=(300, 300)))
    pages = list(read_pages(path))
    kept = [page.copy() for page in pages]
    list(read_pages(path))
    assert all(np.array_equal(page, copy) for page, copy in zip(pages, kept, strict=True))


@pytest.mark.parametrize(
    ("size", "most"), [((14_400, 20), MAX_PIXELS), ((20, 14_400), MAX_PIXELS), ((900, 900), 10_000)]
)
def test_read_pages_draws_huge_pdf_pages_smaller(tmp_path, size, most, monkeypatch):
    monkeypatch.setattr(inputs, "MAX_PIXELS", most)
    document = pypdfium2.PdfDocument.new()
    document.new_page(*size)
    document.save(tmp_path / "x.pdf")
    (page,) = read_pages(str(tmp_path / "x.pdf"))
    assert page.shape[0] * page.shape[1] < 1.05 * most
    assert MAX_SIDE * 0.9 < max(page.shape) <= MAX_SIDE or most < MAX_PIXELS
    assert page.shape[1] / page.shape[0] == pytest.approx(size[0] / size[1], rel=0.05)


def pdf_of(*objects, trailer=b""):
    """A PDF file of numbered objects; the first is the catalogue, the second the list of pages."""
    body = b"".join(b"%d 0 obj\n%b\nendobj\n" % numbered for numbered in enumerate(objects, start=1))
    return b"%PDF-1.5\n" + body + b"trailer\n<</Root 1 0 R/Size 9%b>>\n%%%%EOF\n" % trailer


def stream(content, entries=b""):
    return b"<<%b/Length %d>>stream\n%b\nendstream" % (entries, len(content), content)


CATALOGUE, BLANK = b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>"
# the dictionary of a password that is not known: the content could not be read with any other
LOCK = b"<</Filter/Standard/V 2/R 3/Length 128/P -1/O <%b>/U <%b>>>" % (b"42" * 32, b"42" * 32)
LOCKED = b"/Encrypt 4 0 R/ID[<00><00>]"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (content_of(shades(40, 200), "PDF")[:40], "not a PDF"),
        (b"%PDF-1.7\n" + bytes(range(256)), "not a PDF"),
        (pdf_of(CATALOGUE, b"<</Type/Pages/Kids[]/Count 0>>"), ""),
        (pdf_of(CATALOGUE, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", BLANK, LOCK, trailer=LOCKED), "assword"),
    ],
    ids=["cut", "damaged", "without pages", "locked"],
)
def test_read_pages_names_unusable_pdf_files(tmp_path, content, message):
    (tmp_path / "x.pdf").write_bytes(content)
    assert message in refusal(tmp_path / "x.pdf")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit the memory of a process")
@pytest.mark.parametrize("megabytes", [100, 1000])
def test_read_pages_names_pdf_pages_that_take_too_much_memory(tmp_path, megabytes):
    packer = zlib.compressobj(9, wbits=-15)
    megabyte = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    packed = b"\x78\xda" + megabyte * megabytes + b"\x03\x00"
    (tmp_path / "x.pdf").write_bytes(
        pdf_of(
            CATALOGUE,
            b"<</Type/Pages/Kids[3 0 R 4 0 R]/Count 2>>",
            BLANK,
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]/Contents 5 0 R>>",
            stream(packed, b"/Filter/FlateDecode"),
        )
    )
    pages = read_pages(str(tmp_path / "x.pdf"))
    assert next(pages).shape == (275, 275, 3)
    if megabytes < 1000:
        assert next(pages).shape == (275, 275, 3)
    else:
        with pytest.raises(InputError, match="page 2 takes too much memory or time"):
            next(pages)


def test_read_pages_names_pdf_pages_too_small_for_a_line(tmp_path):
    document = pypdfium2.PdfDocument.new()
    document.new_page(0.5, 100)
    document.save(tmp_path / "x.pdf")
    with pytest.raises(InputError, match="too small"):
        list(read_pages(str(tmp_path / "x.pdf")))


def test_read_pages_ends_its_process_and_closes_the_file_when_no_more_pages_are_wanted(tmp_path, monkeypatch):
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            started.append((self, options["stdin"]))

    monkeypatch.setattr(subprocess, "Popen", Recorded)
    pages = read_pages(save(tmp_path / "x.pdf", shades(*range(0, 200, 2), size=(150, 200))))
    next(pages)
    ((process, file),) = started
    assert process.poll() is None  # pages that nobody has asked for wait in the pipe, which is full
    pages.close()
    assert process.returncode not in (None, 0)
    assert process.stdout.closed
    assert file.closed
    os.remove(tmp_path / "x.pdf")  # which Windows refuses as long as the file is open


def test_as_pixels_keeps_arrays_and_opens_the_rest(png, line_image):
    for array in (line_image, line_image / 255.0, np.dstack([line_image] * 4), line_image > 128):
        assert as_pixels(array) is array
    path = png("line.png")
    turned = PillowImage.open(path)
    turned.getexif()[0x0112] = 3  # upside down
    for image in (path, str(path), PillowImage.open(path), PillowImage.fromarray(line_image)):
        assert np.array_equal(as_pixels(image), line_image)
    assert np.array_equal(as_pixels(turned), line_image[::-1, ::-1])
    assert as_pixels(PillowImage.fromarray(line_image).convert("CMYK")).shape == (*line_image.shape, 3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (None, "cv2.imread gives None where it cannot read a file"),
        (b"\x89PNG", "io.BytesIO"),
        ([np.zeros((40, 200))], "list is not an image: .* predict_batch"),
        (3, "int is not an image: give an array, a path or a Pillow image"),
        ("nowhere.png", "nowhere.png: no such file"),
        (np.zeros((1, 40, 200, 3)), "must have shape"),
        (np.zeros((3, 40, 200)), "must have shape"),
        (np.zeros((0, 40)), "must have shape"),
        (np.full((40, 200), "x"), "must hold numbers"),
        (np.full((40, 200), 1j), "must hold numbers"),
        (np.linspace(-1, 1, 8000).reshape(40, 200), "pixels from -1 to 1: give 0 to 255, or float from 0 to 1"),
        (np.full((40, 200), np.nan), "without NaN"),
        (np.full((40, 200), -3), "pixels from -3"),
        (PillowImage.new("L", (1, 1)), "the image: 1 x 1 pixels is too small"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else type(value).__name__,
)
def test_as_pixels_says_what_is_wrong(image, message):
    with pytest.raises(InputError, match=message) as refused:
        as_pixels(image)
    assert "\n" not in str(refused.value)


def test_as_pixels_refuses_damaged_files_and_several_pages(png, tmp_path):
    path = png("line.png")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"line\.png: the image is damaged"):
        as_pixels(PillowImage.open(path))
    first, *others = shades(10, 20)
    first.save(tmp_path / "two.tif", save_all=True, append_images=others)
    with pytest.raises(InputError, match="several pages"):
        as_pixels(tmp_path / "two.tif")


def test_as_images_refuses_one_image(line_image, png):
    assert len(as_images(image for image in [line_image] * 3)) == 3
    assert len(as_images(np.stack([line_image] * 5))) == 5
    for image in (line_image, np.dstack([line_image] * 3), "line.png", png(), PillowImage.fromarray(line_image)):
        with pytest.raises(InputError, match="one image"):
            as_images(image)
