"""Where the errors of an evaluation lie: aligned texts, confused characters, writers, the worst lines."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from .readings import LineReading
from .utils.text_utils import ErrorRate, bootstrap_interval, count_errors

WRITER_RESAMPLES = 500  # fewer than usual, because there may be hundreds of writers


class Evaluated(NamedTuple):
    """A line with its true text and its reading."""

    image: str  # path
    text: str  # the true one
    reading: LineReading
    writer: str = ""  # empty if unknown


class WriterRate(NamedTuple):
    """Error rates of the lines of one writer."""

    writer: str  # empty for the lines whose writer is unknown
    lines: int
    cer: ErrorRate  # low and high are NaN for a single line, which has no interval
    wer: float


def align(true: Sequence[str], read: Sequence[str]) -> list[tuple[str, str]]:
    """Pair two sequences so that as few pairs as possible differ (Levenshtein distance).

    Args:
        true: the characters of a text, or a list of its words.
        read: the same of the reading.

    Returns:
        (true, read) pairs in order; "" stands on the true side of an insertion and on the read side of a deletion.
    """
    pairs: list[tuple[str, str]] = []
    for _, true_start, true_end, read_start, read_end in Levenshtein.opcodes(true, read):
        pairs += zip_longest(true[true_start:true_end], read[read_start:read_end], fillvalue="")
    return pairs


def count_confusions(lines: Iterable[Evaluated]) -> Counter[tuple[str, str]]:
    """Count how often each character was read as which other; the keys are pairs as in :func:`align`.

    The counts add up to the character errors of CER.
    """
    return Counter(pair for line in lines for pair in align(line.text, line.reading.text) if pair[0] != pair[1])


def pooled_error_rate(
    lines: Iterable[Evaluated], tokens: Callable[[str], Sequence[str]] = list, resamples: int = 2000
) -> ErrorRate:
    """Error rate over all tokens of at least one line, with its interval; NaN as the interval of a single line.

    Args:
        lines: the evaluated lines.
        tokens: splits a text into characters (`list`) or words (`str.split`).
        resamples: see :func:`.bootstrap_interval`.
    """
    counts = (count_errors([line.reading.text], [line.text], tokens) for line in lines)
    errors, totals = zip(*counts, strict=True)
    interval = bootstrap_interval(errors, totals, resamples=resamples) if len(errors) > 1 else (math.nan, math.nan)
    return ErrorRate(sum(errors), sum(totals), *interval)


def writer_rates(lines: Iterable[Evaluated]) -> list[WriterRate]:
    """Error rates by writer, highest CER first; an empty list if no writer is known."""
    by_writer = defaultdict(list)
    for line in lines:
        by_writer[line.writer].append(line)
    if not any(by_writer):
        return []
    rates = []
    for writer, group in by_writer.items():
        errors, words = count_errors([line.reading.text for line in group], [line.text for line in group], str.split)
        cer = pooled_error_rate(group, resamples=WRITER_RESAMPLES)
        rates.append(WriterRate(writer, len(group), cer, errors / max(words, 1)))
    return sorted(rates, key=lambda rate: (-rate.cer.rate, rate.writer))


def worst_lines(lines: Iterable[Evaluated], count: int = 40) -> list[Evaluated]:
    """The `count` lines with the worst errors, the worst first.

    They are ranked by edits / (true characters + 10): by CER, a single wrong comma would rank above all else.
    """

    def badness(line: Evaluated) -> float:
        errors, total = count_errors([line.reading.text], [line.text])
        return errors / (total + 10)

    wrong = [line for line in lines if line.reading.text != line.text]
    return sorted(wrong, key=badness, reverse=True)[:count]
