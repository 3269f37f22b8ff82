import cv2
import numpy as np
import pytest

from mltu.datasets.synthetic import draw_line, draw_page
from mltu.pages import cut_line, find_lines, flatten, slope_of
from mltu.utils.errors import InputError
from mltu.utils.image_utils import paper_color, to_gray

TEXTS = [
    "the quick brown fox",
    "jumps over a lazy dog",
    "and a third line",
    "here is the fourth of them",
    "this one is nearly the last",
    "and that was all",
]
# a line without descenders or ascenders is found with the space for them
LEAST_OVERLAP = 0.4


@pytest.fixture(scope="module")
def drawn():
    """A page without any ruling and the outlines of its lines: colour image, list of (4, 2) polygons."""
    return page(5)


def page(number, writer=None, texts=TEXTS):
    image, boxes = draw_page(texts, 1, number, number if writer is None else writer)
    return image, [np.array([[l, t], [r, t], [r, b], [l, b]], float) for l, t, r, b in boxes]  # noqa: E741


def darkened(image, shares):
    """An image under a light; shares of it, of a shape that goes with the image's."""
    return np.clip(image * shares, 0, 255).astype(np.uint8)


def overlap(one, other, shape):
    """Intersection over union of two polygons."""
    masks = [
        cv2.fillPoly(np.zeros(shape[:2], np.uint8), [np.rint(polygon).astype(np.int32)], 1) for polygon in (one, other)
    ]
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


def assert_found(image, outlines):
    """Every line is found once, in order, with nothing else; returns what was found."""
    found = find_lines(image)
    assert len(found) == len(outlines)
    for line, outline in zip(found, outlines, strict=True):
        assert overlap(line.polygon, outline, image.shape) > LEAST_OVERLAP
        low, high = line.polygon.min(axis=0), line.polygon.max(axis=0)
        assert (low >= 0).all()
        assert (high <= image.shape[1::-1]).all()
        # the letters stand on the baseline, from the first to the last
        assert line.baseline[0, 0] < line.baseline[-1, 0]
        middle = line.baseline.mean(axis=0)
        assert cv2.pointPolygonTest(np.float32(line.polygon), middle.tolist(), False) >= 0
        assert np.median(outline[:, 1]) < middle[1] < outline[:, 1].max()
    return found


# --- whole pages ----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [0, 2, 4, 7])
def test_every_line_is_found_once_in_order(number):
    found = assert_found(*page(number))
    assert {line.region for line in found} == {0}


def test_grey_pages_are_as_colour_ones(drawn):
    image, _ = drawn
    for one, other in zip(find_lines(image), find_lines(to_gray(image)), strict=True):
        assert np.array_equal(one.polygon, other.polygon)


def turned(image, outlines, angle):
    """A page turned by degrees anticlockwise, on paper that goes on."""
    border = 80
    image = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REFLECT_101)
    # reflected writing is no part of the page
    paper = np.array(paper_color(image), np.uint8)
    image[:border] = image[-border:] = paper
    image[:, :border] = image[:, -border:] = paper
    matrix = cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] / 2), angle, 1)
    image = cv2.warpAffine(image, matrix, image.shape[1::-1], borderValue=paper.tolist())
    return image, [cv2.transform((outline + border)[None], matrix)[0] for outline in outlines]


@pytest.mark.parametrize("angle", [-4.5, 3.0])
def test_tilted_pages(drawn, angle):
    image, outlines = turned(*drawn, angle)
    # in order from the top of the sheet, whichever way it is turned
    found = find_lines(image)
    assert len(found) == len(outlines)
    for line, outline in zip(found, outlines, strict=True):
        assert overlap(line.polygon, outline, image.shape) > LEAST_OVERLAP
    assert np.median([slope_of(line.baseline) for line in found]) == pytest.approx(-angle, abs=1)


def test_light_writing_on_dark_ground(drawn):
    image, outlines = drawn
    assert_found(255 - image, outlines)


def shadow(image, least):
    """Light that falls off to the right, and to the foot of the page."""
    height, width = image.shape[:2]
    return (np.linspace(1, least, width)[None, :] * np.linspace(1, 0.6, height)[:, None])[..., None]


@pytest.mark.parametrize("least", [0.5, 0.2])
def test_a_shadow_is_no_writing(drawn, least):
    image, outlines = drawn
    assert_found(darkened(image, shadow(image, least)), outlines)


def test_tinted_paper(drawn):
    image, outlines = drawn
    assert_found(darkened(image, np.array([0.5, 0.8, 1.0])), outlines)


def test_ruled_paper_with_a_margin(drawn):
    image, outlines = drawn[0].copy(), drawn[1]
    for y in range(20, image.shape[0], 34):
        cv2.line(image, (0, y), (image.shape[1], y + 3), (215, 190, 160), 1, cv2.LINE_AA)
    cv2.line(image, (50, 0), (48, image.shape[0]), (160, 160, 225), 1, cv2.LINE_AA)
    assert_found(image, outlines)


def test_columns_are_read_one_after_the_other():
    (left, left_outlines), (right, right_outlines) = page(5), page(6)
    height = max(left.shape[0], right.shape[0])
    left, right = (
        cv2.copyMakeBorder(one, 0, height - one.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=paper_color(one))
        for one in (left, right)
    )
    moved = [outline + np.array([left.shape[1], 0]) for outline in right_outlines]
    found = assert_found(np.hstack([left, right]), left_outlines + moved)
    assert [line.region for line in found] == [0] * len(left_outlines) + [1] * len(moved)


def test_a_sheet_on_a_dark_table(drawn):
    image, outlines = drawn
    height, width = image.shape[:2]
    rng = np.random.default_rng(0)
    table = np.clip(rng.normal((50, 60, 70), 6, (height + 200, width + 240, 3)), 0, 255).astype(np.uint8)
    table[90 : 90 + height, 120 : 120 + width] = image
    assert_found(table, [outline + np.array([120, 90]) for outline in outlines])


def test_large_pages_are_found_in_their_own_pixels(drawn):
    image, outlines = drawn
    scale = 2000 / image.shape[1]
    assert_found(cv2.resize(image, None, fx=scale, fy=scale), [outline * scale for outline in outlines])


def test_empty_pages_have_no_lines():
    rng = np.random.default_rng(0)
    assert find_lines(np.full((500, 400, 3), 255, np.uint8)) == []
    assert find_lines(np.zeros((500, 400), np.uint8)) == []
    grain = np.clip(rng.normal(225, 4, (500, 400)), 0, 255)
    assert find_lines(grain.astype(np.uint8)) == []
    assert find_lines(darkened(grain, np.linspace(1, 0.6, 400)[None])) == []


@pytest.mark.parametrize("shape", [(600, 450, 3), (3, 3), (1, 1), (2, 60), (60, 2), (3, 3000), (3000, 3), (4, 9000)])
def test_noise_of_any_size_is_no_crash(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for image in (noise, np.zeros(shape, np.uint8), np.full(shape, 200, np.uint8), noise // 8):
        for line in find_lines(image):
            assert (line.polygon >= 0).all()
            assert (line.polygon <= shape[1::-1]).all()


def test_flattening_makes_dark_ink_on_white(drawn):
    gray = to_gray(drawn[0])
    ink = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)[1] > 0
    paper = cv2.dilate(ink.astype(np.uint8), np.ones((5, 5))) == 0
    for image in (gray, 255 - gray, darkened(gray, shadow(gray, 0.2)[..., 0]), darkened(255 - gray, 0.6)):
        flat = flatten(image)
        assert (flat.shape, flat.dtype) == (gray.shape, np.uint8)
        assert np.median(flat[paper]) > 235
        assert np.median(flat[ink]) < 190


# --- lines out of pages ---------------------------------------------------------------------


@pytest.fixture
def sheet():
    """Grey paper with a written line, 600 x 400, and the line's outline."""
    image = np.full((400, 600), 220, np.uint8)
    writing = cv2.resize(to_gray(draw_line("writing", number=1)), (400, 60), interpolation=cv2.INTER_AREA)
    image[150:210, 100:500] = np.minimum(writing, 220)
    return image, np.array([[90, 140], [510, 140], [510, 220], [90, 220]])


def test_a_cut_holds_what_the_polygon_does(sheet):
    image, outline = sheet
    for one in (image, cv2.merge([image, image // 2, image])):
        cut, frame = cut_line(one, outline)
        assert np.array_equal(cut, one[140:221, 90:511])
        assert frame.tolist() == [[90, 140], [511, 140], [90, 221]]


def test_around_the_polygon_there_is_paper(sheet):
    image, _ = sheet
    image[:100] = 0
    # of another line, between the two peaks of the polygon
    cut, _ = cut_line(image, np.array([[0, 60], [250, 240], [350, 240], [599, 60], [599, 300], [0, 300]]))
    assert (cut[:60, 250:350] == 220).all()
    assert (cut[20:35, 2:20] == 0).all()


def test_cuts_at_the_edge_end_there(sheet):
    image, _ = sheet
    cut, frame = cut_line(image, np.array([[-50, -20], [700, -20], [700, 90], [-50, 90]]))
    assert np.array_equal(cut, image[:91])
    assert frame.tolist() == [[0, 0], [600, 0], [0, 91]]


@pytest.mark.parametrize("angle", [-8.0, 5.0])
def test_a_tilted_line_is_cut_out_level(sheet, angle):
    image, outline = sheet
    matrix = cv2.getRotationMatrix2D((300, 200), -angle, 1)  # OpenCV counts anticlockwise
    tilted = cv2.warpAffine(image, matrix, (600, 400), borderValue=220)
    polygon = cv2.transform(outline[None].astype(float), matrix)[0]
    cut, frame = cut_line(tilted, polygon, angle)
    level, _ = cut_line(image, outline)
    assert np.abs(np.array(cut.shape) - level.shape).max() <= 1
    # but for the blur of being turned twice, and half a pixel
    rows, columns = (min(sizes) for sizes in zip(cut.shape, level.shape, strict=True))
    blurred = [cv2.GaussianBlur(one[:rows, :columns], (0, 0), 3).astype(float) for one in (cut, level)]
    assert np.corrcoef(blurred[0].ravel(), blurred[1].ravel())[0, 1] > 0.97
    # the frame's corners are those of the tilted outline
    assert np.abs(frame - polygon[[0, 1, 3]]).max() < 2


@pytest.mark.parametrize("angle", [0.0, -8.0, 5.0])
def test_frames_lead_back_to_the_page(sheet, angle):
    image, outline = sheet
    marked = image.copy()
    cv2.circle(marked, (333, 180), 4, 0, -1)
    cut, (corner, right, lower) = cut_line(marked, outline, angle)
    plain, _ = cut_line(image, outline, angle)
    y, x = np.nonzero(np.abs(cut.astype(int) - plain) > 60)
    across, down = (x.mean() + 0.5) / cut.shape[1], (y.mean() + 0.5) / cut.shape[0]
    place = corner + across * (right - corner) + down * (lower - corner)
    assert place == pytest.approx((333, 180), abs=3)


@pytest.mark.parametrize("angle", [0.0, 4.0])
@pytest.mark.parametrize(
    "polygon",
    [
        [[700, 10], [900, 10], [900, 60], [700, 60]],
        [[-300, 10], [-100, 10], [-100, 60], [-300, 60]],
        [[10, 500], [200, 500], [200, 560]],
        [[10, -90], [200, -90], [200, -20]],
        [[10, 10], [11, 10], [11, 11]],
        [[float("nan"), 10], [200, 10], [200, 60]],
    ],
)
def test_places_without_writing_are_refused(sheet, polygon, angle):
    with pytest.raises(InputError, match="outside the page"):
        cut_line(sheet[0], np.array(polygon), angle)


@pytest.mark.parametrize(
    ("baseline", "slope"),
    [
        ([[0, 0], [100, 0]], 0),
        ([[0, 10], [100, 110]], 45),
        ([[0, 5], [50, 0], [100, -100]], -46.4),
        ([[7, 3], [7, 3]], 0),
    ],
)
def test_slopes_are_degrees_downwards(baseline, slope):
    assert slope_of(np.array(baseline)) == pytest.approx(slope, abs=0.1)
