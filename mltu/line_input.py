"""The one form of a line that a network takes, in training and in reading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np

from .annotations.images import CVImage
from .configs import abbreviate
from .preprocessors import ImageReader
from .transformers import ImageResizer, LineResizer
from .utils.errors import InputError
from .utils.image_utils import MAX_SIDE, dark_on_light, to_bgr, to_gray

CHANNELS = {"BGR": 3, "GRAY": 1}
MAX_LINE_PIXELS = 16_000_000  # of a line
OVERLAP = 4  # heights that the windows of a longer line share, at least, if the width allows
# what is done to a line besides its size and colour; a model that was trained otherwise is refused
PREPROCESSING = {
    "values": [0, 255],
    "polarity": "dark on light",
    "keep_aspect_ratio": True,
    "padding_color": "paper",
    "align": ["left", "middle"],
}


@dataclass(frozen=True)
class LineInput:
    """Size, colour, polarity and padding of the lines that a network takes; called, it brings an image to that form.

    Lines are dark on light, keep their proportions, stand at the left, in the middle of the height, and are padded
    in the paper's colour.

    Args:
        height: pixels.
        width: pixels; of every line, or with a `width_step` of the longest that the network takes at once.
        width_step: lines are padded to the next multiple of this many pixels; None: all to `width`.
        color: "GRAY" or "BGR".

    Example:
        >>> LineInput(48, 1152, 128, "GRAY")(np.full((96, 300), 255, np.uint8)).shape
        (48, 256, 1)
    """

    height: int
    width: int
    width_step: int | None
    color: str

    @classmethod
    def from_configs(cls, configs: Any) -> LineInput:
        """The input of the network that the settings name: grey lines of any width, or BGR lines of one width."""
        if configs.architecture != "reference":
            return cls(configs.height, configs.width, configs.width_step, "GRAY")
        return cls(configs.height, configs.width, None, "BGR")

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, Any], shapes: Sequence[Sequence[Any]], source: str) -> LineInput:
        """The input of an exported network, whose file may come from anyone.

        Args:
            metadata: of the ONNX file, see :meth:`metadata`.
            shapes: of the network's inputs, batch axis first; free axes are not numbers.
            source: the file, for messages.

        Raises:
            InputError: the network does not take lines in this form.
        """
        color, width_step = metadata.get("color", "BGR"), metadata.get("width_step")
        channels = CHANNELS.get(color) if isinstance(color, str) else None
        shape = shapes[0] if len(shapes) == 1 else []
        fixed_sides = shape[1:2] if width_step else shape[1:3]
        whole = all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in fixed_sides)
        if len(shape) != 4 or not whole or shape[3] != channels:
            raise InputError(
                f"{source}: takes input of shape {abbreviate(shape)}, not (batch, height, width, {channels}) as a "
                f"{abbreviate(color)} line reader"
            )
        width = metadata_number(metadata, "width", int, 1, MAX_SIDE, source) if width_step else shape[2]
        if shape[1] * width > MAX_LINE_PIXELS:
            raise InputError(f"{source}: takes lines of {shape[1]} x {width} pixels, which is too large")
        if width_step:
            width_step = metadata_number(metadata, "width_step", int, 1, width, source)
        if metadata.get("preprocessing", PREPROCESSING) != PREPROCESSING:
            raise InputError(f"{source}: was trained with other preprocessing; export it with this version")
        return cls(shape[1], width, width_step or None, color)

    def metadata(self) -> dict[str, Any]:
        """Name -> value, as an exported model has them."""
        return {
            "height": self.height,
            "width": self.width,
            "width_step": self.width_step,
            "color": self.color,
            "preprocessing": PREPROCESSING,
        }

    @property
    def shape(self) -> tuple[int, int | None, int]:
        """(height, width, channels) of the network's input; the width is None if it varies."""
        return self.height, None if self.width_step else self.width, CHANNELS[self.color]

    @property
    def widths(self) -> Sequence[int]:
        """All widths that the network takes, in pixels."""
        return range(self.width_step, self.width + 1, self.width_step) if self.width_step else [self.width]

    @property
    def reader(self) -> ImageReader:
        """Preprocessor that reads an image file in this colour."""
        return ImageReader(CVImage, cv2.IMREAD_GRAYSCALE if self.color == "GRAY" else cv2.IMREAD_COLOR)

    @property
    def resizer(self) -> LineResizer | ImageResizer:
        """Transformer that brings an image to a size that the network takes; longer lines are shrunk."""
        if self.width_step:
            return LineResizer(self.height, self.width, self.width_step)
        return ImageResizer(self.width, self.height, keep_aspect_ratio=True)

    def windows(self, width: int) -> list[slice]:
        """Columns of a line of some width, in pixels, in overlapping windows that the network takes.

        Each begins as many pixels behind the one before; there is one window where the width can be taken at once.
        """
        if not self.width_step or width <= self.width:
            return [slice(0, width)]
        stride = max(1, (self.width - OVERLAP * self.height) // self.width_step) * self.width_step
        starts = range(0, width - self.width + stride, stride)
        return [slice(start, min(start + self.width, width)) for start in starts]

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """An image at the height that the network takes, in windows of its width if it is longer: see :meth:`windows`.

        Args:
            image: grey (H, W), BGR (H, W, 3) or BGRA (H, W, 4); 8-bit, 16-bit or float.

        Returns:
            float32 array of shape (height, width, channels), values 0 to 255.

        Raises:
            InputError: not an image.
        """
        image = dark_on_light(to_gray(image) if self.color == "GRAY" else to_bgr(image))
        resizer = self.resizer
        if self.width_step:
            most = MAX_LINE_PIXELS // self.height // self.width_step * self.width_step
            resizer = replace(resizer, max_width=max(most, self.width))
        return resizer(image, None)[0].astype(np.float32)


def metadata_number(
    metadata: Mapping[str, Any],
    name: str,
    kind: type,
    low: float,
    high: float,
    source: str,
    default: float | None = None,
) -> Any:
    """A number of a model's metadata, whole if `kind` is int, from `low` to `high`.

    Raises:
        InputError: there is none, or it is out of range; the message names `source`.
    """
    value = metadata.get(name, default)
    kinds = (int,) if kind is int else (int, float)
    if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
        raise InputError(f"{source}: its {name} is {abbreviate(value)}, not a usable number; export it again")
    return value
