import cv2
import numpy as np
import pytest

from mltu import CVImage
from mltu.annotations.images import Image


def test_Image_knows_path_size_and_centre(png):
    path = png()
    image = CVImage(str(path))
    assert (image.path, image.shape, image.center, image.color) == (str(path), (40, 200, 3), (100, 20), "BGR")
    assert CVImage(path, method=cv2.IMREAD_GRAYSCALE).shape == (40, 200)


def test_RGB_and_HSV_convert_from_grey_and_either_order(png):
    blue = np.zeros((4, 6, 3), np.uint8)
    blue[..., 0] = 255
    in_rgb = Image(png("blue.png", blue), color="RGB")
    assert in_rgb.numpy()[0, 0].tolist() == Image(blue).RGB()[0, 0].tolist() == [0, 0, 255]
    assert in_rgb.HSV()[0, 0].tolist() == Image(blue).HSV()[0, 0].tolist() == [120, 255, 255]
    assert Image(blue[..., 0], method=cv2.IMREAD_GRAYSCALE).RGB().shape == (4, 6, 3)


def test_flip_mirrors_along_the_axis():
    ramp = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = Image(ramp, method=cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(image.flip(0)(), ramp[:, ::-1])
    assert np.array_equal(image.update(ramp).flip(1).numpy(), ramp[::-1])
    assert image.image.tolist() == ramp[::-1].tolist()
    image.image = ramp
    assert image.numpy() is ramp
    with pytest.raises(ValueError, match="axis"):
        image.flip(2)
