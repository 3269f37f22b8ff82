import cv2
import numpy as np
import pytest

from mltu.pages import LineFinder, slope_of
from mltu.pages import finder as finder_module
from mltu.pages.finder import CLOSE_LOOK, MAX_AREA, MAX_RUNS
from mltu.pages.maps import Line, draw_maps
from mltu.utils.errors import InputError


def page(count=6, shape=(1400, 1000), height=34, left=150, right=850, top=200, distance=2):
    """A page of bars in place of lines, each with a darker square where it begins, and their baselines."""
    image = np.full(shape, 230, np.uint8)
    baselines = []
    for index in range(count):
        y = top + distance * height * index
        image[y - height : y, left:right] = 120
        image[y - height : y, left : left + height] = 60
        baselines.append(np.array([[left, y], [right, y]]))
    return image, baselines


class BarFinder(LineFinder):
    """Knows the lines of such pages instead of a network."""

    def __init__(self, tells_directions=True):
        self.tells_directions = tells_directions
        self.sizes = []  # of what it saw, but for close looks

    def maps(self, image):
        if image.size != CLOSE_LOOK**2:
            self.sizes.append(image.size)
        paper = np.median(image)
        count, labels, _, _ = cv2.connectedComponentsWithStats((image < paper - 40).astype(np.uint8))
        lines = []
        for number in range(1, min(count, 200)):
            rows, columns = np.nonzero(labels == number)
            if len(rows) < 20:
                continue
            (x, y), (width, height), degrees = cv2.minAreaRect(np.stack([columns, rows], axis=1).astype(np.float32))
            if width < height:
                width, height, degrees = height, width, degrees + 90
            along = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])
            dark = image[rows, columns] < paper - 125
            start = np.array([columns[dark].mean(), rows[dark].mean()]) if dark.any() else np.array([x, y])
            if (start - (x, y)) @ along > 0:
                along = -along
            foot = np.array([x, y]) + height / 2 * np.array([-along[1], along[0]])
            baseline = np.stack([foot - width / 2 * along, foot + width / 2 * along])
            lines.append(Line(baseline, 0.95 * height, 0.25 * height))
        maps = draw_maps(lines, tuple(side + side % 2 for side in image.shape))
        if not self.tells_directions:
            # a network that does not know what is upside down is surer of upright writing
            maps[..., 0] *= np.where(maps[..., 4] < -0.7, 0.9, 0.95)
            maps[..., 4] = np.abs(maps[..., 4])
        return maps


@pytest.fixture
def any_ink(monkeypatch):
    """Bars are darker than writing, so what checks the ink of lines must be left out."""
    monkeypatch.setattr(finder_module, "_with_ink", lambda lines, image: lines)


def assert_found(image, baselines, tolerance=8, **options):
    finder = BarFinder(**options)
    found = finder.predict(image)
    assert len(finder.sizes) <= MAX_RUNS
    assert max(finder.sizes) < 1.05 * MAX_AREA
    assert len(found) == len(baselines)
    for line, true in zip(found, baselines, strict=True):
        assert np.abs(line.baseline[[0, -1]] - true).max() < tolerance
        assert (line.polygon >= 0).all()
        assert (line.polygon <= image.shape[1::-1]).all()
    return finder


@pytest.mark.usefixtures("any_ink")
def test_line_finder_gives_lines_in_pixels_of_the_page():
    image, baselines = page()
    finder = assert_found(image, baselines)
    assert len(finder.sizes) == 1
    assert_found(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR), baselines)
    assert {line.region for line in BarFinder().predict(image)} == {0}


@pytest.mark.usefixtures("any_ink")
@pytest.mark.parametrize("height", [9, 130])
def test_line_finder_looks_again_at_small_and_large_writing(height):
    image, baselines = page(4, (2000, 1600), height, 300, 1300, 400)
    finder = assert_found(image, baselines, tolerance=14)
    assert len(finder.sizes) > 1
    assert finder.sizes[0] != finder.sizes[-1]


@pytest.mark.usefixtures("any_ink")
def test_line_finder_looks_closer_at_the_written_part_alone():
    image, baselines = page(8, (2600, 3400), 12, 300, 900, 400)
    finder = assert_found(image, baselines)
    # in full, the page would have four times as many pixels
    assert finder.sizes[-1] < 0.6 * image.size / 4


@pytest.mark.usefixtures("any_ink")
@pytest.mark.parametrize(("quarters", "tells_directions"), [(1, True), (2, True), (3, True), (0, False), (2, False)])
@pytest.mark.parametrize("height", [34, 12])
def test_line_finder_reads_turned_pages_in_their_order(quarters, height, tells_directions):
    image, baselines = page(7, height=height, left=300, right=700)
    turned = np.ascontiguousarray(np.rot90(image, quarters))

    def on_turned(points):
        x, y = points.T
        right, bottom = image.shape[1] - 1, image.shape[0] - 1
        return np.stack(((x, y), (y, right - x), (right - x, bottom - y), (bottom - y, x))[quarters], axis=1)

    assert_found(turned, [on_turned(points) for points in baselines], tells_directions=tells_directions)
    slopes = {round(slope_of(line.baseline) / 90) % 4 for line in BarFinder().predict(turned)}
    assert slopes == {-quarters % 4}


@pytest.mark.parametrize("shape", [(3, 3), (1, 1), (2, 60), (3, 3000), (9000, 4), (20_000, 300)])
def test_line_finder_takes_pages_of_any_size(shape):
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    for image in (noise, np.full(shape, 200, np.uint8)):
        finder = BarFinder()
        for line in finder.predict(image):
            assert (line.polygon >= 0).all()
            assert (line.polygon <= shape[::-1]).all()
        assert len(finder.sizes) <= MAX_RUNS
        assert max(finder.sizes) < 1.05 * MAX_AREA


@pytest.mark.usefixtures("any_ink")
def test_line_finder_finds_the_lines_of_long_strips():
    image, baselines = page(30, (9000, 700), 60, 100, 600)
    assert_found(image, baselines, tolerance=14)


def test_line_finder_takes_no_show_through_for_writing():
    image, baselines = page(distance=4)
    shining, ghosts = page(5, top=268, distance=4)
    for bars in (image, shining):  # letters with paper between them
        for x in range(0, 1000, 20):
            bars[:, x : x + 16] = 230
    faint = (230 - (230 - shining.astype(float)) * 0.12).astype(np.uint8)

    class Seeing(BarFinder):
        def maps(self, seen):
            scale = seen.shape[0] / image.shape[0]
            lines = [Line(scale * points.astype(float), scale * 32, scale * 8) for points in [*baselines, *ghosts]]
            return draw_maps(lines, tuple(side + side % 2 for side in seen.shape))

    assert len(Seeing().predict(np.minimum(image, faint))) == len(baselines)
    # noise alone has no ink
    grain = np.clip(np.random.default_rng(0).normal(200, 25, image.shape), 0, 255).astype(np.uint8)
    assert Seeing().predict(grain) == []
    assert len(Seeing().predict(255 - np.minimum(image, faint))) == len(baselines)


@pytest.fixture
def model_file(tmp_path):
    """An ONNX model of the finder's inputs and outputs, that gives the same everywhere."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    def write(channels=6, height="h"):
        source = helper.make_tensor_value_info("page", TensorProto.FLOAT, ["n", height, "w", 1])
        result = helper.make_tensor_value_info("maps", TensorProto.FLOAT, ["n", "h2", "w2", channels])
        weights = helper.make_tensor("weights", TensorProto.FLOAT, [channels, 1, 2, 2], [0.0] * 4 * channels)
        nodes = [
            helper.make_node("Transpose", ["page"], ["first"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["first", "weights"], ["second"], strides=[2, 2]),
            helper.make_node("Transpose", ["second"], ["maps"], perm=[0, 2, 3, 1]),
        ]
        graph = helper.make_graph(nodes, "finder", [source], [result], [weights])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        path = tmp_path / f"{channels}-{height}.onnx"
        onnx.save(model, path)
        return path

    return write


def test_line_finder_runs_an_exported_model(model_file):
    finder = LineFinder(model_file())
    assert finder.maps(np.zeros((100, 131), np.uint8)).shape == (50, 66, 6)
    assert finder.predict(page()[0]) == []


def test_line_finder_refuses_other_models(model_file):
    with pytest.raises(InputError, match=r"5-h\.onnx: not a line finder"):
        LineFinder(model_file(5))
    with pytest.raises(InputError, match=r"96\.onnx: fails on a page"):
        LineFinder(model_file(height=96)).predict(page()[0])


def test_find_lines_uses_the_projects_model_once(model_file, monkeypatch):
    monkeypatch.setattr(finder_module, "MODEL", model_file())
    finder_module._default_finder.cache_clear()
    assert finder_module.find_lines(page()[0]) == finder_module.find_lines(page()[0]) == []
    assert finder_module._default_finder.cache_info().misses == 1
    finder_module._default_finder.cache_clear()
