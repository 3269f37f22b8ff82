"""Generated handwriting: no download, any amount, always the same for the same seed.

Two ways to draw: pen strokes, from the single-line Hershey fonts, deformed as a hand does; or
handwriting fonts from a folder. Paper, ruling and ink are the same for both.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
from HersheyFonts import HersheyFonts
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont
from tqdm import tqdm

from ..augmentors import RandomElasticTransform
from ..utils.errors import InputError
from ..utils.files import one_at_a_time
from ..utils.image_utils import write_png
from .base import Sample, Skipped, normalize_text
from .table import write_table

VERSION = 1  # part of the pictures' names; raise it when the drawing changes
LINES_PER_WRITER = 8
FONT_ENDINGS = (".ttf", ".otf", ".woff", ".woff2", ".ttc")
PLAIN_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})
SUPERSAMPLE = 2  # strokes are drawn so many times larger, then shrunk
BASELINE, CAPITAL, X_HEIGHT = 9, 21, 14  # of Hershey glyphs, in font units; y points down
# Hershey font of the small letters, of capitals and figures, and their vertical stretch
HANDS = (("futural", "futural", 1.0), ("scripts", "scripts", 1.25), ("scripts", "futural", 1.35))


LATEST = datetime(2024, 1, 1)  # of dates in made-up texts; by default it would be now, and no run like another


# --- text -----------------------------------------------------------------------------------


def english_sentences(count: int, seed: int) -> list[str]:
    """English sentences, names, addresses, dates and amounts, in turn at random."""
    from faker import Faker  # slow to import, and reading needs none of it

    fake = Faker("en_US")
    fake.seed_instance(seed)
    rng = np.random.default_rng([seed, 1])
    kinds = (
        lambda: fake.sentence(nb_words=9),
        lambda: f'{fake.first_name()} said: "{fake.sentence(nb_words=5)}"',
        lambda: f"{fake.name()}, {fake.street_address()}, {fake.city()}",
        lambda: fake.date("%A, %d %B %Y", LATEST) + f", at {fake.time('%H:%M', LATEST)}",
        lambda: f"{fake.catch_phrase()} ({fake.company()})",
        lambda: f"{fake.word().capitalize()} no. {fake.random_int(1, 999)}: {fake.pricetag()} & {fake.word()}",
    )
    chosen = rng.choice(len(kinds), size=count, p=(0.6, 0.1, 0.1, 0.07, 0.06, 0.07))
    return [normalize_text(kinds[kind]()) for kind in chosen]


def _texts_of_file(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: the text file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: the text file is not UTF-8; save it as UTF-8") from None
    texts = [text for text in map(normalize_text, lines) if text]
    if not texts:
        raise InputError(f"{path}: the text file is empty; it should hold one sentence a line")
    return texts


def _shorten(text: str, longest: int) -> str:
    """The first words that fit into `longest` characters; a longer first word is cut."""
    if len(text) <= longest:
        return text
    cut = text.rfind(" ", 0, longest + 1)
    return text[: cut if cut > 0 else longest].rstrip()


# --- strokes --------------------------------------------------------------------------------


@cache
def _glyphs(font: str) -> dict[str, tuple[list[np.ndarray], float]]:
    """Character -> (strokes as (points, 2) arrays from x = 0 and y up from the baseline, advance)."""
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


def _round_corners(points: np.ndarray, times: int = 2) -> np.ndarray:
    """Chaikin, "An algorithm for high-speed curve generation" (CGIP 3, 1974): cut every corner at a quarter."""
    for _ in range(times):
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


@dataclass(frozen=True)
class Hand:
    """What stays the same in all lines of one writer. Lengths are in font units unless said otherwise."""

    small: str  # Hershey font of the small letters
    large: str  # of capitals, figures and signs
    stretch: float  # vertical factor on the small letters
    height: float  # of a capital, pixels
    width: float  # horizontal factor
    slant: float  # horizontal shift per height, 0 is upright
    spacing: float  # extra advance between letters
    word_space: float  # factor on the space
    wobble: float  # how far letters deviate from their form
    bounce: float  # how far letters leave the baseline
    pen: float  # width of the pen, pixels
    pressure: float  # relative change of the pen's width
    ink: tuple[int, int, int]  # BGR
    grain: float  # how uneven the ink is, 0 to 1; high for pencils


def _hand(seed: int, writer: int) -> Hand:
    rng = np.random.default_rng([seed, 2, writer])
    small, large, stretch = HANDS[rng.integers(len(HANDS))]
    inks = ((40, 35, 35), (110, 50, 25), (140, 70, 35), (70, 65, 65), (95, 90, 95))
    ink = inks[rng.integers(len(inks))]
    pencil = ink[0] > 90 and ink[2] > 90
    return Hand(
        small=small,
        large=large,
        stretch=stretch * rng.uniform(0.85, 1.15),
        height=rng.uniform(30, 46),
        width=rng.uniform(0.75, 1.1),
        slant=float(np.clip(rng.normal(0.15, 0.2), -0.3, 0.6)),
        spacing=rng.uniform(-0.6, 0.8) if small == "scripts" else rng.uniform(-3.5, 0.5),
        word_space=rng.uniform(0.8, 1.4),
        wobble=rng.uniform(0.35, 0.9),
        bounce=rng.uniform(0.2, 0.8),
        pen=rng.uniform(1.6, 3.4),
        pressure=rng.uniform(0.1, 0.35),
        ink=ink,
        grain=rng.uniform(0.3, 0.6) if pencil else rng.uniform(0.02, 0.25),
    )


def _smooth_noise(rng: np.random.Generator, count: int, distance: float) -> np.ndarray:
    """`count` values of mean 0 and deviation about 1 that change over `distance` places."""
    knots = rng.normal(0, 1, int(count / max(distance, 1)) + 4)
    at = rng.random() + np.arange(count) / max(distance, 1)
    left = np.floor(at).astype(int)
    part = at - left
    part = part * part * (3 - 2 * part)
    return knots[left] * (1 - part) + knots[left + 1] * part


def can_draw(text: str) -> bool:
    """Whether the stroke fonts have every character of a text (they have printable ASCII)."""
    return all(character in _glyphs("futural") for character in text)


def _draw_strokes(text: str, hand: Hand, seed: int, writer: int, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A line in pen strokes.

    Returns:
        (ink coverage, float32 (height, width) in 0 .. 1 without margins, row of the baseline).
    """
    scale = hand.height / CAPITAL * SUPERSAMPLE
    strokes: list[np.ndarray] = []
    pen_x = 0.0
    for character in text:
        lower = character.islower() or character in ".,;:'-"
        glyph, advance = _glyphs(hand.small if lower else hand.large)[character]
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

    placed = [place(stroke) for stroke in strokes]
    everything = np.concatenate(placed) if placed else np.zeros((1, 2))
    border = int(np.ceil(hand.pen * SUPERSAMPLE)) + 1
    low = everything.min(axis=0) - border
    width, height = (np.ceil(everything.max(axis=0) - low) + border).astype(int)
    canvas = np.zeros((height, width), dtype=np.uint8)
    for points in placed:
        points = points - low
        pressure = 1 + hand.pressure * _smooth_noise(rng, len(points), 10)
        widths = np.maximum(1, np.rint(hand.pen * SUPERSAMPLE * np.clip(pressure, 0.4, 1.8))).astype(int)
        fixed = np.rint(points * 16).astype(int)
        for start, end, thickness in zip(fixed[:-1], fixed[1:], widths[1:], strict=True):
            cv2.line(canvas, start.tolist(), end.tolist(), 255, int(thickness), cv2.LINE_AA, shift=4)
    size = max(1, width // SUPERSAMPLE), max(1, height // SUPERSAMPLE)
    coverage = cv2.resize(canvas, size, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return coverage, float(-low[1] / SUPERSAMPLE)


# --- fonts ----------------------------------------------------------------------------------


def find_fonts(folder: str | Path) -> list[Path]:
    """Font files in a folder and below, sorted.

    Raises:
        InputError: no such folder, or no font in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder of fonts")
    fonts = sorted(path for path in folder.rglob("*") if path.suffix.lower() in FONT_ENDINGS)
    if not fonts:
        raise InputError(f"{folder}: no font in it; looked for {', '.join(FONT_ENDINGS)}")
    return fonts


@lru_cache(maxsize=512)
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(str(path), size)
    except OSError as error:
        raise InputError(f"{path}: not a font that Pillow can open ({error})") from None


@lru_cache(maxsize=65536)
def _font_has(path: Path, character: str) -> bool:
    """Whether a font draws a character otherwise than one that no font has."""
    if character == " ":
        return True
    font = _font(path, 32)
    mask, missing = font.getmask(character), font.getmask("\U0010ffff")
    return bool(mask.getbbox()) and (mask.size != missing.size or bytes(mask) != bytes(missing))


def _draw_font(text: str, path: Path, height: float, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """A line in a font, bent a little; returns what :func:`_draw_strokes` does."""
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


# --- paper ----------------------------------------------------------------------------------


def _coarse_noise(rng: np.random.Generator, shape: tuple[int, int], grain: int) -> np.ndarray:
    """Noise of deviation about 1 whose blots are `grain` pixels large."""
    small = rng.normal(0, 1, (shape[0] // grain + 3, shape[1] // grain + 3)).astype(np.float32)
    return cv2.resize(small, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)


def _paper(
    shape: tuple[int, int],
    baseline: float,
    line_height: float,
    rng: np.random.Generator,
    line_distance: float | None = None,
) -> np.ndarray:
    """A BGR ground with light, grain and, mostly, ruled lines; float32 (height, width, 3)."""
    height, width = shape
    tint = np.array([1, 1, 1], np.float32) + rng.uniform(-0.05, 0.0, 3) * (rng.random() < 0.5)
    paper = np.full((height, width, 3), rng.uniform(215, 252), np.float32) * tint.astype(np.float32)
    light = rng.uniform(-14, 14) * np.linspace(-0.5, 0.5, width, dtype=np.float32)[None, :]
    light = light + rng.uniform(0, 4) * _coarse_noise(rng, shape, 60)
    paper += (light + rng.uniform(0.5, 3) * rng.normal(0, 1, shape).astype(np.float32))[..., None]
    ruling = rng.choice(("none", "lines", "grid"), p=(0.45, 0.4, 0.15))
    if ruling != "none":
        color = np.array(((215, 190, 160), (200, 200, 200), (225, 205, 190))[rng.integers(3)], np.float32)
        strength = rng.uniform(0.35, 0.9)
        tilt = rng.normal(0, 0.004)
        distance = line_height * (rng.uniform(1.4, 2.0) if ruling == "lines" else rng.uniform(0.45, 0.7))
        if line_distance:  # several lines of writing stand on the ruled ones
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


def _compose(coverage: np.ndarray, baseline: float, hand: Hand, rng: np.random.Generator) -> np.ndarray:
    """Ink on paper, with margins; uint8 BGR."""
    top, bottom = rng.integers(3, 16, 2)
    left, right = rng.integers(4, 30, 2)
    coverage = cv2.copyMakeBorder(coverage, int(top), int(bottom), int(left), int(right), cv2.BORDER_CONSTANT, value=0)
    paper = _paper(coverage.shape, baseline + top, hand.height, rng)
    return _ink(coverage, paper, hand, rng)


def _ink(coverage: np.ndarray, paper: np.ndarray, hand: Hand, rng: np.random.Generator) -> np.ndarray:
    """Ink of a coverage in 0 .. 1 on a paper of the same size; uint8 BGR."""
    grain = 1 - hand.grain * np.clip(np.abs(_coarse_noise(rng, coverage.shape, 2)), 0, 1.6) / 1.6
    part = (cv2.GaussianBlur(coverage, (0, 0), rng.uniform(0.35, 0.8)) * grain)[..., None]
    image = paper * (1 - part) + np.array(hand.ink, np.float32) * part
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _write(
    text: str, hand: Hand, seed: int, writer: int, font: Path | None, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A line in a font, or in strokes without one; returns what :func:`_draw_strokes` does."""
    if font is None:
        return _draw_strokes(text, hand, seed, writer, rng)
    return _draw_font(text, font, hand.height, rng)


def draw_line(text: str, seed: int = 0, number: int = 0, writer: int = 0, font: Path | None = None) -> np.ndarray:
    """Draw one line of handwriting.

    Args:
        text: what to write; printable ASCII unless a font is given.
        seed: of everything random.
        number: of the line: the same writer writes the same text differently each time.
        writer: whose hand.
        font: font file to write with, instead of strokes.

    Returns:
        uint8 BGR image, cropped to the writing with margins; about 50 to 120 pixels high.

    Raises:
        InputError: a font file that cannot be opened.
    """
    rng = np.random.default_rng([seed, 4, number])
    hand = _hand(seed, writer)
    coverage, baseline = _write(text, hand, seed, writer, font, rng)
    return _compose(coverage, baseline, hand, rng)


def draw_page(
    texts: Sequence[str], seed: int = 0, number: int = 0, writer: int = 0, font: Path | None = None
) -> tuple[np.ndarray, list[tuple[int, int, int, int]]]:
    """Draw a page of handwriting in one hand.

    Args:
        texts: one for each line.
        seed: of everything random.
        number: of the page, as the line's in :func:`draw_line`.
        writer: whose hand.
        font: font file to write with, instead of strokes.

    Returns:
        (uint8 BGR image, box of the ink of each line as left, top, right, bottom in pixels).

    Raises:
        InputError: a font file that cannot be opened.
    """
    rng = np.random.default_rng([seed, 7, number])
    hand = _hand(seed, writer)
    lines = [_write(text, hand, seed, writer, font, rng) for text in texts]
    distance = hand.height * rng.uniform(1.9, 2.3)
    margin = round(2 * hand.height)
    width = 2 * margin + max(coverage.shape[1] for coverage, _ in lines) + round(hand.height)
    height = 2 * margin + round(distance * len(lines))
    page = np.zeros((height, width), np.float32)
    boxes = []
    first = margin + hand.height
    for index, (coverage, baseline) in enumerate(lines):
        left = margin + int(rng.integers(0, round(hand.height / 2)))
        top = max(0, round(first + index * distance - baseline))
        area = page[top : top + coverage.shape[0], left : left + coverage.shape[1]]
        np.maximum(area, coverage[: area.shape[0], : area.shape[1]], out=area)
        rows, columns = np.nonzero(coverage > 0.2)
        boxes.append(
            (left + int(columns.min()), top + int(rows.min()), left + int(columns.max()) + 1, top + int(rows.max()) + 1)
        )
    paper = _paper(page.shape, first, hand.height, rng, distance)
    return _ink(page, paper, hand, rng), boxes


# --- the reader -----------------------------------------------------------------------------


def generate_lines(
    folder: str | Path,
    count: int,
    seed: int = 0,
    text_file: str | Path | None = None,
    fonts: str | Path | None = None,
    max_chars: int = 60,
    workers: int = 1,
    skip_fonts: Collection[str] = (),
    plain_quotes: bool = False,
) -> tuple[list[Sample], list[Skipped]]:
    """Generate a dataset of lines, or read it again if it is already there.

    The pictures go to a folder named after the settings, beside a `lines.csv` that
    :func:`mltu.datasets.read_table` reads. Line k is the same whatever the count. An interrupted
    run goes on where it was. Shows a progress bar.

    Args:
        folder: where the folder is made.
        count: lines wanted.
        seed: of texts and pictures.
        text_file: UTF-8 file, one sentence a line, used in random order and again if too few;
            else English is made up.
        fonts: folder of TTF, OTF, WOFF or WOFF2 files; else pen strokes. Every font is a writer;
            without fonts every eight lines are.
        max_chars: longer texts are cut between words.
        workers: threads that draw.
        skip_fonts: families not to use, as their files are named; those that are not there are reported.
        plain_quotes: write typographic quotes as ' and ", which hands do not tell apart.

    Returns:
        (samples, fonts and sentences that cannot be used).

    Raises:
        InputError: text file or fonts cannot be used, or no sentence can be drawn.
    """
    if count < 1 or max_chars < 1:
        raise InputError("generated handwriting needs at least one line of at least one character")
    texts = _texts_of_file(Path(text_file)) if text_file else english_sentences(count, seed)
    if plain_quotes:
        texts = [text.translate(PLAIN_QUOTES) for text in texts]
    files, skipped = _usable_fonts(fonts, skip_fonts) if fonts else ([], [])
    order = np.random.default_rng([seed, 5]).permutation(len(texts)) if text_file else np.arange(len(texts))
    usable: list[tuple[str, list[Path | None]]] = []  # text and the fonts that have its characters
    for text in (_shorten(texts[i], max_chars) for i in order):
        possible = _drawable(text, files)
        if possible:
            usable.append((text, possible))
        else:
            what = "no font has" if files else "pen strokes (ASCII; see --fonts) lack some of"
            skipped.append(Skipped(f"{text_file}: {text[:60]}", f"{what} its characters"))
        if len(usable) == count:
            break
    if not usable:
        raise InputError(f"{text_file}: no sentence can be drawn; {skipped[-1].reason}")
    jobs = []  # (number, text, hand, font)
    for number in range(count):
        text, possible = usable[number % len(usable)]
        if files:  # pen, ink and paper change from line to line, the letters are the font's
            font = possible[np.random.default_rng([seed, 6, number]).integers(len(possible))]
            jobs.append((number, text, number, font))
        else:
            jobs.append((number, text, number // LINES_PER_WRITER, None))

    target = Path(folder) / _digest(seed, max_chars, [path.name for path in files], texts if text_file else None)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: generated lines cannot be put there ({error.strerror})") from None
    with one_at_a_time(target), ThreadPoolExecutor(max(1, workers)) as pool:
        drawn = pool.map(partial(_draw_job, target, seed), jobs)
        samples = list(tqdm(drawn, total=count, desc="Writing lines", unit="line"))
        write_table(target / "lines.csv", samples)
    return samples, skipped


def _drawable(text: str, fonts: list[Path]) -> list[Path | None]:
    """The fonts that have all characters of a text; [None] for strokes that have."""
    if not fonts:
        return [None] if can_draw(text) else []
    return [font for font in fonts if all(_font_has(font, character) for character in text)]


def _digest(*values: object) -> str:
    """A short name for some values."""
    return hashlib.sha256(json.dumps(values, ensure_ascii=False).encode()).hexdigest()[:12]


@cache
def _font_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def family_of(stem: str) -> str:
    """A font's family, from its file name, whoever packed it: letters and digits of it alone, in lower case."""
    stem = re.sub(r"\[.*\]|[-_ ]?(regular|latin[-_ ].*|variablefont.*)$", "", stem.lower())
    return re.sub(r"[^a-z0-9]", "", stem)


def _usable_fonts(folder: str | Path, skip: Collection[str]) -> tuple[list[Path], list[Skipped]]:
    """The fonts of a folder that can be opened, and those that cannot; none of those to skip."""
    usable, skipped = [], []
    found = find_fonts(folder)
    families = {family_of(path.stem) for path in found}
    unknown = [name for name in skip if family_of(name) not in families]
    skipped += [Skipped(f"skip_fonts: {name}", f"not among the fonts of {folder}") for name in unknown]
    unwanted = set(map(family_of, skip))
    for path in found:
        if family_of(path.stem) in unwanted:
            continue
        try:
            _font(path, 32)
            usable.append(path)
        except InputError as error:
            skipped.append(Skipped(str(path), str(error).removeprefix(f"{path}: ")))
    if not usable:
        reason = skipped[0].reason if skipped else "all are to be skipped"
        raise InputError(f"{folder}: none of its fonts can be used; {reason}")
    return usable, skipped


def _draw_job(folder: Path, seed: int, job: tuple[int, str, int, Path | None]) -> Sample:
    number, text, hand, font = job
    # named after all that it depends on, so that a picture never stands for another text
    path = folder / f"{number:06d}-{_digest(VERSION, text, seed, hand, font and _font_digest(font))}.png"
    if not path.exists():
        write_png(path, draw_line(text, seed, number, hand, font))
    return Sample(str(path), text, font.stem if font else f"hand{hand}")
