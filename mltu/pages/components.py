"""Connected pieces of ink."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np


class Component(NamedTuple):
    """The bounding box of a piece of ink, in pixels, and how many pixels it has."""

    left: int
    top: int
    right: int
    bottom: int
    area: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def find_components(ink: np.ndarray) -> tuple[np.ndarray, list[Component]]:
    """Connected pieces of ink, the first of which is the paper.

    Args:
        ink: 1 and 0, uint8, shape (height, width).

    Returns:
        (number of the piece that each pixel belongs to, the pieces).
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(ink, connectivity=8)
    return labels, [Component(int(x), int(y), int(x + w), int(y + h), int(area)) for x, y, w, h, area in stats[:count]]
