"""How well pages are read: lines found (recall and precision at IoU 0.5), and CER of whole pages.

    python benchmarks/pages.py                                generated pages
    python benchmarks/pages.py --csv test.tsv                 pages composed of the lines of a table
    python benchmarks/pages.py --alto FOLDER                  real pages with ALTO files
    python benchmarks/pages.py --csv test.tsv --look DIR      writes each page with what was found on it

Every page is read as it is and as a phone might take it: tilted, in perspective, with a shadow. CER compares all
text of a page in reading order with the true one; `cer_of_lines` reads the true lines, so the difference is what
finding the lines costs. Written to benchmarks/results/pages.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("pages.py")

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.common import report
from inferenceModel import ImageToWordModel
from mltu.datasets import Sample, read_table
from mltu.datasets.page_xml import list_pages, read_xml
from mltu.datasets.synthetic import draw_page, english_sentences
from mltu.pages import cut_line
from mltu.pictures.annotate import annotate
from mltu.utils.console import command
from mltu.utils.image_utils import paper_color, read_image, write_png
from mltu.utils.progress import ProgressBar
from mltu.utils.text_utils import error_rate

SEED = 11
CHARACTER_WIDTH = 25  # pixels, of composed pages
LAYOUTS = ("one column", "two columns", "margin note")


class Page(NamedTuple):
    """A page with what is true of it."""

    image: np.ndarray  # uint8
    polygons: list[np.ndarray]  # of the lines in reading order, each of shape (points, 2), pixels
    texts: list[str]
    layout: str


def overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over union of two polygons, on pixels."""
    both = np.concatenate([first, second])
    low = np.floor(both.min(axis=0))
    width, height = (np.ceil(both.max(axis=0)) - low).astype(int) + 1
    masks = []
    for polygon in (first, second):
        mask = np.zeros((height, width), np.uint8)
        cv2.fillPoly(mask, [np.rint(polygon - low).astype(np.int32)], 1)
        masks.append(mask.astype(bool))
    return float((masks[0] & masks[1]).sum() / max(1, (masks[0] | masks[1]).sum()))


def matches(found: Sequence[np.ndarray], true: Sequence[np.ndarray], least: float = 0.5) -> int:
    """How many true polygons have a found one of their own that overlaps them by at least `least` (IoU)."""
    pairs = sorted(
        ((overlap(line, other), i, j) for i, line in enumerate(found) for j, other in enumerate(true)), reverse=True
    )
    taken_found: set[int] = set()
    taken_true: set[int] = set()
    for iou, i, j in pairs:
        if iou >= least and i not in taken_found and j not in taken_true:
            taken_found.add(i)
            taken_true.add(j)
    return len(taken_true)


# --- pages ----------------------------------------------------------------------------------


def _column(samples: Sequence[Sample], rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
    """Lines below each other as shares of the paper's light, shape (height, width), and their outlines."""
    images = []
    for sample in samples:
        image = read_image(sample.image, "GRAY").astype(np.float32)
        # lines are stored at one height, whatever they were; on a page it is the letters that are of one size
        width = round(CHARACTER_WIDTH * (len(sample.text) + 1))
        size = width, max(8, round(image.shape[0] * width / image.shape[1]))
        images.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    distance = float(np.median([image.shape[0] for image in images])) * rng.uniform(0.85, 1.3)
    width, height = max(image.shape[1] for image in images), max(image.shape[0] for image in images)
    column = np.ones((round(distance * len(images)) + height, width + 30), np.float32)
    outlines = []
    for index, image in enumerate(images):
        top, left = round(index * distance), int(rng.integers(0, 30))
        column[top : top + image.shape[0], left : left + image.shape[1]] *= np.minimum(image / paper_color(image)[0], 1)
        right, bottom = left + image.shape[1], top + image.shape[0]
        outlines.append(np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64))
    return column, outlines


def compose(samples: Sequence[Sample], layout: str, rng: np.random.Generator) -> Page:
    """A page of lines that were cut out of others; the columns are read from left to right."""
    parts = [list(samples)]
    if layout == "two columns":
        half = (len(samples) + 1) // 2
        parts = [list(samples[:half]), list(samples[half:])]
    elif layout == "margin note":
        by_length = sorted(samples, key=lambda sample: len(sample.text))
        parts = [by_length[:3], [sample for sample in samples if sample not in by_length[:3]]]
    columns = [_column(part, rng) for part in parts]
    gap, margin = int(rng.integers(40, 120)), int(rng.integers(60, 160))
    height = max(column.shape[0] for column, _ in columns) + 2 * margin
    page = np.ones((height, 2 * margin + sum(column.shape[1] + gap for column, _ in columns)), np.float32)
    left, polygons = margin, []
    for column, outlines in columns:
        page[margin : margin + column.shape[0], left : left + column.shape[1]] = column
        polygons += [outline + np.array([left, margin]) for outline in outlines]
        left += column.shape[1] + gap
    image = page * rng.uniform(215, 250) + rng.normal(0, 1.5, page.shape)
    texts = [sample.text for part in parts for sample in part]
    return Page(np.clip(image, 0, 255).astype(np.uint8), polygons, texts, layout)


def composed_pages(table: str, count: int) -> Iterator[Page]:
    """Pages of 8 to 16 lines of one writer each, in turn one column, two columns, and one with a note in the margin."""
    samples = sorted(read_table(table)[0], key=lambda sample: sample.writer)
    hands = [list(lines) for _, lines in groupby(samples, key=lambda sample: sample.writer)]
    for number in range(count):
        rng = np.random.default_rng([SEED, number])
        lines = hands[number % len(hands)]
        chosen = rng.permutation(len(lines))[: int(rng.integers(8, 17))]
        yield compose([lines[index] for index in chosen], LAYOUTS[number // 2 % len(LAYOUTS)], rng)


def generated_pages(count: int) -> Iterator[Page]:
    """Pages of pen strokes."""
    for number in range(count):
        texts = [text[:44].strip() for text in english_sentences(10, SEED + number)]
        image, boxes = draw_page(texts, SEED, number, writer=number)
        polygons = [np.array([[l, t], [r, t], [r, b], [l, b]], np.float64) for l, t, r, b in boxes]  # noqa: E741
        yield Page(image, polygons, texts, "one column")


def alto_pages(folder: str, count: int) -> Iterator[Page]:
    """Real pages with ALTO or PAGE files."""
    files, _ = list_pages(folder)
    order = np.random.default_rng(SEED).permutation(len(files))
    for index in order[:count]:
        file = files[index]
        image = read_image(file.picture)
        lines = [line for line in read_xml(file.path, file.picture)[0].lines if line.text and line.polygon is not None]
        size = image.shape[1::-1]
        yield Page(image, [line.polygon * size for line in lines], [line.text for line in lines], "real")


def photographed(page: Page, rng: np.random.Generator) -> Page:
    """A page as a phone takes it: in perspective, tilted, on a table, under a shadow, as JPEG."""
    height, width = page.image.shape[:2]
    border = round(0.08 * max(height, width))
    corners = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
    angle = np.radians(rng.uniform(-3, 3))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([width, height]) / 2
    moved = (corners - middle) @ turn.T + middle + rng.uniform(-0.025, 0.025, (4, 2)) * (width, height) + border
    matrix = cv2.getPerspectiveTransform(corners, np.float32(moved))
    size = width + 2 * border, height + 2 * border
    image = cv2.warpPerspective(page.image, matrix, size, flags=cv2.INTER_AREA, borderValue=(90, 100, 110))
    light = cv2.resize(rng.uniform(0.55, 1, (3, 3)).astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    light = light if image.ndim == 2 else light[..., None]
    noisy = np.clip(image * light + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    stored = cv2.imdecode(cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 80])[1], cv2.IMREAD_UNCHANGED)
    polygons = [cv2.perspectiveTransform(polygon[None], matrix)[0] for polygon in page.polygons]
    return Page(stored, polygons, page.texts, page.layout)


# --- measuring ------------------------------------------------------------------------------


def measure_pages(
    model: ImageToWordModel, pages: Iterator[Page], change: Callable[[Page, int], Page], look: Path | None
) -> list[dict]:
    """A row for each layout, and one for all."""
    counts = []
    for number, page in enumerate(pages):
        page = change(page, number)
        reading = model.predict_page(page.image)
        if look:
            write_png(look / f"{number:03d}.png", annotate(page.image, reading))
        counts.append(
            {
                "layout": page.layout,
                "found": len(reading.lines),
                "true": len(page.polygons),
                "matched": matches([line.polygon for line in reading.lines], page.polygons),
                "text": " ".join(page.texts),
                "read": " ".join(reading.text.split("\n")),
                "read_lines": " ".join(
                    model.predict_batch([cut_line(page.image, polygon)[0] for polygon in page.polygons])
                ),
            }
        )
    rows = []
    for layout in (*dict.fromkeys(page["layout"] for page in counts), "all"):
        chosen = [page for page in counts if layout in (page["layout"], "all")]
        found, true, matched = (sum(page[name] for page in chosen) for name in ("found", "true", "matched"))
        truths = [page["text"] for page in chosen]
        cer = error_rate([page["read"] for page in chosen], truths)
        of_lines = error_rate([page["read_lines"] for page in chosen], truths)
        rows.append(
            {
                "layout": layout,
                "pages": len(chosen),
                "lines": true,
                "recall": 100 * matched / max(true, 1),
                "precision": 100 * matched / max(found, 1),
                "cer": 100 * cer.rate,
                "cer_of_lines": 100 * of_lines.rate,
            }
        )
    return rows


@command("pages.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", help="table of lines with writers, to compose pages of")
    parser.add_argument("--alto", help="folder of ALTO files and page images")
    parser.add_argument("--pages", type=int, default=24, help="how many [24]")
    parser.add_argument("--model", default="Models/pretrained", help="[Models/pretrained]")
    parser.add_argument("--look", help="folder for pictures of what was found")
    given = parser.parse_args()
    model = ImageToWordModel(given.model)

    def pages() -> Iterator[Page]:
        if given.alto:
            return alto_pages(given.alto, given.pages)
        return composed_pages(given.csv, given.pages) if given.csv else generated_pages(given.pages)

    changes = {
        "scan": lambda page, number: page,
        "phone": lambda page, number: photographed(page, np.random.default_rng([SEED, 1, number])),
    }
    rows = []
    for kind, change in changes.items():
        look = Path(given.look) / kind if given.look else None
        if look:
            look.mkdir(parents=True, exist_ok=True)
        progress = ProgressBar(pages(), total=given.pages, desc=f"Reading ({kind})", unit="page")
        rows += [{"kind": kind, **row} for row in measure_pages(model, progress, change, look)]
    report("pages", rows, "cer", lambda row: next(first for first in rows if first["layout"] == row["layout"]))


if __name__ == "__main__":
    sys.exit(main())
