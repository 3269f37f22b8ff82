"""Reading a table of lines whose true texts are known: error rates, and a CSV file with each reading."""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .datasets.base import Sample
from .datasets.table import read_table
from .error_analysis import Evaluated
from .recognizer import LineRecognizer
from .utils.console import print_error
from .utils.errors import InputError
from .utils.files import csv_bytes, naming, refuse_inputs
from .utils.image_utils import read_image
from .utils.progress import ProgressBar
from .utils.text_utils import error_rate, get_cer, get_wer

MAX_LINES = 128  # lines of a table held in memory at once
COLUMNS = ("image", "text", "reading", "cer", "wer", "confidence")  # columns of the results file


@dataclass(frozen=True)
class Evaluation:
    """The lines of a table and how they were read.

    Attributes:
        lines: those that were read, in order.
        failed: number of rows that could not be read.
        seconds: that reading took.
    """

    lines: list[Evaluated]
    failed: int
    seconds: float

    def summary(self) -> str:
        """CER and WER with their intervals, and the speed; three lines of text.

        The rates are edits summed over all lines, divided by the true characters or words summed over them; the
        intervals are bootstraps over the lines, see :func:`.bootstrap_interval`.
        """
        readings, truths = [line.reading.text for line in self.lines], [line.text for line in self.lines]
        rows = []
        for name, unit, tokens in (("CER", "characters", list), ("WER", "words", str.split)):
            rate = error_rate(readings, truths, tokens)
            rows.append(
                f"{name} {rate.rate:.2%} ({rate.errors} of {rate.total} {unit}; "
                f"95 % interval {rate.low:.2%} to {rate.high:.2%})"
            )
        rows.append(f"{len(readings)} lines, {len(readings) / self.seconds:.1f} per second")
        return "\n".join(rows)


def evaluate_table(model: LineRecognizer, table: str, output: str | None = None) -> Evaluation:
    """Read the images of a table, and say on standard error what cannot be read.

    Args:
        model: that reads.
        table: CSV or TSV file of images and their true texts.
        output: CSV file for the readings, written line by line; None for none.

    Raises:
        InputError: the table cannot be read, or the output cannot be written or is one of the inputs.
    """
    samples, skipped = read_table(table)
    for entry in skipped:
        print_error(f"{entry.source}: {entry.reason}")
    failed = sum(not entry.kept for entry in skipped)
    lines = []
    start = time.monotonic()
    with results_file(output, COLUMNS, [table, *(sample.image for sample in samples)]) as append:
        for line in evaluate(model, samples):
            if isinstance(line, InputError):
                print_error(line)
                failed += 1
                continue
            lines.append(line)
            rates = (f"{rate(line.reading.text, line.text):.6f}" for rate in (get_cer, get_wer))
            append((line.image, line.text, line.reading.text, *rates, f"{line.reading.confidence:.4f}"))
    return Evaluation(lines, failed, time.monotonic() - start)


def evaluate(model: LineRecognizer, samples: Sequence[Sample]) -> Iterator[Evaluated | InputError]:
    """Read samples in order; gives an error in place of each that cannot be read. Shows a progress bar."""

    def load(sample: Sample) -> np.ndarray | InputError:
        try:
            return read_image(sample.image)
        except InputError as error:
            return error

    with ProgressBar(total=len(samples), desc="Reading", unit="line") as bar:
        for start in range(0, len(samples), MAX_LINES):
            part = samples[start : start + MAX_LINES]
            images = list(model.pool.map(load, part))
            readings = iter(model.read_batch(image for image in images if not isinstance(image, InputError)))
            for sample, image in zip(part, images, strict=True):
                if isinstance(image, InputError):
                    yield image
                else:
                    yield Evaluated(sample.image, sample.text, next(readings), sample.writer)
            bar.update(len(part))


@contextmanager
def results_file(path: str | None, columns: Sequence[str], inputs: Sequence[str]) -> Iterator[Any]:
    """A function that appends a row to a new CSV file, flushed at once; without a path it does nothing.

    Raises:
        InputError: the file cannot be written, is one of the inputs, or holds something else than such rows.
    """
    if path is None:
        yield lambda row: None
        return
    refuse_inputs(path, inputs)
    header = csv_bytes(columns, [])
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if os.path.isfile(path):
            with open(path, "rb") as earlier:
                if earlier.read(len(header)) not in (b"", header):
                    raise InputError(f"{path}: holds something else, which would be lost; choose another --output")
        file = open(path, "w", newline="", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    with naming(path), file:
        writer = csv.writer(file)

        def append(row: Sequence) -> None:
            writer.writerow(row)
            file.flush()

        append(columns)
        yield append
