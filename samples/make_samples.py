"""Make the samples: a dozen generated lines, a page, a spread and a form, in fonts that training left out.

python samples/make_samples.py --fonts Datasets/fonts
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("make_samples.py")

import argparse
from collections.abc import Sequence

import cv2
import numpy as np

from mltu.configs import read_yaml
from mltu.datasets.base import Sample
from mltu.datasets.synthetic import draw_line, draw_page, family_of, find_fonts
from mltu.datasets.synthetic.fonts import draw_font
from mltu.datasets.synthetic.hand import draw_hand
from mltu.datasets.synthetic.paper import apply_ink
from mltu.datasets.synthetic.sheets import draw_sheet
from mltu.datasets.table import write_table
from mltu.utils.console import command
from mltu.utils.files import write_atomic

HERE = Path(__file__).resolve().parent
SEED = 7  # another one than that of training
RECIPE = HERE.parent / "recipes" / "pretrain.yaml"  # which says what fonts training left out
LINES = (
    "The kettle was singing when we came home.",
    "Please send two copies before Friday.",
    "I found your letter under the door",
    "and answered it the same evening.",
    "Rain again, and the garden is glad of it.",
    "Who left the window open last night?",
    "Le facteur est passé vers dix heures.",
    "Nous avons déjeuné près de la rivière,",
    "puis le vent s'est levé d'un coup.",
    "Où as-tu caché la clé du grenier ?",
    "Merci pour les pommes et le gâteau.",
    "Ma sœur arrive à Noël avec ses enfants.",
)
PAGE = (
    "My dear Eleanor,",
    "the house is quiet since you left, and",
    "the cat sleeps on your chair all day.",
    "We picked the last plums on Sunday;",
    "twelve jars stand in the cellar now.",
    "Write soon, and tell me of the sea.",
    "Your old friend, Margaret",
)
# a notebook lying open: the left page, what was added beside and between its lines, and the right page
LEFT = (
    "Tuesday, the 4th of June",
    "We left the harbour at six, with a",
    "light wind and the sun behind us.",
    "The boys slept on the sails until",
    "noon. Old Peter says that the fish",
    "have gone north, but we took forty",
    "before the tide turned, and lost",
    "one good net on the rocks.",
)
BESIDE, BETWEEN, SIDEWAYS = ("bring rope", "and hooks"), "or so", "paid on Friday"
RIGHT = (
    "Wednesday",
    "Rain from the first light. Nobody",
    "went out. I mended the net and",
    "wrote to my sister about the roof.",
    "In the evening the doctor came to",
    "play cards, and won, as always.",
    "Thursday",
    "Still raining, and the lamp smokes.",
)
FORM = (
    ("No.", "Date", "Received from", "Francs"),
    ("1", "3 May", "the widow Lenoir, for hay", "12,50"),
    ("2", "3 May", "Monsieur Carpentier", "40"),
    ("3", "9 May", "the baker, for the old cart", "115"),
    ("4", "17 May", "the school", "8,75"),
    ("5", "21 May", "Monsieur Petit, rent of June", "60"),
    ("6", "30 May", "the widow Lenoir, for oats", "21"),
)
FORM_COLUMNS = (60, 160, 360, 960, 1140)  # x of the rules, pixels


class Sheet:
    """Paper that is written on.

    Args:
        shape: height and width, pixels.
        font: to write with.
        number: of the sheet, which makes it differ from others.
    """

    def __init__(self, shape: tuple[int, int], font: Path, number: int) -> None:
        self.rng = np.random.default_rng([SEED, number])
        self.paper = draw_sheet(shape, self.rng) + self.rng.normal(0, 2, shape).astype(np.float32)
        self.coverage = np.zeros(shape, np.float32)
        self.font, self.number = font, number

    def write(self, text: str, left: float, foot: float, height: float = 40, sideways: bool = False) -> None:
        """Write a line that begins at a point of the sheet; `sideways`: upwards."""
        line, baseline = draw_font(text, self.font, height, self.rng)
        top, left = round(foot - baseline), round(left)
        if sideways:
            line, top, left = np.rot90(line), round(foot) - line.shape[1], round(left - baseline)
        area = self.coverage[top : top + line.shape[0], left : left + line.shape[1]]
        np.maximum(area, line[: area.shape[0], : area.shape[1]], out=area)

    def image(self) -> np.ndarray:
        """uint8 BGR."""
        tint = np.array([0.93, 0.98, 1.0], np.float32)
        return apply_ink(self.coverage, self.paper[..., None] * tint, draw_hand(SEED, self.number), self.rng)


def draw_spread(font: Path) -> tuple[np.ndarray, list[str]]:
    """Two facing pages with notes beside, between and across the lines; also the lines in reading order."""
    height, width, top, distance = 1080, 1860, 190, 92
    spread = Sheet((height, width), font, 1)
    for y in range(top % distance, height, distance):
        cv2.line(spread.paper, (0, y + 6), (width, y + 9), 185, 1, cv2.LINE_AA)
    fold = np.abs(np.arange(width) - width / 2) / 60
    spread.paper *= 1 - 0.45 * np.exp(-fold)
    for left, lines in ((240, LEFT), (1030, RIGHT)):
        for index, text in enumerate(lines):
            spread.write(text, left + spread.rng.uniform(0, 14), top + distance * index, 31)
    for index, text in enumerate(BESIDE):
        spread.write(text, 50, top + 2.3 * distance + 46 * index, 21)
    spread.write(BETWEEN, 420, top + distance * 4.5, 23)
    spread.write(SIDEWAYS, 1810, 760, 24, sideways=True)
    addition = LEFT.index("have gone north, but we took forty") + 1
    return spread.image(), [*BESIDE, *LEFT[:addition], BETWEEN, *LEFT[addition:], *RIGHT, SIDEWAYS]


def draw_form(font: Path) -> tuple[np.ndarray, list[str]]:
    """A printed table that was filled in, and its entries row by row."""
    form = Sheet((820, 1200), font, 4)
    rows = 80 + 100 * np.arange(len(FORM) + 1)
    for x in FORM_COLUMNS:
        cv2.line(form.paper, (x, int(rows[0])), (x, int(rows[-1])), 70, 3)
    for number, y in enumerate(rows.tolist()):
        cv2.line(form.paper, (FORM_COLUMNS[0], y), (FORM_COLUMNS[-1], y), 70, 4 if number < 2 else 1)
    for y, entries in zip(rows.tolist(), FORM, strict=False):
        for x, text in zip(FORM_COLUMNS, entries, strict=False):
            form.write(text, x + 14, y + 68, 34)
    return form.image(), [text for entries in FORM for text in entries]


def write_page(name: str, image: np.ndarray, lines: Sequence[str]) -> None:
    write_jpeg(f"{name}.jpg", image)
    (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_jpeg(name: str, image: np.ndarray) -> None:
    write_atomic(HERE / name, cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes())


@command("make_samples.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fonts", default="Datasets/fonts", help="folder with the fonts [Datasets/fonts]")
    left_out = read_yaml(RECIPE)["skip_fonts"]
    families = {family_of(name) for name in left_out}
    fonts = [font for font in find_fonts(parser.parse_args().fonts) if family_of(font.stem) in families]
    if len(fonts) != len(left_out):
        parser.error(f"needs the fonts {', '.join(left_out)}")
    samples = []
    for number, text in enumerate(LINES):
        name = f"line{number + 1:02d}.jpg"
        font = fonts[number % len(fonts)]
        write_jpeg(name, draw_line(text, SEED, number, writer=number, font=font))
        samples.append(Sample(name, text, font.stem))
    write_table(HERE / "lines.csv", samples)
    page, _ = draw_page(PAGE, SEED, writer=3, font=fonts[0])
    write_page("page", page, PAGE)
    write_page("spread", *draw_spread(fonts[5]))
    write_page("form", *draw_form(fonts[7]))


if __name__ == "__main__":
    sys.exit(main())
