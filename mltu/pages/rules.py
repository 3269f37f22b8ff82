"""Drawn rules: those between the columns of tables, which writing does not cross, and those that it stands on."""

from __future__ import annotations

import cv2
import numpy as np

from .maps import STRIDE

MIN_LENGTH = 4.0  # line heights, of a rule between columns
LONG = 12.0  # line heights, of faint rules and of folds
MIN_RULED = 3.0  # likewise, of any rule
MAX_WIDTH = 9  # pixels
MAX_SLANT = 3  # pixels that a rule may leave a straight column within `MIN_LENGTH`
FAINT, STRONG = 0.12, 0.3  # of the darkness of ink, of what may be a rule and of what is one
MIN_DARKNESS = 8.0  # grey levels
GRID, DOUBLE = 1.8, 0.4  # line heights: rules closer than the first are squares, and than the second a double rule
BESIDE = 0.2  # line heights to both sides of a rule where writing that crosses it has ink
PAPER = 41  # pixels, wider than any stroke of a pen


class DrawnRules:
    """The drawn rules of an image.

    Args:
        image: grey, uint8, shape (height, width).
        height: of lines of writing, pixels.
    """

    def __init__(self, image: np.ndarray, height: float) -> None:
        self.image, self.height = image, height
        self.paper = cv2.morphologyEx(image, cv2.MORPH_CLOSE, np.ones((PAPER, PAPER), np.uint8))
        self.dark = cv2.subtract(self.paper, image)
        self.ink = float(np.percentile(self.dark[::4, ::4], 98))
        # how much darker than both sides pixels are, where no more than MAX_WIDTH are dark; for level rules, turned
        self.thin, self.turned = (
            cv2.morphologyEx(np.ascontiguousarray(seen), cv2.MORPH_BLACKHAT, np.ones((1, MAX_WIDTH), np.uint8))
            for seen in (image, image.T)
        )

    def between_columns(self) -> np.ndarray | None:
        """Upright rules, except where writing crosses them.

        Upright lines of squared paper are none, because writing crosses them everywhere.

        Returns:
            bool, shape (height / STRIDE, width / STRIDE), rounded up; None if there are none.
        """
        level = np.ascontiguousarray(self._upright(self.turned, STRONG, MIN_LENGTH).T)
        level = cv2.dilate(level, np.ones((MAX_WIDTH, 1), np.uint8))
        strong = self._upright(self.thin, STRONG, MIN_LENGTH, level) | self._upright(self.thin, FAINT, LONG)
        if not strong.any():
            return None
        strong[_squares(self._upright(self.thin, FAINT, MIN_LENGTH), self.height) > 0] = 0
        rules = cv2.dilate(strong, np.ones((1, 3), np.uint8))
        # where ink stands close to both sides, writing crosses
        reach = max(2, round(BESIDE * self.height))
        writing = ((self.dark > STRONG * self.ink) & (rules == 0)).astype(np.uint8)
        writing = cv2.dilate(writing, np.ones((max(1, round(0.3 * self.height)), 1), np.uint8))
        before = cv2.dilate(writing, np.ones((1, reach), np.uint8), anchor=(reach - 1, 0))
        after = cv2.dilate(writing, np.ones((1, reach), np.uint8), anchor=(0, 0))
        rules[(before > 0) & (after > 0)] = 0
        bottom, right = (-side % STRIDE for side in rules.shape)
        rules = cv2.copyMakeBorder(rules, 0, bottom, 0, right, cv2.BORDER_REPLICATE)
        return rules.reshape(rules.shape[0] // STRIDE, STRIDE, -1, STRIDE).max(axis=(1, 3)) > 0

    def erased(self) -> np.ndarray:
        """The image without thin straight lines, level or upright."""
        upright, level = (
            cv2.dilate(self._upright(thin, FAINT, MIN_RULED), np.ones((1, 3), np.uint8))
            for thin in (self.thin, self.turned)
        )
        return np.where((upright | level.T) > 0, self.paper, self.image)

    def _upright(
        self, thin: np.ndarray, darkness: float, length: float, crossing: np.ndarray | None = None
    ) -> np.ndarray:
        """1 in upright lines, uint8.

        Args:
            thin: how much darker than what is beside it a pixel is, where it is thin.
            darkness: the least of that, as a share of the darkness of ink.
            length: the least, line heights.
            crossing: 1 where level rules may hide the lines, uint8.
        """
        rows = max(3, round(length * self.height))
        if rows >= thin.shape[0]:  # beyond its edges, OpenCV takes the image for lines
            return np.zeros_like(thin)
        mask = (thin > max(MIN_DARKNESS, darkness * self.ink)).astype(np.uint8)
        if crossing is not None:
            mask |= crossing
        wide = cv2.dilate(mask, np.ones((3, MAX_SLANT), np.uint8))
        lines = cv2.morphologyEx(wide, cv2.MORPH_OPEN, np.ones((rows, 1), np.uint8))
        # grain may fill whole areas
        return lines & ~cv2.morphologyEx(lines, cv2.MORPH_OPEN, np.ones((1, MAX_WIDTH + 2 * MAX_SLANT), np.uint8))


def _squares(mask: np.ndarray, height: float) -> np.ndarray:
    """The upright lines of a mask that have another too close beside them, with some room around."""
    near, double = round(GRID * height), max(2, round(DOUBLE * height))
    # lines that make one rule
    whole = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((1, double), np.uint8))
    edges = np.diff(whole, axis=1, prepend=0) == 1  # where a line begins
    beside = cv2.boxFilter(edges.astype(np.float32), -1, (2 * near + 1, 1), normalize=False)
    # several rows, because lines have gaps
    rows = max(3, round(height)) | 1
    share = cv2.blur((beside > 1.5).astype(np.float32), (1, rows))
    return cv2.dilate((share > 0.5).astype(np.uint8), np.ones((1, 5), np.uint8))
