import cv2
import numpy as np
import pytest

from helpers import darkened, shadow
from mltu.datasets.synthetic import draw_page
from mltu.pages import find_lines, slope_of
from mltu.pages.lines import line_height, lines_of
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
MIN_OVERLAP = 0.4


@pytest.fixture(scope="module")
def drawn():
    """A page without any ruling and the outlines of its lines: colour image, list of (4, 2) polygons."""
    return page(5)


def page(number, writer=None, texts=TEXTS):
    image, boxes = draw_page(texts, 1, number, number if writer is None else writer)
    return image, [np.array([[l, t], [r, t], [r, b], [l, b]], float) for l, t, r, b in boxes]  # noqa: E741


def overlap(polygon, other, shape):
    """Intersection over union of two polygons."""
    masks = [
        cv2.fillPoly(np.zeros(shape[:2], np.uint8), [np.rint(points).astype(np.int32)], 1)
        for points in (polygon, other)
    ]
    return (masks[0] & masks[1]).sum() / (masks[0] | masks[1]).sum()


def assert_found(image, outlines):
    """Every line is found once, in order, with nothing else; returns what was found."""
    found = find_lines(image)
    assert len(found) == len(outlines)
    for line, outline in zip(found, outlines, strict=True):
        assert overlap(line.polygon, outline, image.shape) > MIN_OVERLAP
        low, high = line.polygon.min(axis=0), line.polygon.max(axis=0)
        assert (low >= 0).all()
        assert (high <= image.shape[1::-1]).all()
        # the letters stand on the baseline, from the first to the last
        assert line.baseline[0, 0] < line.baseline[-1, 0]
        middle = line.baseline.mean(axis=0)
        assert cv2.pointPolygonTest(np.float32(line.polygon), middle.tolist(), False) >= 0
        assert np.median(outline[:, 1]) < middle[1] < outline[:, 1].max()
    return found


@pytest.mark.parametrize("number", [0, 2, 4, 7])
def test_find_lines_finds_every_line_once_in_order(number):
    found = assert_found(*page(number))
    assert {line.region for line in found} == {0}


def test_find_lines_takes_grey_pages_as_colour_ones(drawn):
    image, _ = drawn
    for line, gray_line in zip(find_lines(image), find_lines(to_gray(image)), strict=True):
        assert np.array_equal(line.polygon, gray_line.polygon)


def turned(image, outlines, angle):
    """A page turned by degrees anticlockwise, on paper that goes on."""
    border = 80
    image = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REFLECT_101)
    # reflected writing is not a part of the page
    paper = np.array(paper_color(image), np.uint8)
    image[:border] = image[-border:] = paper
    image[:, :border] = image[:, -border:] = paper
    matrix = cv2.getRotationMatrix2D((image.shape[1] / 2, image.shape[0] / 2), angle, 1)
    image = cv2.warpAffine(image, matrix, image.shape[1::-1], borderValue=paper.tolist())
    return image, [cv2.transform((outline + border)[None], matrix)[0] for outline in outlines]


@pytest.mark.parametrize("angle", [-4.5, 3.0])
def test_find_lines_of_tilted_pages(drawn, angle):
    image, outlines = turned(*drawn, angle)
    # in order from the top of the sheet, whichever way it is turned
    found = find_lines(image)
    assert len(found) == len(outlines)
    for line, outline in zip(found, outlines, strict=True):
        assert overlap(line.polygon, outline, image.shape) > MIN_OVERLAP
    assert np.median([slope_of(line.baseline) for line in found]) == pytest.approx(-angle, abs=1)


def test_find_lines_of_light_writing_on_a_dark_background(drawn):
    image, outlines = drawn
    assert_found(255 - image, outlines)


@pytest.mark.parametrize("least", [0.5, 0.2])
def test_find_lines_takes_no_shadow_for_writing(drawn, least):
    image, outlines = drawn
    assert_found(darkened(image, shadow(image, least)[..., None]), outlines)


def test_find_lines_on_tinted_paper(drawn):
    image, outlines = drawn
    assert_found(darkened(image, np.array([0.5, 0.8, 1.0])), outlines)


def test_find_lines_on_ruled_paper_with_a_margin(drawn):
    image, outlines = drawn[0].copy(), drawn[1]
    for y in range(20, image.shape[0], 34):
        cv2.line(image, (0, y), (image.shape[1], y + 3), (215, 190, 160), 1, cv2.LINE_AA)
    cv2.line(image, (50, 0), (48, image.shape[0]), (160, 160, 225), 1, cv2.LINE_AA)
    assert_found(image, outlines)


def test_find_lines_reads_columns_after_each_other():
    (left, left_outlines), (right, right_outlines) = page(5), page(6)
    height = max(left.shape[0], right.shape[0])
    left, right = (
        cv2.copyMakeBorder(part, 0, height - part.shape[0], 0, 0, cv2.BORDER_CONSTANT, value=paper_color(part))
        for part in (left, right)
    )
    moved = [outline + np.array([left.shape[1], 0]) for outline in right_outlines]
    found = assert_found(np.hstack([left, right]), left_outlines + moved)
    assert [line.region for line in found] == [0] * len(left_outlines) + [1] * len(moved)


def test_find_lines_of_a_sheet_on_a_dark_table(drawn):
    image, outlines = drawn
    height, width = image.shape[:2]
    rng = np.random.default_rng(0)
    table = np.clip(rng.normal((50, 60, 70), 6, (height + 200, width + 240, 3)), 0, 255).astype(np.uint8)
    table[90 : 90 + height, 120 : 120 + width] = image
    assert_found(table, [outline + np.array([120, 90]) for outline in outlines])


def test_find_lines_of_large_pages_in_their_own_pixels(drawn):
    image, outlines = drawn
    scale = 2000 / image.shape[1]
    assert_found(cv2.resize(image, None, fx=scale, fy=scale), [outline * scale for outline in outlines])


def test_find_lines_finds_none_on_empty_pages():
    rng = np.random.default_rng(0)
    assert find_lines(np.full((500, 400, 3), 255, np.uint8)) == []
    assert find_lines(np.zeros((500, 400), np.uint8)) == []
    grain = np.clip(rng.normal(225, 4, (500, 400)), 0, 255)
    assert find_lines(grain.astype(np.uint8)) == []
    assert find_lines(darkened(grain, np.linspace(1, 0.6, 400)[None])) == []


@pytest.mark.parametrize("shape", [(600, 450, 3), (3, 3), (1, 1), (2, 60), (60, 2), (3, 3000), (3000, 3), (4, 9000)])
def test_find_lines_stands_noise_of_any_size(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for image in (noise, np.zeros(shape, np.uint8), np.full(shape, 200, np.uint8), noise // 8):
        for line in find_lines(image):
            assert (line.polygon >= 0).all()
            assert (line.polygon <= shape[1::-1]).all()


# --- from ink -------------------------------------------------------------------------------


def bars(*tops, left=20, right=380, height=20, shape=(300, 400)):
    """Ink of lines: rows of blocks of one height, as wide as letters."""
    ink = np.zeros(shape, np.uint8)
    for top in tops:
        for x in range(left, right, 30):
            ink[top : top + height, x : x + 22] = 1
    return ink


def test_line_height_is_that_of_the_letters():
    assert line_height(bars(50, 150)) == 20
    assert line_height(bars(50, 150, height=32)) == 32


def test_lines_of_ink_are_outlined_in_order():
    lines = lines_of(bars(150, 50, 250))
    assert [region for _, region in lines] == [0, 0, 0]
    for (outline, _), top in zip(lines, (50, 150, 250), strict=True):
        low, high = outline.polygon.min(axis=0), outline.polygon.max(axis=0)
        assert low[0] <= 20
        assert high[0] >= 372
        assert top - 20 < low[1] <= top
        assert top + 20 <= high[1] < top + 40
        assert outline.baseline[:, 1] == pytest.approx([top + 19] * 2, abs=2)
        assert outline.ink == 12 * 22 * 20


def test_lines_of_ink_leave_out_specks_and_rules():
    ink = bars(50, 150)
    ink[100, 10:200] = 1  # the rest of a ruled line
    ink[240:242, 100:102] = 1
    assert len(lines_of(ink)) == 2
