"""Handwriting fonts from a folder: outlines, which Pillow draws, or single lines (SVG), drawn in pen strokes."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache, lru_cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from ...augmentors import RandomElasticTransform
from ...utils.errors import InputError
from ...utils.files import file_digest
from ..base import Skipped
from .strokes import can_draw

STROKE_FONT = ".svg"
FONT_ENDINGS = (".ttf", ".otf", ".woff", ".woff2", ".ttc", STROKE_FONT)


def find_fonts(folder: str | Path) -> list[Path]:
    """Font files in a folder and below, sorted; InputError if there is no such folder, or no font in it."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of fonts")
    fonts = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FONT_ENDINGS)
    if not fonts:
        raise InputError(f"{folder}: no font in it; looked for {', '.join(FONT_ENDINGS)}")
    return fonts


def is_stroke_font(path: Path) -> bool:
    """Whether a font's glyphs are single lines, by the ending of its file."""
    return path.suffix.lower() == STROKE_FONT


@lru_cache(maxsize=512)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(str(path), size)
    except OSError as error:
        raise InputError(f"{path}: not a font that Pillow can open ({error})") from None


@lru_cache(maxsize=65536)
def has_character(path: Path, character: str) -> bool:
    """Whether a font draws a character, and differently from one that no font has."""
    if is_stroke_font(path):
        return can_draw(character, path)
    if character == " ":
        return True
    font = _font(path, 32)
    mask, missing = font.getmask(character), font.getmask("\U0010ffff")
    return bool(mask.getbbox()) and (mask.size != missing.size or bytes(mask) != bytes(missing))


@cache
def font_digest(path: Path) -> str:
    """SHA-256 of a font file."""

    return file_digest(path)


def family_of(stem: str) -> str:
    """A font's family, from its file name, whoever packed it: letters and digits of it alone, in lower case."""
    stem = re.sub(r"\[.*\]|[-_ ]?(regular|latin[-_ ].*|variablefont.*)$", "", stem.lower())
    return re.sub(r"[^a-z0-9]", "", stem)


def usable_fonts(folder: str | Path, skip: Collection[str]) -> tuple[list[Path], list[Skipped]]:
    """The usable fonts of a folder without the families to skip, and those that are unusable; InputError if all are."""
    found = find_fonts(folder)
    families = {family_of(path.stem) for path in found}
    unknown = [name for name in skip if family_of(name) not in families]
    skipped = [Skipped(f"skip_fonts: {name}", f"not among the fonts of {folder}") for name in unknown]
    unwanted = set(map(family_of, skip))
    usable = []
    for path in (path for path in found if family_of(path.stem) not in unwanted):
        try:
            can_draw("", path) if is_stroke_font(path) else _font(path, 32)
            usable.append(path)
        except InputError as error:
            skipped.append(Skipped(str(path), str(error).removeprefix(f"{path}: ")))
    if not usable:
        reason = skipped[0].reason if skipped else "all are to be skipped"
        raise InputError(f"{folder}: none of its fonts can be used; {reason}")
    return usable, skipped


def draw_font(text: str, path: Path, height: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A line in a font, bent a little; returns what :func:`.strokes.draw_strokes` does."""
    font = _font(path, 64)
    # fonts fill their size very differently, so the height of small letters decides
    small = font.getbbox("nomuea", anchor="ls")
    font = _font(path, int(np.clip(64 * height * 0.6 / max(1, -small[1]), 16, 160)))
    left, top, right, bottom = font.getbbox(text, anchor="ls")
    margin = 12
    canvas = PillowImage.new("L", (right - left + 2 * margin, bottom - top + 2 * margin), 0)
    ImageDraw.Draw(canvas).text((margin - left, margin - top), text, font=font, fill=255, anchor="ls")
    mask = RandomElasticTransform.elastic_transform(np.asarray(canvas), rng.uniform(0.3, 1.4), rng.uniform(18, 40), rng)
    shear, drift = rng.normal(0, 0.12), rng.normal(0, 0.01)
    rows, columns = mask.shape
    baseline = float(margin - top)
    matrix = np.array([[1, -shear, max(0.0, shear * rows)], [drift, 1, max(0.0, -drift * columns)]], dtype=np.float32)
    size = (columns + int(abs(shear) * rows) + 1, rows + int(abs(drift) * columns) + 1)
    mask = cv2.warpAffine(mask, matrix, size)
    if rng.random() < 0.4:
        kernel = np.ones((2, 2), np.uint8)
        changed = cv2.dilate(mask, kernel) if rng.random() < 0.6 else cv2.erode(mask, kernel)
        mask = cv2.addWeighted(changed, 0.6, mask, 0.4, 0)
    return mask.astype(np.float32) / 255, baseline + float(matrix[1, 2])
