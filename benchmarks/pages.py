"""How well pages are read: lines found, seconds, and CER of whole pages.

    python benchmarks/pages.py                                real pages in Datasets/Pages/test, else generated ones
    python benchmarks/pages.py --folder FOLDER                real pages with ALTO or PAGE files
    python benchmarks/pages.py --generated                    pages of pen strokes
    python benchmarks/pages.py --csv test.tsv                 pages composed of the lines of a table
    python benchmarks/pages.py --look DIR                     writes each page with what was found on it
    python benchmarks/pages.py --peer kraken                  kraken beside it, in an environment of its own
    python benchmarks/pages.py --sheets                       blank sheets, and sheets with a single line
    python benchmarks/pages.py --rooms 1.1 1.2 1.35 1.5       how much room around lines is best to read them

Values of each kind of pages and of all: recall and precision of lines at an IoU of 0.5 or more; both by baselines, see
mltu/pages/metrics.py; CPU seconds per page, on the average and at most. `cer` compares all text of a page in reading
order with the true one, so writing that the truth leaves out and other orders count as errors. `cer_in_place` compares
each true line with what was read on its baseline, in any order, as the measures without reading order of Leifert et
al., "End-To-End Measure for Text Recognition" (2019) do; what was read elsewhere counts in `elsewhere` alone, its
characters per 100 true ones. `cer_of_lines` reads the true lines, so the rest is what finding them costs. The kind of a
real page is the part of its name before the last "-". Generated and composed pages are read as they are and as a phone
might take them: tilted, in perspective, with a shadow. Written to benchmarks/results/pages.csv, sheets.csv and
rooms.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("pages.py")

import argparse
import json
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, product
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks.common import ROOT, package_python, report
from inferenceModel import ImageToWordModel
from mltu.datasets import Sample, read_table
from mltu.datasets.page_xml import complete_polygons, list_pages, read_xml
from mltu.datasets.synthetic import draw_line, draw_page, english_sentences
from mltu.datasets.synthetic.sheets import draw_grain, draw_ruling, draw_sheet
from mltu.pages import TextLine, cut_line, find_lines
from mltu.pages.decode import ROOM_ABOVE, ROOM_BELOW
from mltu.pages.maps import Line, estimate_baseline
from mltu.pages.metrics import assign_baselines, match_polygons, score_baselines
from mltu.pictures.annotate import annotate
from mltu.utils.console import command
from mltu.utils.errors import CommandError, InputError
from mltu.utils.image_utils import paper_color, read_image, to_gray, write_png
from mltu.utils.progress import ProgressBar
from mltu.utils.text_utils import count_errors, error_rate

SEED = 11
CHARACTER_WIDTH = 25  # pixels, of composed pages
LAYOUTS = ("one column", "two columns", "margin note")
REAL_PAGES = ROOT / "Datasets" / "Pages" / "test"
KRAKEN = "kraken==7.1"
LINE_DISTANCE = 1.2  # line heights between the baselines of a page that does not tell it
SHEETS = ("plain", "grain", "lines", "squares", "dots", "seyes", "frames")
PITCHES = (12, 20, 32, 50)  # pixels between rules, on sheets of `SHEET` pixels
SHEET = (1400, 1000)  # height and width


class Page(NamedTuple):
    """A page with what is true of it."""

    image: np.ndarray  # uint8
    polygons: list[np.ndarray]  # of the lines in reading order, each of shape (points, 2), pixels
    baselines: list[np.ndarray]  # likewise, in writing direction
    texts: list[str]  # of the lines; empty where it is not known
    layout: str


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
    baselines = list(map(estimate_baseline, polygons))
    return Page(np.clip(image, 0, 255).astype(np.uint8), polygons, baselines, texts, layout)


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
        yield Page(image, polygons, list(map(estimate_baseline, polygons)), texts, "one column")


def real_pages(folder: str | Path, count: int) -> Iterator[Page]:
    """Real pages with ALTO or PAGE files."""
    files, _ = list_pages(folder)
    order = np.random.default_rng(SEED).permutation(len(files))
    for file in [files[index] for index in order[: count or None]]:
        image = read_image(file.picture)
        size = image.shape[1::-1]
        lines = complete_polygons(read_xml(file.path, file.picture)[0])
        polygons = [line.polygon * size for line in lines]
        baselines = [
            estimate_baseline(polygon) if line.baseline is None else line.baseline * size
            for line, polygon in zip(lines, polygons, strict=True)
        ]
        kind = file.path.stem.rpartition("-")[0] or file.path.parent.name
        yield Page(image, polygons, baselines, [line.text for line in lines], kind)


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
    polygons, baselines = (
        [cv2.perspectiveTransform(points[None], matrix)[0] for points in tracks]
        for tracks in (page.polygons, page.baselines)
    )
    return page._replace(image=stored, polygons=polygons, baselines=baselines)


# --- finders --------------------------------------------------------------------------------


def find_by_kraken(image: np.ndarray) -> list[TextLine]:
    """Lines by kraken's neural segmenter with its own model.

    Raises:
        CommandError: kraken fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "page.png", Path(folder) / "page.json"
        write_png(source, image)
        program = Path(package_python("kraken", KRAKEN)).with_name("kraken")
        done = subprocess.run(
            [program, "-i", source, result, "segment", "-bl"], capture_output=True, text=True, check=False
        )
        if done.returncode or not result.exists():
            raise CommandError(f"kraken failed: {done.stderr.strip()[-500:]}")
        lines = json.loads(result.read_text(encoding="utf-8"))["lines"]
    return [
        TextLine(np.array(line["boundary"]), np.array(line["baseline"]), 0)
        for line in lines
        if line.get("boundary") and len(line.get("baseline") or ()) > 1
    ]


FINDERS: dict[str, Callable[[np.ndarray], list[TextLine]]] = {"mltu": find_lines, "kraken": find_by_kraken}


def cpu_seconds() -> float:
    """Used by this process and by those that it has waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


# --- measuring ------------------------------------------------------------------------------


def measure_page(model: ImageToWordModel, page: Page, finder: str) -> dict:
    """Counts of one page, which sum up over pages, and its texts."""
    start = cpu_seconds()
    found = FINDERS[finder](page.image)
    seconds = cpu_seconds() - start
    usual = usual_distance(page)
    baselines = [line.baseline.astype(float) for line in found]
    scores = score_baselines(baselines, page.baselines, usual)
    read = read_lines(model, page.image, [(line.polygon, line.baseline) for line in found])
    with_text = [index for index, text in enumerate(page.texts) if text]
    texts = [page.texts[index] for index in with_text]
    assigned = assign_baselines(baselines, page.baselines, usual)
    in_place = [join(read[index] for index in assigned[line]) for line in with_text]
    return {
        "layout": page.layout,
        "found": len(found),
        "true": len(page.polygons),
        "matched": len(match_polygons([line.polygon for line in found], page.polygons)),
        "recalled": float(scores.recall.sum()),
        "precise": float(scores.precision.sum()),
        "cpu": seconds,
        "text": join(texts),
        "read": join(read),
        "read_lines": join(
            read_lines(model, page.image, [(page.polygons[index], page.baselines[index]) for index in with_text])
        ),
        "errors_in_place": count_errors(in_place, texts)[0],
        "characters": sum(map(len, texts)),
        "elsewhere": sum(map(len, read)) - sum(len(read[i]) for line in with_text for i in assigned[line]),
    }


def usual_distance(page: Page) -> float:
    """Of the baselines of a page, pixels, by the heights of its lines."""
    measured = [Line.measured(*line) for line in zip(page.baselines, page.polygons, strict=True)]
    return LINE_DISTANCE * float(np.median([line.above + line.below for line in measured] or [1.0]))


def measure_rooms(model: ImageToWordModel, pages: Iterable[Page], rooms: Sequence[float]) -> list[dict]:
    """CER of found lines by the room that their outlines give them, in multiples of the found heights.

    Only lines that lie alone on a true one count.
    """
    texts: list[str] = []
    read: dict[float, list[str]] = {room: [] for room in rooms}
    for page in pages:
        found = FINDERS["mltu"](page.image)
        assigned = assign_baselines([line.baseline for line in found], page.baselines, usual_distance(page))
        alone = [(found[i[0]], text) for i, text in zip(assigned, page.texts, strict=True) if len(i) == 1 and text]
        texts += [text for _, text in alone]
        lines = [Line.measured(line.baseline, line.polygon) for line, _ in alone]
        for room in rooms:
            bands = [line.band(room / ROOM_ABOVE * line.above, room / ROOM_BELOW * line.below) for line in lines]
            baselines = [line.baseline for line in lines]
            read[room] += read_lines(model, page.image, list(zip(bands, baselines, strict=True)))
    return [{"room": room, "lines": len(texts), "cer": 100 * error_rate(read[room], texts).rate} for room in rooms]


def join(texts: Iterable[str]) -> str:
    """One text of those that are not empty."""
    return " ".join(filter(None, texts))


def read_lines(model: ImageToWordModel, image: np.ndarray, lines: Sequence[Sequence[np.ndarray]]) -> list[str]:
    """The texts of lines, given by polygon and baseline, in their order."""
    gray = to_gray(image)
    cuts, texts = {}, [""] * len(lines)
    for index, (polygon, baseline) in enumerate(lines):
        try:
            cuts[index] = cut_line(gray, polygon, baseline)[0]
        except InputError:  # too small to read
            continue
    for index, text in zip(cuts, model.predict_batch(list(cuts.values())) if cuts else [], strict=True):
        texts[index] = text
    return texts


def summarize(counts: Sequence[dict]) -> list[dict]:
    """A row for each layout, and one for all."""
    rows = []
    for layout in (*dict.fromkeys(page["layout"] for page in counts), "all"):
        chosen = [page for page in counts if layout in (page["layout"], "all")]
        counted = ("found", "true", "matched", "recalled", "precise", "errors_in_place", "characters", "elsewhere")
        sums = {name: sum(page[name] for page in chosen) for name in counted}
        truths = [page["text"] for page in chosen]
        rows.append(
            {
                "layout": layout,
                "pages": len(chosen),
                "lines": sums["true"],
                "recall": 100 * sums["matched"] / max(sums["true"], 1),
                "precision": 100 * sums["matched"] / max(sums["found"], 1),
                "baseline_recall": 100 * sums["recalled"] / max(sums["true"], 1),
                "baseline_precision": 100 * sums["precise"] / max(sums["found"], 1),
                "cpu": float(np.mean([page["cpu"] for page in chosen])),
                "max_cpu": max(page["cpu"] for page in chosen),
                "cer": 100 * error_rate([page["read"] for page in chosen], truths).rate,
                "cer_in_place": 100 * sums["errors_in_place"] / max(sums["characters"], 1),
                "elsewhere": 100 * sums["elsewhere"] / max(sums["characters"], 1),
                "cer_of_lines": 100 * error_rate([page["read_lines"] for page in chosen], truths).rate,
            }
        )
    return rows


def sheet(kind: str, pitch: int, seed: int, lines: int) -> np.ndarray:
    """A sheet of a kind of `SHEETS` with no line or one, uint8, shape `SHEET`."""
    rng = np.random.default_rng([SEED, SHEETS.index(kind), pitch, seed, lines])
    paper = draw_sheet(SHEET, rng)
    if kind == "grain":
        paper *= draw_grain(SHEET, rng)
    elif kind != "plain":
        paper *= draw_ruling(SHEET, rng, rng.uniform(-2, 2), pitch, kind)
    if lines:
        line = to_gray(draw_line("a single line on a sheet", SEED, seed, writer=seed))
        height = int(rng.integers(40, 70))
        line = cv2.resize(line, (round(line.shape[1] * height / line.shape[0]), height), interpolation=cv2.INTER_AREA)
        line = line[:, : SHEET[1] - 100]
        top, left = (int(rng.integers(40, side - size - 40)) for side, size in zip(SHEET, line.shape, strict=True))
        darker = np.minimum(line / float(paper_color(line)[0]), 1)
        paper[top : top + line.shape[0], left : left + line.shape[1]] *= darker
    return np.clip(paper + rng.normal(0, 1.5, SHEET), 0, 255).astype(np.uint8)


def measure_sheets(seeds: int) -> list[dict]:
    """Lines found on sheets without any and on sheets with one, for each kind of sheets."""
    rows = []
    for kind, lines in ProgressBar(list(product(SHEETS, (0, 1))), desc="Sheets", unit="kind"):
        pitches = PITCHES if kind not in ("plain", "grain", "frames") else PITCHES[:1]
        counts = [len(find_lines(sheet(kind, pitch, seed, lines))) for pitch in pitches for seed in range(seeds)]
        right = sum(count == lines for count in counts)
        rows.append({"kind": kind, "lines": lines, "sheets": len(counts), "right": right, "most_found": max(counts)})
    return rows


@command("pages.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--folder", help=f"of ALTO or PAGE files and page images [{REAL_PAGES.relative_to(ROOT)}]")
    source.add_argument("--csv", help="table of lines with writers, to compose pages of")
    source.add_argument("--generated", action="store_true", help="pages of pen strokes")
    source.add_argument("--sheets", type=int, nargs="?", const=3, metavar="SEEDS", help="blank sheets and single lines")
    parser.add_argument("--pages", type=int, default=0, help="how many [real pages: all, else 24]")
    parser.add_argument("--model", default="Models/pretrained", help="[Models/pretrained]")
    parser.add_argument("--peer", choices=[name for name in FINDERS if name != "mltu"], help="another finder beside it")
    parser.add_argument(
        "--rooms", type=float, nargs="+", help="only compare these rooms around lines, in their heights"
    )
    parser.add_argument("--look", help="folder for pictures of what was found")
    given = parser.parse_args()
    if given.sheets:
        report("sheets", measure_sheets(given.sheets))
        return
    model = ImageToWordModel(given.model)
    folder = given.folder or (REAL_PAGES if REAL_PAGES.is_dir() and not (given.csv or given.generated) else None)
    count = given.pages if folder else given.pages or 24
    if given.rooms:
        pages = real_pages(folder, count) if folder else generated_pages(count)
        report("rooms", measure_rooms(model, pages, given.rooms))
        return
    changes: dict[str, Callable[[Page, int], Page]] = {"scan": lambda page, number: page}
    if not folder:
        changes["phone"] = lambda page, number: photographed(page, np.random.default_rng([SEED, 1, number]))
    rows = []
    for kind, change in changes.items():
        if folder:
            pages = real_pages(folder, count)
        else:
            pages = composed_pages(given.csv, count) if given.csv else generated_pages(count)
        counts: dict[str, list[dict]] = {finder: [] for finder in ("mltu", given.peer) if finder}
        progress = ProgressBar(
            pages or generated_pages(count), total=count or None, desc=f"Reading ({kind})", unit="page"
        )
        for number, page in enumerate(progress):
            page = change(page, number)
            for finder, measured in counts.items():
                measured.append(measure_page(model, page, finder))
            if given.look:
                look = Path(given.look) / kind
                look.mkdir(parents=True, exist_ok=True)
                write_png(
                    look / f"{number:03d}-{page.layout}.png", annotate(page.image, model.predict_page(page.image))
                )
        for finder, measured in counts.items():
            rows += [{"kind": kind, "finder": finder, **row} for row in summarize(measured)]
    if not rows:
        raise CommandError(f"{folder}: no pages with ALTO or PAGE files")
    report("pages", rows, "cpu", lambda row: next(first for first in rows if first["layout"] == row["layout"]))


if __name__ == "__main__":
    sys.exit(main())
