"""Lines in pen strokes: single-line fonts, deformed as a hand does."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from xml.etree.ElementTree import ParseError

import cv2
import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from ...utils.errors import InputError
from .hand import Hand

SUPERSAMPLE = 2  # strokes are drawn so many times larger, then shrunk
BASELINE, CAPITAL_HEIGHT, SMALL_HEIGHT = 9, 21, 12.5  # of Hershey glyphs, in font units; y points down

Glyph = tuple[list[np.ndarray], float]  # strokes as (points, 2) arrays from x = 0, y up from the baseline; advance


@cache
def glyphs_of(font: str) -> dict[str, Glyph]:
    """Character -> glyph, of a Hershey font by its name, or of an SVG font by its path."""
    if font.lower().endswith(".svg"):
        return _svg_glyphs(font)
    from HersheyFonts import HersheyFonts  # here, because reading does without it

    hershey = HersheyFonts()
    hershey.load_default_font(font)
    glyphs = {}
    for character, glyph in hershey.all_glyphs.items():
        strokes = [
            np.array([(x - glyph.left_offset, BASELINE - y) for x, y in stroke], dtype=np.float64)
            for stroke in glyph.strokes
            if len(stroke) > 1
        ]
        glyphs[character] = (strokes, float(glyph.char_width))
    return glyphs


def _svg_glyphs(path: str) -> dict[str, Glyph]:
    """The glyphs of a single-line font as SVG 1.1 describes fonts, brought to the size of the Hershey fonts.

    Raises:
        InputError: not an SVG font with Latin small letters.
    """
    from fontTools.pens.recordingPen import RecordingPen  # slow to import, and few fonts need it
    from fontTools.svgLib.path import parse_path

    glyphs = {}
    try:
        font = next(parse(path, forbid_external=True).iter("{http://www.w3.org/2000/svg}font"))
        usual = font.get("horiz-adv-x", "500")
        for element in font.iter("{http://www.w3.org/2000/svg}glyph"):
            pen = RecordingPen()
            parse_path(element.get("d", ""), pen)
            character = element.get("unicode", "")
            if len(character) == 1 and (pen.value or character == " "):
                glyphs[character] = (_strokes_of(pen.value), float(element.get("horiz-adv-x", usual)))
    except StopIteration:
        raise InputError(f"{path}: an SVG picture, not an SVG font") from None
    except (OSError, ParseError, DefusedXmlException, ValueError, IndexError, NotImplementedError) as error:
        raise InputError(f"{path}: not an SVG font that can be read ({' '.join(str(error).split())[:100]})") from None
    tops = [max(stroke[:, 1].max() for stroke in glyphs[letter][0]) for letter in "aemnou" if letter in glyphs]
    if not tops or np.median(tops) <= 0:
        raise InputError(f"{path}: has no Latin small letters")
    scale = SMALL_HEIGHT / float(np.median(tops))
    return {
        character: ([_simplified(stroke * scale) for stroke in strokes], advance * scale)
        for character, (strokes, advance) in glyphs.items()
    }


def _strokes_of(commands: list[tuple[str, tuple]]) -> list[np.ndarray]:
    """Polylines, shape (points, 2), of what a fontTools pen has recorded."""
    strokes: list[list] = []
    for command, points in commands:
        if command == "moveTo":
            strokes.append([points[0]])
        elif command == "closePath":
            strokes[-1].append(strokes[-1][0])
        elif command in ("curveTo", "qCurveTo"):
            control = np.array([strokes[-1][-1], *points], np.float64)
            for part in np.linspace(0, 1, 9)[1:]:
                level = control
                while len(level) > 1:  # de Casteljau's algorithm
                    level = (1 - part) * level[:-1] + part * level[1:]
                strokes[-1].append(level[0])
        else:
            strokes[-1] += points
    return [np.array(stroke, np.float64) for stroke in strokes if len(stroke) > 1]


def _simplified(stroke: np.ndarray) -> np.ndarray:
    """The corners of a stroke, so that what deforms them bends the stroke instead of making it tremble."""
    return cv2.approxPolyDP(stroke.astype(np.float32)[:, None], 0.12, False)[:, 0].astype(np.float64)


def _round_corners(points: np.ndarray) -> np.ndarray:
    """Chaikin, "An algorithm for high-speed curve generation" (CGIP 3, 1974): cut every corner at a quarter, twice."""
    for _ in range(2):
        if len(points) < 3:
            return points
        first, second = points[:-1], points[1:]
        between = np.stack([0.75 * first + 0.25 * second, 0.25 * first + 0.75 * second], axis=1).reshape(-1, 2)
        points = np.concatenate([points[:1], between[1:-1], points[-1:]])
    return points


def _resample(points: np.ndarray, distance: float) -> np.ndarray:
    """Points at equal distances along a polyline."""
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    if lengths[-1] == 0:
        return points[:1]
    at = np.linspace(0, lengths[-1], max(2, int(np.ceil(lengths[-1] / distance)) + 1))
    return np.stack([np.interp(at, lengths, points[:, axis]) for axis in (0, 1)], axis=1)


def _smooth_noise(rng: np.random.Generator, count: int, distance: float) -> np.ndarray:
    """`count` values of mean 0 and deviation about 1 that change over `distance` places."""
    knots = rng.normal(0, 1, int(count / max(distance, 1)) + 4)
    at = rng.random() + np.arange(count) / max(distance, 1)
    left = np.floor(at).astype(int)
    part = at - left
    part = part * part * (3 - 2 * part)
    return knots[left] * (1 - part) + knots[left + 1] * part


def can_draw(text: str, font: Path | None = None) -> bool:
    """Whether the stroke fonts have every character of a text (Hershey's have printable ASCII).

    Raises:
        InputError: the font is not an SVG font.
    """
    glyphs = glyphs_of(str(font or "futural"))
    return all(character in glyphs for character in text)


def draw_strokes(text: str, hand: Hand, seed: int, writer: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A line in pen strokes: (ink, float32 (height, width) in 0 .. 1 without margins; row of the baseline)."""
    scale = hand.height / CAPITAL_HEIGHT * SUPERSAMPLE
    strokes: list[np.ndarray] = []
    pen_x = 0.0
    for character in text:
        lower = character.islower() or character in ".,;:'-"
        glyph, advance = glyphs_of(hand.small if lower else hand.large)[character]
        if character == " ":
            pen_x += max(advance, 8) * hand.word_space * rng.uniform(0.85, 1.2)
            continue
        # the writer's own form of a letter, and how this one letter came out
        own = np.random.default_rng([seed, 3, writer, ord(character)])
        turn = own.normal(0, 0.04) + rng.normal(0, 0.025) * hand.wobble
        size_x = 1 + own.normal(0, 0.06) + rng.normal(0, 0.05) * hand.wobble
        size_y = (hand.stretch if lower else 1.0) * (1 + own.normal(0, 0.05) + rng.normal(0, 0.04) * hand.wobble)
        shape = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([size_x, size_y])
        lift = rng.normal(0, 0.6) * hand.bounce
        for stroke in glyph:
            corners = stroke + own.normal(0, 0.3, stroke.shape) + rng.normal(0, 0.3, stroke.shape) * hand.wobble
            points = _resample(_round_corners(corners), 4 / scale)
            points = points @ shape.T
            points[:, 0] += _smooth_noise(rng, len(points), 8) * 0.25 * hand.wobble + pen_x
            points[:, 1] += _smooth_noise(rng, len(points), 8) * 0.25 * hand.wobble + lift
            strokes.append(points)
        pen_x += max(advance * size_x + hand.spacing + rng.normal(0, 0.35), 3.0)
    everything = np.concatenate(strokes) if strokes else np.zeros((1, 2))
    drift = rng.normal(0, 0.012)  # of the baseline, height per width
    wave, phase = rng.normal(0, 0.5) * hand.bounce, rng.uniform(0, 2 * np.pi)
    length = max(float(everything[:, 0].max()), 1.0)

    def place(points: np.ndarray) -> np.ndarray:
        x = points[:, 0] * hand.width + points[:, 1] * hand.slant
        y = -points[:, 1] - points[:, 0] * drift + wave * np.sin(phase + points[:, 0] / length * 2 * np.pi)
        return np.stack([x, y], axis=1) * scale

    return _rasterize([place(stroke) for stroke in strokes], hand, rng)


def _rasterize(strokes: list[np.ndarray], hand: Hand, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Strokes in supersampled pixels, y = 0 on the baseline, as :func:`draw_strokes` returns them."""
    everything = np.concatenate(strokes) if strokes else np.zeros((1, 2))
    border = int(np.ceil(hand.pen * SUPERSAMPLE)) + 1
    low = everything.min(axis=0) - border
    width, height = (np.ceil(everything.max(axis=0) - low) + border).astype(int)
    canvas = np.zeros((height, width), dtype=np.uint8)
    for points in strokes:
        points = points - low
        pressure = 1 + hand.pressure * _smooth_noise(rng, len(points), 10)
        widths = np.maximum(1, np.rint(hand.pen * SUPERSAMPLE * np.clip(pressure, 0.4, 1.8))).astype(int)
        fixed = np.rint(points * 16).astype(int)
        for start, end, thickness in zip(fixed[:-1], fixed[1:], widths[1:], strict=True):
            cv2.line(canvas, start.tolist(), end.tolist(), 255, int(thickness), cv2.LINE_AA, shift=4)
    size = max(1, width // SUPERSAMPLE), max(1, height // SUPERSAMPLE)
    coverage = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return coverage, float(-low[1] / SUPERSAMPLE)
