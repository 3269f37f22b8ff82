"""Make the samples: a dozen generated lines and a page, in handwriting fonts that training left out.

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

import cv2
import numpy as np

from mltu.configs import read_yaml
from mltu.datasets.base import Sample
from mltu.datasets.synthetic import draw_line, draw_page, family_of, find_fonts
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
    write_jpeg("page.jpg", page)
    (HERE / "page.txt").write_text("\n".join(PAGE) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
