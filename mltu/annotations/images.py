"""An image on its way through the pipeline."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..utils.image_utils import read_image, to_bgr, to_gray


class Image:
    """An 8-bit grey or colour image and the path of its file.

    Args:
        image: path of an image file, or an array as :func:`mltu.utils.image_utils.to_bgr` takes.
        method: `cv2.IMREAD_COLOR` or `cv2.IMREAD_GRAYSCALE`.
        color: order of the channels, "BGR" or "RGB"; without effect on grey images.

    Raises:
        InputError: the file or array cannot be used.
    """

    def __init__(
        self, image: str | Path | np.ndarray, method: int = cv2.IMREAD_COLOR, path: str = "", color: str = "BGR"
    ) -> None:
        self.color = "GRAY" if method == cv2.IMREAD_GRAYSCALE else color
        if isinstance(image, np.ndarray):
            self.path = path
            self._image = to_gray(image) if self.color == "GRAY" else to_bgr(image)
        else:
            self.path = str(image)
            self._image = read_image(image, "GRAY" if self.color == "GRAY" else "BGR")
            if self.color == "RGB":
                self._image = cv2.cvtColor(self._image, cv2.COLOR_BGR2RGB)

    @property
    def image(self) -> np.ndarray:
        """The pixels, shape (height, width) or (height, width, 3), uint8."""
        return self._image

    @image.setter
    def image(self, value: np.ndarray) -> None:
        self._image = value

    @property
    def shape(self) -> tuple[int, ...]:
        return self._image.shape

    @property
    def center(self) -> tuple[int, int]:
        """(x, y) of the middle pixel."""
        return self._image.shape[1] // 2, self._image.shape[0] // 2

    def RGB(self) -> np.ndarray:
        if self._image.ndim == 2:
            return cv2.cvtColor(self._image, cv2.COLOR_GRAY2RGB)
        return self._image if self.color == "RGB" else cv2.cvtColor(self._image, cv2.COLOR_BGR2RGB)

    def HSV(self) -> np.ndarray:
        return cv2.cvtColor(self.RGB(), cv2.COLOR_RGB2HSV)

    def update(self, image: np.ndarray) -> Image:
        """Replace the pixels; returns this image."""
        self._image = image
        return self

    def flip(self, axis: int = 0) -> Image:
        """Mirror left to right (axis 0) or upside down (axis 1); returns this image. ValueError for another axis."""
        if axis not in (0, 1):
            raise ValueError(f"axis must be 0 or 1, not {axis}")
        return self.update(cv2.flip(self._image, 1 - axis))

    def numpy(self) -> np.ndarray:
        return self._image

    def __call__(self) -> np.ndarray:
        return self._image


CVImage = Image  # the name that scripts written for the mltu library import
