"""The steps from a sample of a dataset to an image, before augmentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from .annotations.images import Image
from .utils.image_utils import dark_on_light


@dataclass
class ImageReader:
    """Read the image of a sample."""

    image_class: type[Image] = Image  # of the result, called with the path or array
    method: int = cv2.IMREAD_COLOR  # or `cv2.IMREAD_GRAYSCALE`

    def __call__(self, image_path: str | Path | np.ndarray, label: Any) -> tuple[Image, Any]:
        """Return (image, label); InputError if the image cannot be read."""
        return self.image_class(image_path, method=self.method), label


class DarkOnLight:
    """Invert images of light writing on a dark background."""

    def __call__(self, image: Image, label: Any) -> tuple[Image, Any]:
        return image.update(dark_on_light(image.numpy())), label
