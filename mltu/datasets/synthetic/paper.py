"""Paper under the writing, and ink on it."""

from __future__ import annotations

import cv2
import numpy as np

from .hand import Hand


def coarse_noise(rng: np.random.Generator, shape: tuple[int, int], grain: int) -> np.ndarray:
    """Noise of deviation about 1 whose blots are `grain` pixels large."""
    small = rng.normal(0, 1, (shape[0] // grain + 3, shape[1] // grain + 3)).astype(np.float32)
    return cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def draw_paper(
    shape: tuple[int, int],
    baseline: float,
    line_height: float,
    rng: np.random.Generator,
    line_distance: float | None = None,
) -> np.ndarray:
    """Paper with light, grain and, mostly, ruled lines, float32 BGR; the shape is (height, width), lengths are pixels.

    Several lines of writing, each `line_distance` below the one before, stand on the ruled ones.
    """
    height, width = shape
    tint = np.array([1, 1, 1], np.float32) + rng.uniform(-0.05, 0.0, 3) * (rng.random() < 0.5)
    paper = np.full((height, width, 3), rng.uniform(215, 252), np.float32) * tint.astype(np.float32)
    light = rng.uniform(-14, 14) * np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    light = light + rng.uniform(0, 4) * coarse_noise(rng, shape, 60)
    paper += (light + rng.uniform(0.5, 3) * rng.normal(0, 1, shape).astype(np.float32))[..., None]
    ruling = rng.choice(("none", "lines", "grid"), p=(0.45, 0.4, 0.15))
    if ruling != "none":
        color = np.array(((215, 190, 160), (200, 200, 200), (225, 205, 190))[rng.integers(3)], np.float32)
        strength = rng.uniform(0.35, 0.9)
        tilt = rng.normal(0, 0.004)
        distance = line_height * (rng.uniform(1.4, 2.0) if ruling == "lines" else rng.uniform(0.45, 0.7))
        if line_distance:
            distance = line_distance / (1 if ruling == "lines" else 4)
        mask = np.zeros(shape, np.uint8)
        first = (baseline + rng.uniform(-2, 4)) % distance
        for y in np.arange(first - distance, height + distance, distance):
            cv2.line(mask, (0, round(y * 16)), (width * 16, round((y + tilt * width) * 16)), 255, 1, cv2.LINE_AA, 4)
        if ruling == "grid":
            for x in np.arange(rng.uniform(0, distance), width, distance):
                end = round((x - tilt * height) * 16), height * 16
                cv2.line(mask, (round(x * 16), 0), end, 255, 1, cv2.LINE_AA, 4)
        part = (mask.astype(np.float32) / 255 * strength)[..., None]
        paper = paper * (1 - part) + color * part
    return paper


def apply_ink(coverage: np.ndarray, paper: np.ndarray, hand: Hand, rng: np.random.Generator) -> np.ndarray:
    """Ink of a coverage in 0 .. 1 on a paper of the same size; uint8 BGR."""
    grain = 1 - hand.grain * np.clip(np.abs(coarse_noise(rng, coverage.shape, 2)), 0, 1.6) / 1.6
    part = (cv2.GaussianBlur(coverage, (0, 0), rng.uniform(0.35, 0.8)) * grain)[..., None]
    image = paper * (1 - part) + np.array(hand.ink, np.float32) * part
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
