import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.annotations.images import Image
from mltu.transformers import (
    HeightLimit,
    ImagePadding,
    ImageResizer,
    ImageShowCV2,
    LabelIndexer,
    LabelPadding,
    LabelStepCheck,
    LineResizer,
)
from mltu.utils.errors import InputError

sizes = st.integers(1, 300)


@given(height=sizes, width=sizes, target_height=st.integers(8, 200), target_width=st.integers(8, 400))
def test_resize_maintaining_aspect_ratio_keeps_proportions(height, width, target_height, target_width):
    image = np.zeros((height, width), np.uint8)
    resized = ImageResizer.resize_maintaining_aspect_ratio(image, target_width, target_height, padding_color=(255,))
    assert resized.shape == (target_height, target_width)
    rows, columns = (resized < 128).any(1).sum(), (resized < 128).any(0).sum()
    ratio = min(target_width / width, target_height / height)
    # rounding to whole pixels, one either way
    assert abs(rows - max(1, height * ratio)) <= 1
    assert abs(columns - max(1, width * ratio)) <= 1
    assert rows == target_height or columns == target_width
    assert (resized[:, 0] < 128).any()  # the writing starts at the left edge


def test_ImageResizer_pads_in_the_papers_colour(line_image):
    color = np.dstack([line_image, line_image // 2, line_image])
    resized, _ = ImageResizer(600, 80)(color, "x")
    assert resized[0, -1].tolist() == [230, 115, 230]
    black, _ = ImageResizer(600, 80, padding_color=(0, 0, 0))(color, "x")
    assert black[0, -1].tolist() == [0, 0, 0]


def test_ImageResizer_can_stretch_and_keeps_the_kind_of_image():
    pixels = np.zeros((40, 200, 3), np.uint8)
    pixels[:, 100:] = 255
    image, label = ImageResizer(50, 60, keep_aspect_ratio=False)(Image(pixels), "x")
    assert isinstance(image, Image)
    assert (image.shape, label) == ((60, 50, 3), "x")
    assert (image.numpy() == np.where(np.arange(50) < 25, 0, 255)[None, :, None]).all()


@given(height=sizes, width=sizes)
def test_LineResizer_gives_one_height_and_the_next_width(height, width):
    resizer = LineResizer(32, 256, 64)
    image, label = resizer(np.full((height, width), 7, np.uint8), "x")
    assert label == "x"
    assert (image.shape[0], image.shape[2]) == (32, 1)
    assert image.shape[1] in (64, 128, 192, 256)
    natural = width * 32 / height
    assert image.shape[1] - 64 < natural <= image.shape[1] or natural > 256 == image.shape[1]
    assert (image == 7).all()


def test_HeightLimit_shrinks_high_images_only(line_image):
    image, label = HeightLimit(20)(Image(line_image), "x")
    assert (image.shape, label) == ((20, 100, 3), "x")
    low = Image(line_image)
    assert HeightLimit(40)(low, "x")[0].numpy() is low.numpy()
    assert low.shape == (40, 200, 3)
    assert HeightLimit(1)(Image(np.zeros((300, 3), np.uint8)), "x")[0].shape == (1, 1, 3)


def test_ImagePadding_pads_to_the_widest_of_the_batch(line_image):
    narrow, wide = np.full((8, 10, 1), 200, np.uint8), np.full((8, 30, 1), 100, np.uint8)
    narrow[3, 4] = 0
    images, label = ImagePadding()([narrow, wide], "labels")
    assert (images.shape, images.dtype, label) == ((2, 8, 30, 1), np.uint8, "labels")
    assert np.array_equal(images[0, :, :10], narrow)
    assert (images[0, :, 10:] == 200).all()
    assert (images[1] == 100).all()


def test_LabelStepCheck_takes_steps_for_all_widths_or_each():
    label = np.array([0, 0, 1])
    by_width = LabelStepCheck({12: 4, 11: 3})
    assert LabelStepCheck(4)(None, label)[1] is by_width(np.zeros((8, 12, 1)), label)[1] is label
    for check in (LabelStepCheck(3), by_width):
        with pytest.raises(InputError, match="needs 4 time steps and the network has 3"):
            check(np.zeros((8, 11, 1)), label)


def test_LabelIndexer_follows_the_vocabulary():
    _, label = LabelIndexer("xyz ")(None, "zy x")
    assert label.tolist() == [2, 1, 3, 0]
    with pytest.raises(InputError, match="'é'"):
        LabelIndexer("abc")(None, "abé")


def test_LabelPadding_pads_or_refuses():
    pad = LabelPadding(padding_value=9, max_word_length=4)
    assert pad(None, np.array([1, 2]))[1].tolist() == [1, 2, 9, 9]
    with pytest.raises(InputError, match="max_text_length"):
        pad(None, np.arange(5))
    batch = LabelPadding(padding_value=9, use_on_batch=True)
    assert batch(None, [np.array([1]), np.array([1, 2, 3])])[1].tolist() == [[1, 9, 9], [1, 2, 3]]
    with pytest.raises(ValueError, match="max_word_length"):
        LabelPadding(padding_value=9)


def test_ImageShowCV2_without_a_screen_warns_once(monkeypatch, caplog, line_image):
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    show = ImageShowCV2()
    for _ in range(2):
        image, label = show(line_image, "text")
        assert image is line_image
        assert label == "text"
    assert len(caplog.records) == 1


def test_ImageShowCV2_opens_a_window(monkeypatch, line_image):
    shown = []
    monkeypatch.setattr(ImageShowCV2, "has_screen", staticmethod(lambda: True))
    monkeypatch.setattr(cv2, "imshow", lambda name, pixels: shown.append((name, pixels.shape)))
    monkeypatch.setattr(cv2, "waitKey", lambda delay: None)
    ImageShowCV2(name="look")(Image(line_image), "text")
    assert shown == [("look", (40, 200, 3))]


def test_has_screen_is_false_for_an_unreachable_screen(monkeypatch):
    monkeypatch.setenv("DISPLAY", "localhost:987")
    assert ImageShowCV2.has_screen() is False
