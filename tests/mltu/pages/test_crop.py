import cv2
import numpy as np
import pytest

from mltu.datasets.synthetic import draw_line
from mltu.pages import cut_line, encode_line, slope_of
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
        assert frame.tolist() == [[[90, 140], [511, 140]], [[90, 221], [511, 221]]]


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
    assert frame.tolist() == [[[0, 0], [600, 0]], [[0, 91], [600, 91]]]


def turned(image, points, angle):
    """A sheet turned by degrees clockwise on paper that goes on, and points of it."""
    matrix = cv2.getRotationMatrix2D((300, 200), -angle, 1)  # OpenCV counts anticlockwise
    matrix[:, 2] += 100
    image = cv2.warpAffine(image, matrix, (800, 600), borderValue=220)
    return image, cv2.transform(np.array([points], float), matrix)[0]


def alike(cut, level):
    """Correlation of two images of a line, but for the blur of being turned twice, and half a pixel."""
    assert np.abs(np.array(cut.shape) - level.shape).max() <= 3
    cut = cv2.resize(cut, level.shape[::-1])
    blurred = [cv2.GaussianBlur(image, (0, 0), 3).astype(float) for image in (cut, level)]
    return np.corrcoef(blurred[0].ravel(), blurred[1].ravel())[0, 1]


BASELINE = np.array([[100, 200], [300, 200], [500, 200]])


@pytest.mark.parametrize("angle", [0.2, -8.0, 5.0, 45.0, 90.0, -90.0, 135.0, 180.0])
def test_cut_line_turns_lines_level(sheet, angle):
    image, outline = sheet
    tilted, points = turned(image, [*outline, *BASELINE], angle)
    polygon, baseline = points[:4], points[4:]
    cut, frame = cut_line(tilted, polygon, baseline)
    level, _ = cut_line(image, outline)
    assert alike(cut, level) > 0.97
    # the frame's corners are those of the tilted outline
    assert np.abs(frame[:, [0, -1]].reshape(4, 2) - polygon[[0, 1, 3, 2]]).max() < 4


def bent(image, points, sag=40):
    """A sheet whose lines are bent upwards in their middle, and points of it."""
    x = np.arange(600)
    lift = sag * np.sin(np.pi * (x - 100) / 400)
    rows, columns = np.mgrid[:400, :600].astype(np.float32)
    image = cv2.remap(image, columns, (rows + lift).astype(np.float32), cv2.INTER_LINEAR, borderValue=220)
    points = np.array(points, float)
    points[:, 1] -= np.interp(points[:, 0], x, lift)
    return image, points


def test_cut_line_straightens_bent_lines(sheet):
    image, outline = sheet
    x = np.linspace(90, 510, 30)
    dense = np.concatenate([np.stack([x, 0 * x + 140], axis=1), np.stack([x[::-1], 0 * x + 220], axis=1)])
    bent_image, points = bent(image, [*dense, *np.stack([x, 0 * x + 200], axis=1)], 20)
    cut, _ = cut_line(bent_image, points[:60], points[60:])
    plain, _ = cut_line(image, outline)
    # the curve is longer than the level line, and smoothing takes off some of its height
    assert cut.shape[0] < plain.shape[0] + 6
    assert alike(cv2.resize(cut, plain.shape[::-1]), plain) > 0.9
    unstraightened, _ = cut_line(bent_image, points[:60])
    assert unstraightened.shape[0] > plain.shape[0] + 15


def test_cut_line_takes_a_level_baseline_for_none(sheet):
    image, outline = sheet
    plain, frame = cut_line(image, outline)
    for shift in (0, 3):
        baseline = BASELINE + np.array([[0, 0], [0, shift], [0, 0]])
        cut, same = cut_line(image, outline, baseline)
        assert np.array_equal(cut, plain)
        assert np.array_equal(same, frame)


@pytest.mark.parametrize(
    "baseline",
    [
        [[300, 200]],
        [[300, 200], [300, 200]],
        [[float("nan"), 200], [500, 200]],
        [[-1e9, 200], [1e9, 201]],
    ],
)
def test_cut_line_does_without_a_baseline_that_tells_no_direction(sheet, baseline):
    image, outline = sheet
    assert np.array_equal(cut_line(image, outline, np.array(baseline))[0], cut_line(image, outline)[0])


def test_cut_line_stands_any_baseline(sheet):
    image, outline = sheet
    rng = np.random.default_rng(3)
    for scale in (10, 1000, 1e6):
        for _ in range(30):
            baseline = rng.normal(300, scale, (int(rng.integers(2, 9)), 2))
            cut, frame = cut_line(image, outline + rng.normal(0, 30, outline.shape), baseline)
            assert max(cut.shape) < 4 * 1000
            assert np.isfinite(frame).all()


@pytest.mark.parametrize("angle", [0.0, -8.0, 5.0, 90.0, 170.0])
@pytest.mark.parametrize("sag", [0, 30])
def test_cut_line_gives_edges_that_lead_back_to_the_page(sheet, angle, sag):
    image, _ = sheet
    marked = image.copy()
    cv2.circle(marked, (333, 180), 4, 0, -1)
    x = np.linspace(90, 510, 30)
    dense = np.concatenate([np.stack([x, 0 * x + 140], axis=1), np.stack([x[::-1], 0 * x + 220], axis=1)])
    points = [*dense, *np.stack([x, 0 * x + 200], axis=1), (333, 180)]
    cuts = []
    for sheet_image in (marked, image):
        bent_image, bent_points = bent(sheet_image, points, sag)
        turned_image, moved = turned(bent_image, bent_points, angle)
        cuts.append(cut_line(turned_image, moved[:60], moved[60:-1]))
    (cut, (upper, lower)), (plain, _) = cuts
    y, x = np.nonzero(np.abs(cut.astype(int) - plain) > 60)
    across, down = (x.mean() + 0.5) / cut.shape[1], (y.mean() + 0.5) / cut.shape[0]
    steps = np.linspace(0, 1, len(upper))
    top, bottom = (np.array([np.interp(across, steps, edge[:, axis]) for axis in (0, 1)]) for edge in (upper, lower))
    assert top + down * (bottom - top) == pytest.approx(moved[-1], abs=3)


@pytest.mark.parametrize("baseline", [None, np.array([[100, 200], [300, 220]])])
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
def test_cut_line_refuses_places_outside_the_page(sheet, polygon, baseline):
    with pytest.raises(InputError, match="outside the page"):
        cut_line(sheet[0], np.array(polygon), baseline)


@pytest.mark.parametrize(
    ("baseline", "slope"),
    [
        ([[0, 0], [100, 0]], 0),
        ([[0, 10], [100, 110]], 45),
        ([[0, 5], [50, 0], [100, -100]], -46.4),
        ([[7, 3], [7, 3]], 0),
        ([[10, 5], [0, 5]], 180),
        ([[10, 5], [10, -5]], -90),
    ],
)
def test_slope_of_is_degrees_downwards(baseline, slope):
    assert slope_of(np.array(baseline)) == pytest.approx(slope, abs=0.1)


@pytest.mark.parametrize(
    ("shape", "size"), [((200, 1000), (640, 128)), ((60, 900), (900, 60)), ((40, 20_000), (16_383, 33))]
)
def test_encode_line_shrinks_high_and_long_lines(shape, size):
    content, kept = encode_line(np.full(shape, 200, np.uint8), 80)
    assert kept == size
    assert cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE).shape == size[::-1]
