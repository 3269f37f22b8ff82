"""Character n-gram language models: built from plain text in seconds, saved as one small file.

    python -m mltu.language_model en.txt --output en.lm               from sentences or any other text
    python -m mltu.language_model a.txt b.txt --output both.lm --order 8

Exit codes: 0 built, 2 wrong input, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

if __name__ == "__main__":
    from .utils.console import guard_imports

    guard_imports("mltu.language_model")

import argparse
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from .character_scorer import SHARE, Automaton, CharacterScorer
from .configs import ArgumentParser
from .datasets.base import normalize_text
from .language_model_estimation import BREAK, PRUNED_FROM, Level, count_ngrams, smooth
from .language_model_file import MAX_ORDER, pack, read_model
from .utils.console import command
from .utils.errors import InputError
from .utils.files import refuse_inputs, write_atomic
from .utils.progress import ProgressBar

ORDER = 6  # characters of the longest n-grams
MIN_COUNT = 2  # rarer n-grams of PRUNED_FROM characters or more are dropped
LINE_LENGTH = 45  # characters, as lines of handwriting have
MAX_CHARACTERS = 50_000_000  # of a text; building takes some 120 bytes of memory for each
HELD_OUT = 50  # one line in this many is held out to measure bits per character
MAX_HELD_OUT_LINES = 2000  # that are measured


class CharacterModel:
    """Probability of the next character of a line, given those before it.

    An n-gram model with interpolated modified Kneser-Ney smoothing, see :mod:`mltu.language_model_estimation`. Single
    characters are smoothed with equal probabilities, so that none is impossible.

    Args:
        alphabet: the known characters, in the order of their code points.
        levels: for each length of context, from 0.

    Example:
        >>> model = CharacterModel.build(["a rose is a rose"])
        >>> model.alphabet[model.log_probs("a ros").argmax()]
        'e'
    """

    def __init__(self, alphabet: str, levels: Sequence[Level]) -> None:
        self.alphabet = alphabet
        self.levels = tuple(levels)
        self.order = len(levels)
        self._symbols = {character: symbol for symbol, character in enumerate(alphabet + BREAK)}

    @property
    def contexts(self) -> int:
        """Number of the kept contexts of one character or more."""
        return sum(len(level.keys) for level in self.levels[1:])

    @property
    def ngrams(self) -> int:
        """Number of the kept n-grams, single characters included."""
        return sum(len(level.symbols) for level in self.levels)

    @classmethod
    def build(
        cls, lines: Iterable[str], order: int = ORDER, min_count: int = MIN_COUNT, progress: bool = False
    ) -> CharacterModel:
        """Estimate a model from a text.

        Args:
            lines: as long as those to be recognised, see :func:`break_lines`; they are normalised here.
            order: characters of the longest n-grams.
            min_count: rarer n-grams of five characters or more are dropped.
            progress: show a bar on standard error.

        Raises:
            ValueError: `order` or `min_count` is out of range.
            InputError: there is no text, or more than fits in memory.
        """
        if not 1 <= order <= MAX_ORDER or min_count < 1:
            raise ValueError(f"order must be 1 to {MAX_ORDER} and min_count at least 1, not {order} and {min_count}")
        texts = [text for text in map(normalize_text, lines) if text]
        if not texts:
            raise InputError("there is no text to build a language model from")
        _check_length(sum(map(len, texts)), "the text")
        codes = np.frombuffer(BREAK.join(["", *texts, ""]).encode("utf-32-le", "surrogatepass"), np.uint32)
        breaks = codes == ord(BREAK)
        known = np.unique(codes[~breaks])
        text = np.where(breaks, len(known), np.searchsorted(known, codes))
        symbols = len(known) + 1  # the last is the line break
        return cls("".join(map(chr, known)), smooth(count_ngrams(text, symbols, order, progress), symbols, min_count))

    def tail(self, context: str) -> str:
        """The part of a context that the model looks at; a line begins with a line break."""
        return context[max(0, len(context) - self.order + 1) :]

    def log_probs(self, context: str) -> np.ndarray:
        """Natural logarithms of the probabilities of the next character.

        Args:
            context: the text of the line so far.

        Returns:
            Shape (len(alphabet) + 1,): each character of the alphabet, then the end of the line.
        """
        return np.log(self.row(self.tail(BREAK + context))[:-1])

    def row(self, tail: str) -> np.ndarray:
        """Probabilities after a context that :meth:`tail` returned.

        Returns:
            Shape (len(alphabet) + 2,): each character of the alphabet, the end of the line, and any other character,
            which is as likely as a character of the alphabet that was never seen in the context.
        """
        row = np.full(len(self._symbols) + 1, 1 / len(self._symbols))
        number = 0
        for length, level in enumerate(self.levels[: len(tail) + 1]):
            if length:
                key = number * len(self._symbols) + self._symbols.get(tail[-length], len(self._symbols))
                number = int(level.keys.searchsorted(key))
                if number == len(level.keys) or level.keys[number] != key:
                    break
            own = slice(level.first[number], level.first[number + 1])
            row *= level.backoffs[number]
            row[level.symbols[own]] += level.probabilities[own]
        return row

    @cached_property
    def automaton(self) -> Automaton:
        """The same probabilities, for one character after another."""
        return Automaton(self.levels, len(self._symbols))

    def bits_per_character(self, lines: Iterable[str]) -> float:
        """Cross-entropy of the model on a text: mean negative log2 probability of its characters and line ends.

        Unknown characters cost as much as characters of the alphabet that were never seen in the context.

        Raises:
            ValueError: there are no lines.
        """
        bits, count = 0.0, 0
        unseen = len(self._symbols)
        for line in map(normalize_text, lines):
            state = self.automaton.start
            for character in line + BREAK:
                log_prob, state = self.automaton.step(state, self._symbols.get(character, unseen))
                bits -= log_prob / math.log(2)
            count += len(line) + 1
        if not count:
            raise ValueError("there are no lines to measure on")
        return bits / count

    def scorer(
        self, vocab: str | Sequence[str], weight: float = 1.0, bonus: float = 0.0, share: float = SHARE
    ) -> CharacterScorer:
        """The model in the form that :class:`mltu.beam_search.BeamSearch` uses; arguments as for its scorer."""
        return CharacterScorer(self.automaton, self.alphabet, vocab, weight, bonus, share)

    def to_bytes(self) -> bytes:
        """The model as a compressed .npz file."""
        return pack(self.alphabet, self.levels)

    def save(self, path: str | Path) -> int:
        """Write the model to a file, completely or not at all; returns its size in bytes.

        Raises:
            OSError: the file cannot be written.
        """
        content = self.to_bytes()
        write_atomic(Path(path), content)
        return len(content)

    @classmethod
    def load(cls, path: str | Path) -> CharacterModel:
        """Read a model that :meth:`save` wrote; no code of the file is run, whatever it holds.

        Raises:
            InputError: the file is missing, or not that of a model.
        """
        return cls(*read_model(path))


def break_lines(lines: Iterable[str], length: int = LINE_LENGTH) -> Iterator[str]:
    """Break texts between words into lines as in handwriting, which begin and end anywhere in a sentence.

    A model of whole sentences would expect every line to begin with a capital and to end with a full stop.

    Args:
        lines: texts.
        length: maximum number of characters of a line, which only a longer word exceeds; 0 leaves texts as they are.
    """
    for line in map(normalize_text, lines):
        while 0 < length < len(line):
            cut = line.rfind(" ", 0, length + 1)
            cut = line.find(" ", length) if cut < 0 else cut
            if cut < 0:
                break
            yield line[:cut]
            line = line[cut + 1 :]
        yield line


def _check_length(characters: int, source: str | Path) -> None:
    if characters > MAX_CHARACTERS:
        raise InputError(f"{source}: more than {MAX_CHARACTERS:,} characters in all; give a part of the text")


def read_lines(paths: Sequence[str | Path]) -> list[str]:
    """The lines of text files, in order, with a progress bar on standard error.

    Raises:
        InputError: a file is missing, not UTF-8, or without text.
    """
    lines: list[str] = []
    characters = 0
    with ProgressBar(desc="Reading", unit=" lines") as bar:
        for path in paths:
            before = len(lines)
            try:
                with open(path, encoding="utf-8-sig") as file:
                    for line in file:
                        bar.update()
                        if not line.isspace():
                            lines.append(line)
                            characters += len(line)
                            _check_length(characters, path)
            except OSError as error:
                raise InputError(f"{path}: the text cannot be read ({error.strerror}); name text files") from None
            except UnicodeDecodeError:
                raise InputError(f"{path}: not a text file in UTF-8; save it as UTF-8") from None
            if len(lines) == before:
                raise InputError(f"{path}: holds no text; it should hold sentences or other running text")
    return lines


def parse(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__, prog="mltu.language_model")
    parser.add_argument("text", nargs="+", metavar="TEXT", help="text files, UTF-8")
    parser.add_argument("--output", metavar="FILE", required=True, help="the model to write")
    parser.add_argument("--order", type=int, metavar="N", default=ORDER, help=f"characters of an n-gram [{ORDER}]")
    parser.add_argument(
        "--min_count",
        type=int,
        metavar="N",
        default=MIN_COUNT,
        help=f"drop n-grams of {PRUNED_FROM} characters or more that are seen less often [{MIN_COUNT}]",
    )
    parser.add_argument(
        "--line_length",
        type=int,
        metavar="N",
        default=LINE_LENGTH,
        help=f"break longer lines of text between words, as handwriting does; 0: do not [{LINE_LENGTH}]",
    )
    given = parser.parse_args(args)
    for name, low, high in (("order", 1, MAX_ORDER), ("min_count", 1, None), ("line_length", 0, None)):
        value = getattr(given, name)
        if value < low or (high and value > high):
            parser.error(f"--{name}: must be {low}{f' to {high}' if high else ' or more'}, not {value}")
    return given


def build_file(given: argparse.Namespace) -> None:
    """Read the texts, measure a model on held-out lines, then build and save the model of all lines."""
    output = Path(given.output)
    refuse_inputs(output, given.text)
    if output.is_dir() or not output.parent.is_dir():
        raise InputError(f"{output}: cannot be written there; name a file in a folder that exists with --output")
    lines = read_lines(given.text)

    def build(part: Sequence[str]) -> CharacterModel:
        broken = break_lines(part, given.line_length)
        return CharacterModel.build(broken, given.order, given.min_count, progress=True)

    held_out = lines[HELD_OUT - 1 :: HELD_OUT]
    bits = None
    if held_out:
        others = build([line for number, line in enumerate(lines, 1) if number % HELD_OUT])
        measured = break_lines(held_out[:MAX_HELD_OUT_LINES], given.line_length)
        bits = others.bits_per_character(ProgressBar(list(measured), desc="Measuring", unit=" lines"))
    model = build(lines)
    size = model.save(output)
    print(
        f"{output}: {sum(len(normalize_text(line)) for line in lines):,} characters read, order {model.order}, "
        f"{model.contexts:,} contexts and {model.ngrams:,} n-grams kept, {size / 1e6:.2f} MB"
    )
    if bits is not None:
        print(f"{bits:.3f} bits per character on every {HELD_OUT}th line, held out of a model of the others")


@command("mltu.language_model")
def main(args: Sequence[str] | None = None) -> None:
    """The command line."""
    build_file(parse(args))


if __name__ == "__main__":
    sys.exit(main())
