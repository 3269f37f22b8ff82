"""Report of an evaluation: what the error rates are, where the errors lie, and how much a confidence is worth."""

from __future__ import annotations

import base64
import csv
import io
import json
import math
import struct
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from .calibration import calibration_error, reliability_bins, score_characters, score_words
from .error_analysis import Evaluated, WriterRate, align, count_confusions, pooled_error_rate, worst_lines, writer_rates
from .utils.errors import InputError
from .utils.files import as_utf8, write_whole
from .utils.image_utils import read_image
from .utils.plots import png_of
from .utils.text_utils import ErrorRate, count_errors, get_cer, get_wer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEAT_MAP_CHARACTERS = 25
TABLE_CONFUSIONS = 20
TABLE_WRITERS = 40
WORST_LINES = 40
SHOWN_CHARACTERS = 500  # of a text on the page; lines.csv has all of it
PICTURE_WIDTH, PICTURE_HEIGHT = 900, 300  # pixels of a line's image on the page, at most
PICTURE_BYTES = 45_000  # of its JPEG, so that 40 of them, in base64, stay below 2.5 MB
INTERVAL = "95\N{NO-BREAK SPACE}% interval"


class _Findings(NamedTuple):
    """The numbers of a report."""

    lines: int
    seconds: float
    cer: ErrorRate
    wer: ErrorRate
    confusions: Counter[tuple[str, str]]
    calibration: dict[str, float]  # of characters and words
    writers: list[WriterRate]

    @property
    def speed(self) -> float | None:
        """Lines a second; None where no time was taken."""
        return self.lines / self.seconds if self.seconds > 0 else None


def write_report(
    folder: str | Path,
    evaluated: Sequence[Evaluated],
    seconds: float,
    about: Mapping[str, str],
    title: str = "Evaluation report",
) -> Path:
    """Write the report of an evaluation as files, each of them whole or not at all.

    `index.html` is one page for people that needs no other file; `report.json`, `lines.csv`, `confusions.csv` and
    `writers.csv` hold the numbers, `confusions.png` and `calibration.png` the page's pictures. What does not apply
    (no error, no known writer, nothing read) is not written, and is removed where an earlier report left it.

    Args:
        folder: made if it is missing.
        evaluated: the lines.
        seconds: that reading them took.
        about: names and values of settings to mention, such as the model and the table.
        title: of the page.

    Returns:
        Path of the page.

    Raises:
        ValueError: there is no line, or a reading's characters are not as many as those of its text.
        OSError: a file cannot be written.
    """
    if not evaluated:
        raise ValueError("an evaluation without lines has nothing to report")
    judged = {"characters": score_characters(evaluated), "words": score_words(evaluated)}
    found = _Findings(
        lines=len(evaluated),
        seconds=seconds,
        cer=pooled_error_rate(evaluated),
        wer=pooled_error_rate(evaluated, str.split),
        confusions=count_confusions(evaluated),
        calibration={name: calibration_error(*of) for name, of in judged.items()},
        writers=writer_rates(evaluated),
    )
    heat_map = draw_confusions(found.confusions) if found.confusions else None
    diagram = draw_calibration(judged) if judged["characters"][0] else None
    page = Template(PAGE).substitute(
        title=escape(title),
        style=STYLE,
        summary=_summary(found),
        about=_about(about),
        confusions=_confusions(found.confusions, heat_map),
        calibration=_calibration(found.calibration, diagram),
        writers=_writers(found.writers),
        worst=_worst(evaluated),
    )
    files = {
        "lines.csv": _lines_csv(evaluated),
        "confusions.csv": _confusions_csv(found.confusions),
        "writers.csv": _writers_csv(found.writers) if found.writers else None,
        "confusions.png": heat_map,
        "calibration.png": diagram,
        "report.json": _report_json(found, title, about),
        "index.html": as_utf8(page),
    }
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        if content is None:
            (folder / name).unlink(missing_ok=True)
        else:
            write_whole(folder / name, content)
    return folder / "index.html"


def _finite(values: Mapping[str, float]) -> dict[str, float | None]:
    """JSON has no NaN."""
    return {name: value if math.isfinite(value) else None for name, value in values.items()}


def _report_json(found: _Findings, title: str, about: Mapping[str, str]) -> bytes:
    content = {
        "title": title,
        "about": dict(about),
        "lines": found.lines,
        "characters": found.cer.total,
        "words": found.wer.total,
        "seconds": found.seconds,
        "lines_per_second": found.speed,
        "cer": _finite({"rate": found.cer.rate, **found.cer._asdict()}),
        "wer": _finite({"rate": found.wer.rate, **found.wer._asdict()}),
        "calibration_error": _finite(found.calibration),
        "cer_by_writer": {one.writer: one.cer.rate for one in found.writers},
    }
    return as_utf8(json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def _csv(header: Sequence[str], rows: Iterable[Sequence]) -> bytes:
    table = io.StringIO(newline="")
    csv.writer(table).writerows([header, *rows])
    return as_utf8(table.getvalue())


def _lines_csv(evaluated: Iterable[Evaluated]) -> bytes:
    def row(line: Evaluated) -> tuple:
        read = line.reading
        rates = (f"{rate(read.text, line.text):.6f}" for rate in (get_cer, get_wer))
        return line.image, line.text, read.text, line.writer, *rates, f"{read.confidence:.6f}"

    return _csv(("image", "text", "reading", "writer", "cer", "wer", "confidence"), map(row, evaluated))


def _confusions_csv(confusions: Counter[tuple[str, str]]) -> bytes:
    total = confusions.total()
    rows = ((*pair, count, f"{count / total:.6f}") for pair, count in _ranked(confusions))
    return _csv(("true", "read", "count", "share"), rows)


def _writers_csv(writers: Iterable[WriterRate]) -> bytes:
    def row(one: WriterRate) -> tuple:
        ends = ("" if math.isnan(end) else f"{end:.6f}" for end in (one.cer.low, one.cer.high))
        return one.writer, one.lines, one.cer.total, f"{one.cer.rate:.6f}", *ends, f"{one.wer:.6f}"

    return _csv(("writer", "lines", "characters", "cer", "cer_low", "cer_high", "wer"), map(row, writers))


def _ranked(confusions: Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    """Most frequent first, equal counts by character."""
    return sorted(confusions.items(), key=lambda item: (-item[1], item[0]))


def _symbol(character: str) -> str:
    """A character so that it can be seen on its own."""
    if character in ("", " "):
        return "␣" if character else "∅"
    if unicodedata.category(character).startswith("M"):
        return "◌" + character  # an accent needs something to stand on
    return character if character.isprintable() else f"U+{ord(character):04X}"


def _letter_order(character: str) -> tuple:
    """Sorts a character next to its accented forms and its capital; what is no letter comes first."""
    plain = unicodedata.normalize("NFD", character)[:1].casefold()
    return plain.isalnum(), plain, character


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure  # not pyplot, which keeps global state and looks for a screen

    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def _labels(characters: Iterable[str]) -> list[str]:
    """The characters as matplotlib can draw them: by number where its font has no such letter."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties()))
    symbols = {one: _symbol(one) for one in characters}
    return [
        symbol if all(font.get_char_index(ord(part)) for part in symbol) else f"U+{ord(one):04X}"
        for one, symbol in symbols.items()
    ]


def draw_confusions(confusions: Counter[tuple[str, str]]) -> bytes:
    """Heat map of the characters with most errors, as PNG.

    Args:
        confusions: of :func:`count_confusions`, at least one.
    """
    from matplotlib.colors import PowerNorm

    involved: Counter[str] = Counter()
    for (true, read), count in confusions.items():
        involved.update({true: count, read: count})
    characters = sorted((one for one, _ in involved.most_common(HEAT_MAP_CHARACTERS)), key=_letter_order)
    counts = np.array([[confusions[true, read] for read in characters] for true in characters])
    size = max(3.5, 2 + 0.26 * len(characters))  # inches, with room for the names of the axes
    figure = _figure(size, size)
    axes = figure.subplots()
    top = counts.max()
    digits = 7.5 if top < 1000 else 5.5  # points
    # square roots, or a few frequent confusions would leave all others pale
    axes.imshow(np.ma.masked_equal(counts, 0), cmap="Blues", norm=PowerNorm(0.5, 0, top), aspect="equal")
    axes.imshow(np.ma.masked_equal(np.eye(len(characters)), 0), cmap="Greys", vmin=0, vmax=6)
    for row, column in zip(*counts.nonzero(), strict=True):
        color = "white" if counts[row, column] > 0.5 * top else "black"
        axes.text(column, row, counts[row, column], ha="center", va="center", fontsize=digits, color=color)
    labels, ticks = _labels(characters), range(len(characters))
    axes.set_xticks(ticks, labels, parse_math=False, rotation=90 if max(map(len, labels)) > 2 else 0)
    axes.set_yticks(ticks, labels, parse_math=False)
    edges = np.arange(len(characters) + 1) - 0.5
    for lines in (axes.hlines, axes.vlines):
        lines(edges, edges[0], edges[-1], color="0.9", linewidth=0.5)
    axes.tick_params(length=0)
    axes.set(xlabel="read as (∅: nothing, ␣: space)", ylabel="true character (∅: nothing)")
    return png_of(figure)


def draw_calibration(judged: Mapping[str, tuple[Sequence[float], Sequence[bool]]], bins: int = 15) -> bytes:
    """Reliability diagram as PNG: share right against confidence, and below how many there are of each.

    Args:
        judged: name of what was judged -> (confidences, whether right), as of :func:`score_characters`.
        bins: of confidence.
    """
    figure = _figure(5, 5.2)
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    upper.plot((0, 100), (0, 100), ":", color="0.4", label="calibrated")
    edges = np.linspace(0, 100, bins + 1)
    for (name, (confidences, right)), style, color in zip(judged.items(), ("o-", "s--"), ("C0", "C1"), strict=True):
        if not right:
            continue
        counts, sums, hits = reliability_bins(confidences, right, bins)
        filled = counts > 0
        x, y = 100 * sums[filled] / counts[filled], 100 * hits[filled] / counts[filled]
        label = f"{name}, error {100 * calibration_error(confidences, right, bins):.1f} %"
        upper.plot(x, y, style, color=color, label=label, markersize=4, clip_on=False)
        lower.stairs(100 * counts / counts.sum(), edges, color=color, linestyle=style[1:], label=name)
    upper.set(ylabel="right, %", xlim=(0, 100), ylim=(0, 100))
    lower.set(xlabel="confidence, %", ylabel="share of all, %", ylim=(0, None))
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    upper.legend(loc="upper left")
    return png_of(figure)


def _line_picture(path: str) -> tuple[bytes, int, int]:
    """A line's image as JPEG, made small enough for the page: (bytes, width, height).

    Raises:
        InputError: the image cannot be read.
    """
    image = read_image(path)
    height, width = image.shape[:2]
    scale = min(1.0, PICTURE_WIDTH / width, PICTURE_HEIGHT / height)
    while True:
        size = max(1, round(scale * width)), max(1, round(scale * height))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image
        jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 75])[1].tobytes()
        if len(jpeg) <= PICTURE_BYTES:
            return jpeg, *size
        scale *= 0.8


def _percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%" if math.isfinite(share) else "–"


def _interval(rate: ErrorRate) -> str:
    return f"{100 * rate.low:.2f} to {_percent(rate.high)}" if math.isfinite(rate.low) else "–"


def _data_uri(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _chart(png: bytes, alt: str) -> str:
    """A chart at the size at which its letters are as large as the page's notes."""
    width, height = (round(0.65 * side) for side in struct.unpack(">II", png[16:24]))
    return f'<img src="{_data_uri(png, "png")}" width="{width}" height="{height}" alt="{alt}">'


def _table(caption: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in a box of its own that scrolls; caption, header and cells are HTML."""
    head = "".join(f'<th scope="col">{cell}</th>' for cell in header)
    body = "\n".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for first, *cells in rows
    )
    return (
        f'<div class="scroll" role="region" aria-label="{caption}" tabindex="0"><table>\n<caption>{caption}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _summary(found: _Findings) -> str:
    rows = [
        (name, f"<strong>{_percent(rate.rate)}</strong>", _interval(rate), f"{rate.errors:,} of {rate.total:,}")
        for name, rate in (("CER", found.cer), ("WER", found.wer))
    ]
    table = _table("All lines", ("", "rate", INTERVAL, "errors"), rows)
    count = f"{found.lines:,} {'line' if found.lines == 1 else 'lines'}"
    speed = f": {found.speed:,.1f} a second" if found.speed else ""
    return f"{table}\n<p>Read {count} in {found.seconds:,.1f} seconds{speed}.</p>"


def _about(about: Mapping[str, str]) -> str:
    pairs = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in about.items())
    return f'<dl class="about">\n{pairs}\n</dl>' if about else ""


def _confusions(confusions: Counter[tuple[str, str]], heat_map: bytes | None) -> str:
    if not heat_map:
        return "<p>There is no error.</p>"
    total = confusions.total()
    rows = [
        (escape(_symbol(true)), escape(_symbol(read)), f"{count:,}", _percent(count / total, 1))
        for (true, read), count in _ranked(confusions)[:TABLE_CONFUSIONS]
    ]
    caption = "The most frequent errors; ∅ is nothing, ␣ a space"
    alt = "Heat map: how often each of the most confused characters (rows) was read as which other (columns)"
    return (
        f"{_table(caption, ('true', 'read', 'times', 'of all errors'), rows)}\n"
        '<div class="scroll" role="region" aria-label="Heat map" tabindex="0">'
        f"{_chart(heat_map, alt)}</div>"
    )


def _calibration(errors: Mapping[str, float], diagram: bytes | None) -> str:
    if not diagram:
        return "<p>Nothing was read, so there are no confidences.</p>"
    found = ", ".join(f"{name} {_percent(error, 1)}" for name, error in errors.items())
    alt = "Reliability diagram: share of characters and of words that are right, against their confidence"
    return f"<p>Expected calibration error: {found}.</p>\n{_chart(diagram, alt)}"


def _writers(writers: Sequence[WriterRate]) -> str:
    if not writers:
        return ""
    rows = [
        (
            escape(one.writer) or "unknown",
            _percent(one.cer.rate),
            _interval(one.cer),
            _percent(one.wer),
            f"{one.lines:,}",
            f"{one.cer.total:,}",
        )
        for one in writers[:TABLE_WRITERS]
    ]
    caption = f"{len(writers):,} writers, the worst first"
    if len(writers) > TABLE_WRITERS:
        caption = f"The worst {TABLE_WRITERS} of {len(writers):,} writers; all are in writers.csv"
    table = _table(caption, ("writer", "CER", INTERVAL, "WER", "lines", "characters"), rows)
    return f"<section>\n<h2>Writers</h2>\n{table}\n</section>"


def _marked(line: Evaluated) -> tuple[str, str]:
    """True text and reading as HTML, with marks around what differs."""
    pairs = align(line.text, line.reading.text)
    sides = ["", ""]
    for same, run in groupby(pairs[:SHOWN_CHARACTERS], lambda pair: pair[0] == pair[1]):
        for side, (parts, tag) in enumerate(zip(zip(*run, strict=True), ("del", "ins"), strict=True)):
            text = escape("".join(parts))
            if text and not same:
                text = f"<{tag}>{text.replace(' ', '␣')}</{tag}>"
            sides[side] += text
    more = "…" if len(pairs) > SHOWN_CHARACTERS else ""
    true, read = (side and side + more for side in sides)
    return true, read or "<em>nothing</em>"


def _worst_line(line: Evaluated) -> str:
    errors, total = count_errors([line.reading.text], [line.text])
    name = escape(Path(line.image).name)
    try:
        jpeg, width, height = _line_picture(line.image)
        size = f'width="{width}" height="{height}"'
        picture = f'<img src="{_data_uri(jpeg, "jpeg")}" {size} alt="Handwriting in the file {name}">'
    except InputError as error:
        picture = f'<p class="note">No image: {escape(str(error))}</p>'
    true, read = _marked(line)
    facts = [
        f"CER {_percent(errors / max(total, 1), 0)} ({errors:,} {'error' if errors == 1 else 'errors'})",
        f"confidence {_percent(line.reading.confidence, 0)}",
        *([f"writer {escape(line.writer)}"] if line.writer else []),
        name,
    ]
    return (
        f'<li>\n{picture}\n<dl>\n<dt>true</dt><dd dir="auto" lang="">{true}</dd>\n'
        f'<dt>read</dt><dd dir="auto" lang="">{read}</dd>\n</dl>\n<p class="note">{" · ".join(facts)}</p>\n</li>'
    )


def _worst(evaluated: Iterable[Evaluated]) -> str:
    lines = worst_lines(evaluated, WORST_LINES)
    if not lines:
        return "<p>Every line was read without an error.</p>"
    items = "\n".join(map(_worst_line, lines))
    return (
        "<p>In the true text, <del>struck out</del> is what was not read; in the reading, <ins>underlined</ins> is "
        f'what is not in the true text; ␣ is a space.</p>\n<ol class="lines">\n{items}\n</ol>'
    )


# the policy lets the page load nothing and run nothing, whatever a text holds
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>$title</title>
<style>
$style</style>
</head>
<body>
<header>
<h1>$title</h1>
</header>
<main>
<section>
<h2>Error rates</h2>
$summary
<p class="note">Edits over all true characters (CER) and words (WER); the intervals are bootstrap intervals over the
lines.</p>
$about
</section>
<section>
<h2>Confused characters</h2>
$confusions
</section>
$writers
<section>
<h2>Calibration</h2>
<p>Of the characters that have a confidence of 80&nbsp;%, 80&nbsp;% should be right. The expected calibration error is
how far this is missed on average: 0 is best.</p>
$calibration
</section>
<section>
<h2>Worst lines</h2>
$worst
</section>
</main>
</body>
</html>
"""

STYLE = """\
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1d21; --soft: #555d68; --rule: #d5d9df; --band: #f4f5f7;
  --lost: #0b4f9c; --lost-paper: #dfecfb; --wrong: #8a3800; --wrong-paper: #fdeadb; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #15171b; --ink: #e7e9ec; --soft: #a7afba; --rule: #3a3f47; --band: #1f2227;
    --lost: #a9cdfa; --lost-paper: #16304f; --wrong: #ffc08f; --wrong-paper: #4a2709; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
.note { color: var(--soft); font-size: .875rem; margin: .25rem 0; }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; overflow-wrap: normal; }
caption { text-align: left; color: var(--soft); font-size: .875rem; padding-bottom: .25rem; white-space: normal; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); }
th { font-weight: 600; }
th:first-child { text-align: left; padding-left: 0; }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
.scroll img { max-width: none; }
@media (max-width: 30rem) {
  table { font-size: .875rem; }
  th, td { padding: .3rem .35rem; }
}
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem .75rem; margin: .5rem 0; }
dt { color: var(--soft); }
dd { margin: 0; }
.lines { padding: 0; list-style: none; }
.lines li { padding: .75rem; margin: 0 0 1rem; background: var(--band); border-radius: 6px; break-inside: avoid; }
.lines dd { white-space: pre-wrap; font-size: 1.0625rem; }
del { color: var(--lost); background: var(--lost-paper); text-decoration: line-through 1px; }
ins { color: var(--wrong); background: var(--wrong-paper); text-decoration: underline 2px; text-underline-offset: 3px; }
"""
