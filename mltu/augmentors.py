"""Random changes to training images.

Each augmentor takes an :class:`mltu.annotations.images.Image` or a uint8 array, grey (H, W) or
colour (H, W, 3), and returns the same kind with the same dtype and number of channels.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, fields
from typing import Any

import cv2
import numpy as np

from .annotations.images import Image
from .configs import setting
from .utils.image_utils import paper_color


@dataclass
class Augmentor:
    """Base class: decides by chance whether to change an image, and takes and returns both kinds of image.

    Raises:
        ValueError: the probability, or a setting of the augmentor, is out of range.

    Example:
        >>> changed, text = RandomSlant(random_chance=1)(np.full((64, 300), 255, np.uint8), "a line")
        >>> changed.shape[0], text
        (64, 'a line')
    """

    random_chance: float = setting(0.5, at_least=0, at_most=1)  # probability that an image is changed
    _: KW_ONLY
    seed: int = 0  # of the augmentor's own random numbers, which a call without `rng` uses

    def __post_init__(self) -> None:
        for field in fields(self):
            if "range" in field.metadata:
                field.metadata["range"].check(field.name, getattr(self, field.name))
        self._rng = np.random.default_rng(self.seed)

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Change an image; every random number comes from `rng`."""
        raise NotImplementedError

    def __call__(
        self, image: Image | np.ndarray, annotation: Any, rng: np.random.Generator | None = None
    ) -> tuple[Image | np.ndarray, Any]:
        """Return (image, annotation), the image changed with the given probability.

        Args:
            image: an `Image` is updated in place, an array is left as it is.
            rng: random numbers of this call, which make a sample's changes independent of other samples.
        """
        rng = self._rng if rng is None else rng
        if rng.random() >= self.random_chance:
            return image, annotation
        if isinstance(image, Image):
            return image.update(self.augment(image.numpy(), rng)), annotation
        return self.augment(image, rng), annotation


def _warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Warp an image by an affine matrix to a (width, height); the new background has the paper's colour."""
    background = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": paper_color(image)}
    return cv2.warpAffine(image, matrix.astype(np.float32), size, flags=cv2.INTER_LINEAR, **background)


@dataclass
class RandomBrightness(Augmentor):
    """Make the image lighter or darker by adding one value to all pixels."""

    delta: int = setting(60, at_least=0, at_most=255)  # largest change, in grey levels of 255

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        change = int(rng.integers(-self.delta, self.delta + 1))
        return np.clip(image.astype(np.int16) + change, 0, 255).astype(image.dtype)


@dataclass
class RandomRotate(Augmentor):
    """Rotate the image about its centre; it grows so that nothing is cut off."""

    angle: float | tuple[float, float] = 1.5  # largest angle to either side, or a (lowest, highest) pair; degrees

    @staticmethod
    def rotate_image(image: np.ndarray, angle: float) -> np.ndarray:
        """Rotate by `angle` degrees, anticlockwise, on a paper-coloured background."""
        height, width = image.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
        cos, sin = abs(matrix[0, 0]), abs(matrix[0, 1])
        new_width = int(np.ceil(width * cos + height * sin))
        new_height = int(np.ceil(width * sin + height * cos))
        matrix[:, 2] += (new_width - width) / 2, (new_height - height) / 2
        return _warp(image, matrix, (new_width, new_height))

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        low, high = (-self.angle, self.angle) if isinstance(self.angle, (int, float)) else self.angle
        return self.rotate_image(image, rng.uniform(low, high))


@dataclass
class RandomErodeDilate(Augmentor):
    """Make dark strokes thinner or thicker.

    The kernel's (width, height) are pixels of a line 64 pixels high; it grows with the height of the line.
    """

    kernel_size: tuple[int, int] = (2, 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.kernel_size) < 2:
            raise ValueError("kernel_size must be at least 2 in one direction: a 1 x 1 kernel changes nothing")

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        scale = max(1.0, image.shape[0] / 64)
        size = [max(1, round(side * scale)) for side in self.kernel_size]
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE if min(size) > 2 else cv2.MORPH_RECT, size)
        changed = cv2.erode(image, kernel) if rng.random() < 0.5 else cv2.dilate(image, kernel)
        # at full strength the kernel would swallow hairlines, so only a random share of the change is mixed in
        share = rng.uniform(0.3, 1.0)
        return cv2.addWeighted(changed, share, image, 1 - share, 0)


@dataclass
class RandomSharpen(Augmentor):
    """Mix in the image sharpened by a Laplacian kernel."""

    alpha: float = setting(0.25, at_least=0, at_most=1)  # largest share of the sharpened image
    lightness_range: tuple[float, float] = (0.75, 2.0)  # added to 8 for the kernel's centre; above 1 it brightens

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        kernel = np.full((3, 3), -1.0, dtype=np.float32)
        kernel[1, 1] = 8 + rng.uniform(*self.lightness_range)
        share = rng.uniform(0, self.alpha)
        return cv2.addWeighted(cv2.filter2D(image, -1, kernel), share, image, 1 - share, 0)


@dataclass
class RandomGaussianBlur(Augmentor):
    """Blur as a camera out of focus does."""

    sigma: float = 1.0  # largest standard deviation in pixels of a line 64 pixels high; grows with the line's height

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        sigma = rng.uniform(0.2, 1.0) * self.sigma * max(1.0, image.shape[0] / 64)
        return cv2.GaussianBlur(image, (0, 0), sigma)


@dataclass
class RandomSaltAndPepper(Augmentor):
    """Set random pixels to white (salt) or black (pepper)."""

    salt_vs_pepper: float = setting(0.5, at_least=0, at_most=1)  # share of white among the changed pixels
    amount: float = setting(0.02, at_least=0, at_most=1)  # largest share of the pixels that are changed

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = image.shape[:2]
        count = int(rng.uniform(0, self.amount) * height * width)
        rows, columns = rng.integers(0, height, count), rng.integers(0, width, count)
        salt = rng.random(count) < self.salt_vs_pepper
        image = image.copy()
        image[rows[salt], columns[salt]] = 255
        image[rows[~salt], columns[~salt]] = 0
        return image


@dataclass
class RandomElasticTransform(Augmentor):
    """Bend the image by a smooth random displacement of every pixel.

    Simard, Steinkraus and Platt, "Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis" (ICDAR 2003), sec. 2. The displacements are drawn on a coarse grid and
    enlarged, which smooths them as the paper's Gaussian does, at a fraction of the cost.
    Ranges are shares of the image height.
    """

    alpha_range: tuple[float, float] = (0.01, 0.03)  # of the standard deviation of the displacement
    sigma_range: tuple[float, float] = (0.2, 0.5)  # of the distance of the grid's points: smoothness

    @staticmethod
    def elastic_transform(image: np.ndarray, alpha: float, sigma: float, rng: np.random.Generator) -> np.ndarray:
        """Displace by a standard deviation of `alpha` with a grid distance of `sigma`, both in pixels."""
        height, width = image.shape[:2]
        grid = (int(np.ceil(height / sigma)) + 2, int(np.ceil(width / sigma)) + 2, 2)
        field = rng.normal(0, alpha, grid).astype(np.float32)
        # cubic interpolation to a quarter of the size is as smooth, and much quicker
        places = cv2.resize(field, (width // 4 + 1, height // 4 + 1), interpolation=cv2.INTER_CUBIC)
        places = cv2.resize(places, (width, height), interpolation=cv2.INTER_LINEAR)
        places[..., 0] += np.arange(width, dtype=np.float32)
        places[..., 1] += np.arange(height, dtype=np.float32)[:, None]
        background = {"borderMode": cv2.BORDER_CONSTANT, "borderValue": paper_color(image)}
        return cv2.remap(image, places, None, interpolation=cv2.INTER_LINEAR, **background)

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height = image.shape[0]
        alpha, sigma = rng.uniform(*self.alpha_range) * height, rng.uniform(*self.sigma_range) * height
        return self.elastic_transform(image, alpha, max(sigma, 2.0), rng)


@dataclass
class RandomSlant(Augmentor):
    """Shear the writing to the left or right; the image grows so that nothing is cut off."""

    angle: float = setting(15.0, at_least=0, below=60)  # largest slant to either side, degrees from the vertical

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = image.shape[:2]
        shear = np.tan(np.radians(rng.uniform(-self.angle, self.angle)))
        offset = max(0.0, shear * height)
        matrix = np.array([[1.0, -shear, offset], [0.0, 1.0, 0.0]])
        return _warp(image, matrix, (width + int(np.ceil(abs(shear) * height)), height))


@dataclass
class RandomStretch(Augmentor):
    """Make the writing wider or narrower at the same height."""

    scale: tuple[float, float] = (0.75, 1.25)  # lowest and highest factor of the width

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale must be a pair of positive factors, lowest first, not {self.scale}")

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = image.shape[:2]
        new_width = max(1, round(width * rng.uniform(*self.scale)))
        method = cv2.INTER_AREA if new_width < width else cv2.INTER_LINEAR
        return cv2.resize(image, (new_width, height), interpolation=method)


@dataclass
class RandomRuling(Augmentor):
    """Draw the lines of ruled or squared paper."""

    distance: tuple[float, float] = (0.3, 1.2)  # lowest and highest distance of the lines, share of the image height
    strength: float = 0.7  # largest opacity of the lines, 0 to 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.distance[0] <= self.distance[1]:
            raise ValueError(f"distance must be a pair of positive shares, lowest first, not {self.distance}")

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height = image.shape[0]
        distance = max(6.0, rng.uniform(*self.distance) * height)
        tilt = rng.normal(0, 0.004)
        thickness = int(rng.integers(1, 3)) if height > 48 else 1
        paper = np.array(paper_color(image), np.float32)
        color = paper * rng.uniform(0.45, 0.9, len(paper)).astype(np.float32)
        strength = rng.uniform(0.3, 1.0) * self.strength
        image = image.copy()
        for across in (False, True) if rng.random() < 0.3 else (False,):
            view = image.swapaxes(0, 1) if across else image
            length = view.shape[1]
            mask = np.zeros(view.shape[:2], np.uint8)
            slope = -tilt if across else tilt
            for row in np.arange(rng.uniform(0, distance), view.shape[0], distance):
                cv2.line(mask, (0, round(row)), (length, round(row + slope * length)), 255, thickness, cv2.LINE_AA)
            rows = np.flatnonzero(mask.any(axis=1))
            before = view[rows].astype(np.float32).reshape(len(rows), length, len(color))
            opacity = mask[rows, :, None] * np.float32(strength / 255)
            # a line must not lighten the ink that it crosses
            after = np.rint(np.minimum(before, before + (color - before) * opacity))
            view[rows] = after.astype(image.dtype).reshape(view[rows].shape)
        return image


@dataclass
class RandomPaper(Augmentor):
    """Uneven light, faint or strong ink, and the grain of paper or sensor."""

    light: float = 0.25  # largest loss of light in a part of the image, as a share of the full light
    contrast: tuple[float, float] = (0.5, 1.3)  # lowest and highest factor of the difference from the paper's colour
    grain: float = 8.0  # largest standard deviation of the noise, in grey levels of 255

    def augment(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = image.shape[:2]
        contrast = rng.uniform(*self.contrast)
        grey = np.arange(256)[:, None]
        tones = grey * contrast + np.array(paper_color(image)) * (1 - contrast)
        tones = np.clip(np.rint(tones), 0, 255).astype(np.uint8)[:, None]
        coarse = rng.uniform(1 - self.light, 1, (2, max(2, width // (2 * height) + 2))).astype(np.float32)
        light = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
        noise = np.empty((height, width), np.float32)
        cv2.setRNGSeed(int(rng.integers(2**31)))  # OpenCV keeps a generator for each thread
        cv2.randn(noise, 0, rng.uniform(0, self.grain))
        if image.ndim == 3:
            light, noise = cv2.merge([light] * 3), cv2.merge([noise] * 3)
        lit = cv2.multiply(cv2.LUT(image, tones), light, dtype=cv2.CV_32F)
        return cv2.add(lit, noise, dtype=cv2.CV_8U)  # rounds, and clips to 0 .. 255


AUGMENTORS = {augmentor.__name__: augmentor for augmentor in Augmentor.__subclasses__()}
