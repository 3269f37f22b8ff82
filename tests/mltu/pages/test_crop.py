import cv2
import numpy as np
import pytest

from mltu.datasets.synthetic import draw_line
from mltu.pages import cut_line, slope_of
from mltu.utils.errors import InputError
from mltu.utils.image_utils import to_gray


@pytest.fixture
def sheet():
    """Grey paper with a written line, 600 x 400, and the line's outline."""
    image = np.full((400, 600), 220, np.uint8)
    writing = cv2.resize(to_gray(draw_line("writing", number=1)), (400, 60), interpolation=cv2.INTER_AREA)
    image[150:210, 100:500] = np.minimum(writing, 220)
    return image, np.array([[90, 140], [510, 140], [510, 220], [90, 220]])


def test_cut_line_holds_what_the_polygon_does(sheet):
    image, outline = sheet
    for page in (image, cv2.merge([image, image // 2, image])):
        cut, frame = cut_line(page, outline)
        assert np.array_equal(cut, page[140:221, 90:511])
        assert frame.tolist() == [[90, 140], [511, 140], [90, 221]]


def test_cut_line_puts_paper_around_the_polygon(sheet):
    image, _ = sheet
    image[:100] = 0
    # of another line, between the two peaks of the polygon
    cut, _ = cut_line(image, np.array([[0, 60], [250, 240], [350, 240], [599, 60], [599, 300], [0, 300]]))
    assert (cut[:60, 250:350] == 220).all()
    assert (cut[20:35, 2:20] == 0).all()


def test_cut_line_ends_at_the_edge_of_the_page(sheet):
    image, _ = sheet
    cut, frame = cut_line(image, np.array([[-50, -20], [700, -20], [700, 90], [-50, 90]]))
    assert np.array_equal(cut, image[:91])
    assert frame.tolist() == [[0, 0], [600, 0], [0, 91]]


@pytest.mark.parametrize("angle", [-8.0, 5.0])
def test_cut_line_turns_tilted_lines_level(sheet, angle):
    image, outline = sheet
    matrix = cv2.getRotationMatrix2D((300, 200), -angle, 1)  # OpenCV counts anticlockwise
    tilted = cv2.warpAffine(image, matrix, (600, 400), borderValue=220)
    polygon = cv2.transform(outline[None].astype(float), matrix)[0]
    cut, frame = cut_line(tilted, polygon, angle)
    level, _ = cut_line(image, outline)
    assert np.abs(np.array(cut.shape) - level.shape).max() <= 1
    # but for the blur of being turned twice, and half a pixel
    rows, columns = (min(sizes) for sizes in zip(cut.shape, level.shape, strict=True))
    blurred = [cv2.GaussianBlur(image[:rows, :columns], (0, 0), 3).astype(float) for image in (cut, level)]
    assert np.corrcoef(blurred[0].ravel(), blurred[1].ravel())[0, 1] > 0.97
    # the frame's corners are those of the tilted outline
    assert np.abs(frame - polygon[[0, 1, 3]]).max() < 2


@pytest.mark.parametrize("angle", [0.0, -8.0, 5.0])
def test_cut_line_gives_corners_that_lead_back_to_the_page(sheet, angle):
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
def test_cut_line_refuses_places_outside_the_page(sheet, polygon, angle):
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
def test_slope_of_is_degrees_downwards(baseline, slope):
    assert slope_of(np.array(baseline)) == pytest.approx(slope, abs=0.1)
