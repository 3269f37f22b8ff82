"""Pictures of what the line finder is trained on."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..pages.maps import MAPS, STRIDE

COLUMNS, GAP = 5, 4  # scenes side by side, and pixels between them
LONGEST_ARROW = 60  # pixels


def draw_maps_over(image: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """An image with its maps: cores blue-green, ends violet, arrows in the direction of writing, yellow without weight.

    Args:
        image: uint8, shape (height, width, 1).
        maps: shape (height / STRIDE, width / STRIDE, 6), or 7 with weights.

    Returns:
        uint8 BGR image of the same size.
    """
    picture = np.repeat(image, 3, axis=2).astype(np.float32)
    large = np.repeat(np.repeat(maps.astype(np.float32), STRIDE, axis=0), STRIDE, axis=1)
    core, ends = (large[..., MAPS.index(name)] for name in ("core", "ends"))
    picture[..., 2] *= 1 - 0.55 * core
    picture[..., 1] *= 1 - 0.55 * ends
    if maps.shape[2] > len(MAPS):
        picture[..., 0] *= 0.65 + 0.35 * large[..., len(MAPS)]
    picture = np.ascontiguousarray(picture.astype(np.uint8))
    _, labels, stats, centers = cv2.connectedComponentsWithStats(np.uint8(maps[..., 0] > 0.5))
    for label in range(1, len(stats)):
        inside = maps[labels == label]
        along = inside[:, MAPS.index("cos") : MAPS.index("sin") + 1].astype(np.float64).mean(axis=0)
        arrow = along * min(LONGEST_ARROW, STRIDE * max(stats[label, 2:4])) / 2
        start, end = (np.rint(STRIDE * centers[label] + move).astype(int) for move in (-arrow, arrow))
        cv2.arrowedLine(picture, tuple(start), tuple(end), (200, 0, 0), 1, cv2.LINE_AA, tipLength=0.3)
    return picture


def scene_sheet(scenes: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Lay out scenes of one size, each (image, maps) as in :func:`draw_maps_over`, in rows; uint8 BGR image."""
    pictures = [
        cv2.copyMakeBorder(draw_maps_over(*scene), 0, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for scene in scenes
    ]
    pictures += [np.full_like(pictures[0], 255)] * (-len(pictures) % COLUMNS)
    rows = [np.hstack(pictures[start : start + COLUMNS]) for start in range(0, len(pictures), COLUMNS)]
    return np.vstack(rows)
