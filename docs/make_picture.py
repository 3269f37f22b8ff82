"""Make lines.png: generated handwriting, and below each line its text, or its reading by a model.

python docs/make_picture.py
python docs/make_picture.py --model Models/first
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("make_picture.py")

import argparse

import cv2
import numpy as np

from inferenceModel import ImageToWordModel
from mltu.datasets.synthetic import draw_line
from mltu.pictures.sheets import caption
from mltu.utils.console import command
from mltu.utils.image_utils import write_png

HERE = Path(__file__).resolve().parent
SEED = 2024  # another one than that of training, so that the hands are new
TEXTS = ("Dear Anna,", "the train left at 9:30", "and I forgot my hat.", "Yours, William")
WIDTH, LINE, CAPTION, FONT, MARGIN = 720, 64, 34, 20, 14  # pixels


@command("make_picture.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="folder of a run that reads the lines")
    folder = parser.parse_args().model
    model = ImageToWordModel(folder) if folder else None
    rows = []
    for number, text in enumerate(TEXTS):
        image = draw_line(text, SEED, number, writer=number)
        scale = min(LINE / image.shape[0], (WIDTH - 2 * MARGIN) / image.shape[1])
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        row = np.full((LINE + 8, WIDTH, 3), 255, np.uint8)
        row[8 : 8 + small.shape[0], MARGIN : MARGIN + small.shape[1]] = small
        rows += [row, caption(model.predict(image) if model else text, WIDTH, CAPTION, FONT)]
    write_png(HERE / "lines.png", np.vstack(rows))


if __name__ == "__main__":
    sys.exit(main())
