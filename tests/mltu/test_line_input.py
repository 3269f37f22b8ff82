from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from mltu.line_input import LineInput
from mltu.utils.errors import InputError

GRAY_LINES = LineInput(48, 512, 128, "GRAY")
COLOR_LINES = LineInput(96, 400, None, "BGR")


def settings(architecture):
    return SimpleNamespace(architecture=architecture, height=48, width=512, width_step=128)


def test_from_configs_follows_the_architecture():
    assert LineInput.from_configs(settings("line")) == GRAY_LINES
    assert LineInput.from_configs(settings("reference")) == LineInput(48, 512, None, "BGR")


@pytest.mark.parametrize(("line_input", "widths"), [(GRAY_LINES, [128, 256, 384, 512]), (COLOR_LINES, [400])])
def test_widths_are_those_that_come_out(line_input, widths):
    assert list(line_input.widths) == widths
    images = [np.full((48, length), 255, np.uint8) for length in range(1, 1200, 37)]
    assert {line_input.resizer(image, None)[0].shape[1] for image in images} == set(widths)


@pytest.mark.parametrize(
    ("line_input", "width", "starts", "end"),
    [
        (GRAY_LINES, 512, [0], 512),
        (GRAY_LINES, 640, [0, 256], 640),
        (GRAY_LINES, 1024, [0, 256, 512], 1024),
        (LineInput(48, 1152, 128, "GRAY"), 2304, [0, 896, 1792], 2304),
        (LineInput(48, 128, 128, "GRAY"), 384, [0, 128, 256], 384),
        (COLOR_LINES, 400, [0], 400),
    ],
)
def test_windows_overlap_and_cover_the_line(line_input, width, starts, end):
    windows = line_input.windows(width)
    assert [window.start for window in windows] == starts
    assert windows[-1].stop == end
    assert all(window.stop - window.start == line_input.width for window in windows[:-1])


def test_call_keeps_the_proportions_of_long_lines(monkeypatch):
    image = np.full((96, 9600), 255, np.uint8)
    assert GRAY_LINES(image).shape == (48, 4864, 1)  # the next multiple of 128
    assert COLOR_LINES(image).shape == (96, 400, 3)
    monkeypatch.setattr("mltu.line_input.MAX_LINE_PIXELS", 48 * 2000)
    assert GRAY_LINES(image).shape == (48, 1920, 1)


@pytest.mark.parametrize("line_input", [GRAY_LINES, COLOR_LINES])
def test_metadata_brings_the_same_input_back(line_input):
    shape = ["batch", *line_input.shape]
    assert LineInput.from_metadata(line_input.metadata(), [shape], "model.onnx") == line_input


@pytest.mark.parametrize(
    ("changes", "shape", "complaint"),
    [
        ({}, [None, 48, None, 3], "takes input of shape"),
        ({}, [None, "height", None, 1], "takes input of shape"),
        ({"color": ["GRAY"]}, [None, 48, None, 1], "line reader"),
        ({"width_step": None}, [None, 48, "width", 1], "takes input of shape"),
        ({}, [None, 48], "takes input of shape"),
        ({}, [None, 0, None, 1], "takes input of shape"),
        ({}, [None, 2**40, None, 1], "takes input of shape"),
        ({"width": None}, [None, 48, None, 1], "its width is None"),
        ({"width": "wide"}, [None, 48, None, 1], "its width is 'wide'"),
        ({"width": True}, [None, 48, None, 1], "its width is True"),
        ({"width": 0}, [None, 48, None, 1], "its width is 0, not a usable number"),
        ({"width": 1e9}, [None, 48, None, 1], "not a usable number"),
        ({"width": 10**999}, [None, 48, None, 1], "not a usable number"),
        ({"width_step": 513}, [None, 48, None, 1], "its width_step is 513"),
        ({"width_step": 0.5}, [None, 48, None, 1], "its width_step is 0.5"),
        ({"width_step": "x"}, [None, 48, None, 1], "its width_step is 'x'"),
        ({"width_step": None, "color": "GRAY"}, [None, 8000, 8000, 1], "too large"),
        ({"preprocessing": {}}, [None, 48, None, 1], "other preprocessing"),
    ],
)
def test_from_metadata_refuses_other_networks(changes, shape, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        LineInput.from_metadata(GRAY_LINES.metadata() | changes, [shape], "model.onnx")
    assert str(caught.value).startswith("model.onnx: ")


def test_call_turns_light_on_dark_over_and_pads_in_the_papers_color():
    image = np.full((48, 100), 30, np.uint8)
    image[20:30, 20:60] = 250
    prepared = GRAY_LINES(image)
    assert (prepared.shape, prepared.dtype) == ((48, 128, 1), np.float32)
    assert prepared[25, 40, 0] == 5
    assert (prepared[:, 100:] == 225).all()


@pytest.mark.parametrize("line_input", [GRAY_LINES, COLOR_LINES])
def test_call_takes_all_kinds_of_arrays_alike(line_input, line_image):
    def darkness(image):
        return [round(float(half.mean())) for half in np.split(line_input(image), 2)]

    bgr = cv2.cvtColor(line_image, cv2.COLOR_GRAY2BGR)
    bgra = np.dstack([bgr, np.full_like(line_image, 255)])
    see_through = np.dstack([np.zeros_like(bgr), 255 - line_image])
    others = [line_image[..., None], bgr, bgra, see_through, line_image.astype(np.uint16) * 257, line_image / 255.0]
    assert [darkness(other) for other in others] == [darkness(line_image)] * len(others)
    assert darkness(bgr) != darkness(bgr // 2)
    with pytest.raises(InputError, match="shape"):
        line_input(np.zeros(5))


@pytest.mark.parametrize("line_input", [GRAY_LINES, COLOR_LINES])
def test_call_gives_what_training_reads(line_input, tmp_path):
    image = np.random.default_rng(0).integers(150, 256, (60, 210, 3)).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "line.png"), image)
    read, _ = line_input.reader(tmp_path / "line.png", "")
    np.testing.assert_array_equal(line_input(image), line_input.resizer(read.numpy(), "")[0])
