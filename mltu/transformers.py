"""The steps from images and texts to the arrays that a network takes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from .annotations.images import Image
from .ctc import steps_needed
from .utils.errors import InputError
from .utils.image_utils import paper_color

logger = logging.getLogger(__name__)


class Transformer:
    """Maps (data, label) to (data, label), without chance."""

    def __call__(self, data: Any, label: Any) -> tuple[Any, Any]:
        raise NotImplementedError


@dataclass
class ImageResizer(Transformer):
    """Bring an image to one size, in pixels."""

    width: int
    height: int
    keep_aspect_ratio: bool = True  # shrink or enlarge until the image just fits, then pad; else stretch
    padding_color: Sequence[int] | None = None  # grey level or colour; None takes the paper's colour

    @staticmethod
    def resize_maintaining_aspect_ratio(
        image: np.ndarray, width_target: int, height_target: int, padding_color: Sequence[int] | None = None
    ) -> np.ndarray:
        """Resize to fit and pad: on the right, and above and below in equal parts.

        Shape (height, width[, channels]) becomes (height_target, width_target[, channels]), in pixels; the dtype stays.
        """
        height, width = image.shape[:2]
        ratio = min(width_target / width, height_target / height)
        new_width = min(width_target, max(1, round(width * ratio)))
        new_height = min(height_target, max(1, round(height * ratio)))
        color = paper_color(image) if padding_color is None else tuple(padding_color)
        if (new_width, new_height) != (width, height):
            # averaging areas keeps thin strokes when an image shrinks
            method = cv2.INTER_AREA if ratio < 1 else cv2.INTER_LINEAR
            image = cv2.resize(image, (new_width, new_height), interpolation=method)
        return ImageResizer.pad(image, height_target, width_target, color)

    @staticmethod
    def pad(image: np.ndarray, height: int, width: int, color: Sequence[int]) -> np.ndarray:
        """Pad an image to a size: on the right, and above and below in equal parts; the number of axes stays."""
        above = (height - image.shape[0]) // 2
        below = height - image.shape[0] - above
        right = width - image.shape[1]
        padded = cv2.copyMakeBorder(image, above, below, 0, right, cv2.BORDER_CONSTANT, value=tuple(color))
        return padded.reshape(height, width, *image.shape[2:])

    def __call__(self, image: Image | np.ndarray, label: Any) -> tuple[Image | np.ndarray, Any]:
        """Resize an image, in the type it comes in: an :class:`Image` or an array."""
        pixels = image.numpy() if isinstance(image, Image) else image
        if self.keep_aspect_ratio:
            pixels = self.resize_maintaining_aspect_ratio(pixels, self.width, self.height, self.padding_color)
        else:
            pixels = cv2.resize(pixels, (self.width, self.height))
        return (image.update(pixels) if isinstance(image, Image) else pixels), label


@dataclass
class LineResizer(Transformer):
    """Bring a line to one height and to the next of a few widths, for networks that take any width.

    The result is independent of the other lines of its batch, and so is the reading.
    """

    height: int  # pixels, as the others
    max_width: int  # longer lines are shrunk to it
    width_step: int  # of which widths are multiples; `max_width` should be one too

    def __call__(self, image: Image | np.ndarray, label: Any) -> tuple[np.ndarray, Any]:
        """Return (array of shape (height, multiple of width_step, channels), label)."""
        pixels = image.numpy() if isinstance(image, Image) else image
        natural = pixels.shape[1] * self.height / pixels.shape[0]
        width = min(self.max_width, self.width_step * max(1, int(np.ceil(natural / self.width_step))))
        pixels = ImageResizer.resize_maintaining_aspect_ratio(pixels, width, self.height)
        return (pixels if pixels.ndim == 3 else pixels[..., None]), label


@dataclass
class HeightLimit(Transformer):
    """Shrink images that are higher than the network's input, which saves time in augmentation and memory in the cache.

    The height is in pixels.
    """

    height: int

    def __call__(self, image: Image, label: Any) -> tuple[Image, Any]:
        pixels = image.numpy()
        if pixels.shape[0] > self.height:
            width = max(1, round(pixels.shape[1] * self.height / pixels.shape[0]))
            image.update(cv2.resize(pixels, (width, self.height), interpolation=cv2.INTER_AREA))
        return image, label


class ImagePadding:
    """Batch postprocessor: pad images on the right, in their paper's colour, to the widest of the batch."""

    def __call__(self, data: list[np.ndarray], label: Any) -> tuple[np.ndarray, Any]:
        """Return (images of shape (batch, height, width, channels), label)."""
        width = max(image.shape[1] for image in data)
        padded = [
            image if image.shape[1] == width else ImageResizer.pad(image, image.shape[0], width, paper_color(image))
            for image in data
        ]
        return np.stack(padded), label


class LabelIndexer(Transformer):
    """Turn a text into the indices of its characters in a vocabulary, which has the order of the network's classes."""

    def __init__(self, vocab: str | Sequence[str]) -> None:
        self.vocab = vocab
        self._index = {character: index for index, character in enumerate(vocab)}

    def __call__(self, data: Any, label: str) -> tuple[Any, np.ndarray]:
        """Return (data, int32 array of shape (len(label),)); InputError if a character is not in the vocabulary."""
        unknown = sorted(set(label) - self._index.keys())
        if unknown:
            raise InputError(f"the text has {''.join(unknown)!r}, which is not in the vocabulary")
        return data, np.array([self._index[character] for character in label], dtype=np.int32)


@dataclass
class LabelStepCheck(Transformer):
    """Refuse labels that CTC cannot align to the network's time steps, see :func:`mltu.ctc.steps_needed`."""

    time_steps: int | Mapping[int, int]  # length of the network's output, or image width in pixels -> that length

    def __call__(self, data: Any, label: np.ndarray) -> tuple[Any, np.ndarray]:
        """Return both unchanged; InputError if the label needs more steps than there are."""
        needed = steps_needed(label)
        steps = self.time_steps if isinstance(self.time_steps, int) else self.time_steps[data.shape[1]]
        if needed > steps:
            raise InputError(f"the text needs {needed} time steps and the network has {steps}; raise --width")
        return data, label


@dataclass
class LabelPadding(Transformer):
    """Pad labels to one length."""

    padding_value: int  # to append, as a rule `len(vocab)`
    max_word_length: int | None = None  # the length; with `use_on_batch` the longest label of the batch decides
    use_on_batch: bool = False  # take a list of labels, as a batch postprocessor

    def __post_init__(self) -> None:
        if self.max_word_length is None and not self.use_on_batch:
            raise ValueError("max_word_length is needed unless use_on_batch is set")

    def _pad(self, label: np.ndarray, length: int) -> np.ndarray:
        if len(label) > length:
            raise InputError(f"the text has {len(label)} characters, more than max_text_length = {length}")
        return np.pad(label, (0, length - len(label)), constant_values=self.padding_value)

    def __call__(self, data: Any, label: Any) -> tuple[Any, np.ndarray]:
        """Return (data, labels of shape (length,) or (batch, length)); InputError if one is too long."""
        if self.use_on_batch:
            longest = max(map(len, label))
            return data, np.array([self._pad(indices, longest) for indices in label])
        return data, self._pad(label, self.max_word_length)


@dataclass
class ImageShowCV2(Transformer):
    """Show each image in a window and wait for a key; without a screen, only log a warning, once.

    It can stand between any two steps of the pipeline. Windows need the package opencv-python in place of
    opencv-python-headless.
    """

    verbose: bool = True  # log the label and the size too
    name: str = "Image"  # title of the window
    _screen: bool | None = field(default=None, init=False)

    @staticmethod
    def has_screen() -> bool:
        """Whether OpenCV can open a window; another process tries it, because Qt aborts where it cannot."""
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            return False
        attempt = "import cv2; cv2.namedWindow('screen test'); cv2.destroyAllWindows()"
        try:
            return subprocess.run([sys.executable, "-c", attempt], capture_output=True, timeout=30).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def __call__(self, image: Image | np.ndarray, label: Any) -> tuple[Image | np.ndarray, Any]:
        if self._screen is None:
            self._screen = self.has_screen()
            if not self._screen:
                logger.warning("ImageShowCV2: no screen, or an OpenCV without windows; images pass through unseen")
        pixels = image.numpy() if isinstance(image, Image) else image
        if self.verbose:
            logger.info("%s: %s, shape %s", self.name, label, pixels.shape)
        if self._screen:
            cv2.imshow(self.name, pixels)
            cv2.waitKey(0)
        return image, label
