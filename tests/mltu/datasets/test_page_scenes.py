import numpy as np
import pytest

from helpers import write_page
from mltu.datasets.page_scenes import SHRUNK, MapDrawer, PageReader, PageTruth, RandomScenes, list_page_samples
from mltu.pages.maps import MAPS, Line
from mltu.utils.errors import InputError


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Image and truth of a page of five lines."""
    picture, xml, _ = write_page(tmp_path_factory.mktemp("pages"), "letter-1")
    return PageReader()(str(picture), str(xml))


def test_list_page_samples_pairs_pictures_with_their_files(tmp_path):
    picture, xml, _ = write_page(tmp_path / "deep", "letter-1")
    (tmp_path / "lost.xml").write_text(xml.read_text(encoding="utf-8").replace("letter-1.png", "gone.png"))
    (sample,), skipped = list_page_samples(tmp_path)
    assert sample[:2] == (str(picture), str(xml))
    assert [entry.source for entry in skipped] == [str(tmp_path / "lost.xml")]


def test_list_page_samples_names_the_folder_without_pages(tmp_path):
    with pytest.raises(InputError, match=r"no ALTO or PAGE file"):
        list_page_samples(tmp_path)
    with pytest.raises(InputError, match=r"gone: no such folder"):
        list_page_samples(tmp_path / "gone")


def test_page_reader_measures_lines_in_pixels_of_the_image(tmp_path):
    picture, xml, boxes = write_page(tmp_path, "letter-1")
    image, truth = PageReader()(str(picture), str(xml))
    assert image.ndim == 2
    scale = image.shape[1] / max(box[2] for box in boxes)
    assert scale > 1  # the page is wider than its lines
    assert len(truth.lines) == len(boxes)
    for line, (left, top, right, bottom) in zip(truth.lines, boxes, strict=True):
        assert line.baseline[:, 0] == pytest.approx([left, right], abs=1)
        assert line.above + line.below == pytest.approx(bottom - top, rel=0.15)


def test_page_reader_finds_writing_that_a_partial_truth_omits(tmp_path):
    picture, xml, boxes = write_page(tmp_path, "wills-7")
    content = xml.read_text(encoding="utf-8")
    start, end = content.index("<TextLine"), content.index("</TextLine>") + len("</TextLine>")
    xml.write_text(content[:start] + content[end:], encoding="utf-8")
    assert PageReader(("letters-*",))(str(picture), str(xml))[1].unknown is None
    image, truth = PageReader(("wills-*",))(str(picture), str(xml))
    (left, top, right, bottom), *others = (np.array(box) // SHRUNK for box in boxes)
    assert (truth.unknown[top:bottom, left:right] > 0).mean() > 0.6
    for left, top, right, bottom in others:
        assert (truth.unknown[top:bottom, left:right] > 0).mean() < 0.2
    maps = MapDrawer()(image, truth)[1]
    assert 0.7 < maps[..., len(MAPS)].mean() < 1
    assert maps[maps[..., 0] == 1][:, len(MAPS)].all()


def test_random_scenes_depend_on_the_random_numbers_alone(page):
    scenes = RandomScenes(side=128)
    for seed in range(25):
        image, truth = scenes(*page, np.random.default_rng(seed))
        again, same = scenes(*page, np.random.default_rng(seed))
        assert image.shape == (128, 128)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, again)
        assert len(truth.lines) == len(same.lines)
    assert not np.array_equal(image, scenes(*page, np.random.default_rng(99))[0])


def test_random_scenes_show_ink_where_the_truth_has_lines(page):
    scenes, darker = RandomScenes(side=256), []
    for make in (scenes._part, scenes._few_lines, scenes._table, scenes._facing_pages):
        for seed in range(8):
            scene = make(*page, np.random.default_rng(seed))
            maps = MapDrawer()(np.uint8(np.clip(scene.image, 0, 255)), PageTruth(scene.lines))[1]
            core = np.repeat(np.repeat(maps[..., 0] > 0, 2, 0), 2, 1)
            if core.sum() > 500:
                near = np.median(scene.image[core])
                darker.append(scene.image[core].mean() < near and scene.image[core].std() > 5)
    assert len(darker) > 16
    assert np.mean(darker) > 0.8


def test_random_scenes_blank_sheets_have_no_lines(page):
    scenes = RandomScenes(side=128)
    for seed in range(10):
        scene = scenes._blank(*page, np.random.default_rng(seed))
        assert scene.lines == []
        assert scene.image.shape == (128, 128)


def test_random_scenes_take_pages_without_lines():
    scenes = RandomScenes(side=64)
    for seed in range(20):
        _, truth = scenes(np.full((300, 200), 200, np.uint8), PageTruth([]), np.random.default_rng(seed))
        assert truth.lines == []


def test_random_scenes_facing_pages_keep_their_lines_on_their_side_of_the_gutter(page):
    sides = []
    for seed in range(10):
        lines = RandomScenes(side=512)._facing_pages(*page, np.random.default_rng(seed)).lines
        shown = [line for line in lines if ((line.baseline > 0) & (line.baseline < 512)).all(axis=1).any()]
        ends, starts = [
            [line.baseline[at, 0] for line in shown if (line.baseline[:, 0].mean() < 256) == left]
            for at, left in ((-1, True), (0, False))
        ]
        if ends and starts:
            sides.append(max(ends) < min(starts) + 15)
    assert len(sides) > 3
    assert np.mean(sides) > 0.6  # the others overlap where the gutter is off the middle


def test_map_drawer_turns_a_page_into_arrays_of_multiples_of_32():
    line = Line(np.array([[20.0, 50.0], [100.0, 50.0]]), 20.0, 8.0)
    image, maps = MapDrawer()(np.zeros((100, 140), np.uint8), PageTruth([line]))
    assert image.shape == (96, 128, 1)
    assert maps.shape == (48, 64, 7)
    assert maps.dtype == np.float16
    assert maps[..., 0].any()
    assert (maps[..., 6] == 1).all()
