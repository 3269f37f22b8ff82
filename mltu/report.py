"""Report of an evaluation: error rates, where the errors lie, and how far the confidences can be trusted."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import cv2

from .calibration import SCORES, calibration_error
from .error_analysis import Evaluated, WriterRate, align, count_confusions, pooled_error_rate, worst_lines, writer_rates
from .pictures.charts import draw_calibration, draw_confusions, symbol
from .pictures.sheets import shrink
from .utils.errors import InputError
from .utils.files import as_utf8, csv_bytes, write_atomic
from .utils.image_utils import read_image
from .utils.templates import EmbeddedImage, render
from .utils.text_utils import ErrorRate, count_errors, get_cer, get_wer

MAX_CONFUSIONS, MAX_WRITERS = 20, 40  # rows of the tables on the page; the CSV files have all of them
MAX_WORST_LINES = 40
MAX_SHOWN_CHARACTERS = 500  # of a text on the page; lines.csv has all of it
MAX_IMAGE_WIDTH, MAX_IMAGE_HEIGHT = 900, 300  # pixels of a line on the page
MAX_IMAGE_BYTES = 45_000  # of its JPEG, so that 40 of them, in base64, stay below 2.5 MB
CHART_SCALE = 0.65  # at which the letters of a chart are as large as the notes on the page


def write_report(
    folder: str | Path,
    lines: Sequence[Evaluated],
    seconds: float,
    about: Mapping[str, str],
    title: str = "Evaluation report",
) -> Path:
    """Write the report of an evaluation as files, each of them whole or not at all.

    `index.html` is a page for people that needs no other file; `report.json`, `lines.csv`, `confusions.csv` and
    `writers.csv` hold the numbers, `confusions.png` and `calibration.png` the charts of the page. Files that do not
    apply (no error, no known writer, nothing read) are not written, and those of an earlier report are removed.

    `about` are names and values of settings to mention, such as the model and the table. Returns the path of the page.

    Raises:
        ValueError: there are no lines, or a reading has more or fewer characters than its text.
    """
    if not lines:
        raise ValueError("an evaluation without lines has nothing to report")
    scores = {name: score(lines) for name, score in SCORES.items()}
    calibration = {name: calibration_error(*score) for name, score in scores.items()}
    rates = {"CER": pooled_error_rate(lines), "WER": pooled_error_rate(lines, str.split)}
    counts = count_confusions(lines)
    confusions = sorted(((*pair, count) for pair, count in counts.items()), key=lambda row: (-row[2], row[:2]))
    writers = writer_rates(lines)
    heat_map = draw_confusions(counts) if confusions else None
    diagram = draw_calibration(scores) if scores["characters"][0] else None
    summary = {
        "title": title,
        "about": dict(about),
        "lines": len(lines),
        "characters": rates["CER"].total,
        "words": rates["WER"].total,
        "seconds": seconds,
        "lines_per_second": len(lines) / seconds if seconds > 0 else None,
        **{name.lower(): _without_nan({"rate": rate.rate, **rate._asdict()}) for name, rate in rates.items()},
        "calibration_error": _without_nan(calibration),
        "cer_by_writer": {writer.writer: writer.cer.rate for writer in writers},
    }
    filters = {"percent": _percent, "interval": _interval, "integer": "{:,}".format, "symbol": symbol}
    page = render(
        "report.html",
        filters,
        **summary,
        rates=rates,
        confusions=confusions[:MAX_CONFUSIONS],
        heat_map=heat_map and _chart(heat_map),
        writers=writers,
        max_writers=MAX_WRITERS,
        calibration=calibration,
        diagram=diagram and _chart(diagram),
        worst=[_worst_line(line) for line in worst_lines(lines, MAX_WORST_LINES)],
    )
    files = {
        "lines.csv": _lines_csv(lines),
        "confusions.csv": _confusions_csv(confusions),
        "writers.csv": _writers_csv(writers) if writers else None,
        "confusions.png": heat_map,
        "calibration.png": diagram,
        "report.json": as_utf8(json.dumps(summary, indent=2, ensure_ascii=False) + "\n"),
        "index.html": as_utf8(page),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if content is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_atomic(folder / name, content)
    return folder / "index.html"


def _without_nan(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _lines_csv(lines: Iterable[Evaluated]) -> bytes:
    def row(line: Evaluated) -> tuple:
        read = line.reading
        numbers = (get_cer(read.text, line.text), get_wer(read.text, line.text), read.confidence)
        return line.image, line.text, read.text, line.writer, *map("{:.6f}".format, numbers)

    return csv_bytes(("image", "text", "reading", "writer", "cer", "wer", "confidence"), map(row, lines))


def _confusions_csv(confusions: Sequence[tuple[str, str, int]]) -> bytes:
    total = sum(count for *_, count in confusions)
    rows = ((*row, f"{row[2] / total:.6f}") for row in confusions)
    return csv_bytes(("true", "read", "count", "share"), rows)


def _writers_csv(writers: Iterable[WriterRate]) -> bytes:
    def row(writer: WriterRate) -> tuple:
        cer = writer.cer
        interval = ("" if math.isnan(end) else f"{end:.6f}" for end in (cer.low, cer.high))
        return writer.writer, writer.lines, cer.total, f"{cer.rate:.6f}", *interval, f"{writer.wer:.6f}"

    return csv_bytes(("writer", "lines", "characters", "cer", "cer_low", "cer_high", "wer"), map(row, writers))


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%" if math.isfinite(share) else "–"


def _interval(rate: ErrorRate) -> str:
    return f"{100 * rate.low:.2f} to {_percent(rate.high)}" if math.isfinite(rate.low) else "–"


def _chart(png: bytes) -> EmbeddedImage:
    return EmbeddedImage.of(png, "png", *(round(CHART_SCALE * side) for side in struct.unpack(">II", png[16:24])))


def _line_image(path: str) -> EmbeddedImage:
    """The image of a line as JPEG, made small enough for the page; raises InputError if it cannot be read."""
    image = read_image(path)
    height, width = image.shape[:2]
    scale = min(1.0, MAX_IMAGE_WIDTH / width, MAX_IMAGE_HEIGHT / height)
    while True:
        small = shrink(image, scale)
        jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 75])[1].tobytes()
        if len(jpeg) <= MAX_IMAGE_BYTES:
            return EmbeddedImage.of(jpeg, "jpeg", *small.shape[1::-1])
        scale *= 0.8


def _worst_line(line: Evaluated) -> dict[str, Any]:
    """The values of a line on the page."""
    errors, total = count_errors([line.reading.text], [line.text])
    true, read = _parts(line)
    try:
        image, problem = _line_image(line.image), ""
    except InputError as error:
        image, problem = None, str(error)
    about = {"line": line, "file": Path(line.image).name, "errors": errors, "cer": errors / max(total, 1)}
    return {**about, "image": image, "problem": problem, "true": true, "read": read}


def _parts(line: Evaluated) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """True text and reading in (part, whether it is the same in both) pairs, at most as long as the page shows."""
    pairs = align(line.text, line.reading.text)
    true, read = [], []
    for same, run in groupby(pairs[:MAX_SHOWN_CHARACTERS], lambda pair: pair[0] == pair[1]):
        for side, characters in zip((true, read), zip(*run, strict=True), strict=True):
            part = "".join(characters)
            if part:
                side.append((part if same else part.replace(" ", "␣"), same))
    for side in (true, read):
        if side and len(pairs) > MAX_SHOWN_CHARACTERS:
            side.append(("…", True))
    return true, read
