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
import io
import math
import re
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from .configs import ArgumentParser
from .datasets.base import normalize_text
from .utils.console import command
from .utils.errors import InputError
from .utils.files import refuse_inputs, write_whole

VERSION = 1  # of the file format
ORDER = 6  # characters that an n-gram has at most
MIN_COUNT = 2  # how often an n-gram of PRUNED_FROM characters or more must be seen to be kept
PRUNED_FROM = 5
LINE_LENGTH = 45  # characters, as lines of handwriting have them
MAX_ORDER = 16
MAX_CHARACTERS = 50_000_000  # that are read; building takes some 120 bytes of memory for each
MAX_ENTRIES = 2**23  # n-grams of a model; loading takes some 80 bytes of memory for each
MAX_BYTES = 2**26  # of a model's file
BREAK = "\n"  # between lines: as a prediction it ends a line, as a context it begins one
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)  # for texts too small to estimate them
MIN_DISCOUNT = 0.01  # keeps every probability above zero
CACHED_ROWS = 2**14
HELD_OUT = 50  # one line in so many is held out, for bits per character
HELD_OUT_LINES = 2000  # that are measured at most
# arrays of a file; all have one axis and hold whole numbers from 0, but the discounts
ARRAYS = ("version", "alphabet", "discounts", "extensions", "older", "totals", "followers", "symbols", "counts")
ARRAY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '(\|u1|<u2|<u4|<f8)', 'fortran_order': False, 'shape': \((\d{1,8}),\), \} *\n",
    re.DOTALL,
)


class Level(NamedTuple):
    """What a model knows after contexts of one length.

    Contexts are numbered by (number of the context without its oldest character, oldest character), n-grams by
    (number of the context, next symbol).
    """

    keys: np.ndarray  # int64, shape (contexts,), rising: shorter context * symbols + oldest symbol
    totals: np.ndarray  # int64, shape (contexts,): sum of the counts, those of dropped n-grams too
    first: np.ndarray  # int64, shape (contexts + 1,): where the n-grams of each context begin
    symbols: np.ndarray  # int64, shape (n-grams,): the next symbol
    counts: np.ndarray  # int64, shape (n-grams,), adjusted as Kneser-Ney has it
    discounts: np.ndarray  # float64, shape (3,): of counts of 1, of 2, and of 3 or more
    probabilities: np.ndarray  # float64, shape (n-grams,), discounted
    backoffs: np.ndarray  # float64, shape (contexts,): what is left for the shorter context

    @classmethod
    def of(
        cls,
        keys: np.ndarray,
        totals: np.ndarray,
        followers: np.ndarray,
        symbols: np.ndarray,
        counts: np.ndarray,
        discounts: np.ndarray,
    ) -> Level:
        """Derive the rest; `followers` is the number of n-grams of each context."""
        contexts = np.repeat(np.arange(len(keys)), followers)
        taken = discounts[np.minimum(counts, 3) - 1]
        probabilities = (counts - taken) / totals[contexts]
        backoffs = (
            totals - np.bincount(contexts, counts, len(keys)) + np.bincount(contexts, taken, len(keys))
        ) / totals
        first = np.concatenate([[0], np.cumsum(followers)])
        return cls(keys, totals, first, symbols, counts, discounts, probabilities, backoffs)


class CharacterModel:
    """Probability of the next character of a line, given those before it.

    An n-gram model with interpolated modified Kneser-Ney smoothing: Chen and Goodman, "An Empirical Study of
    Smoothing Techniques for Language Modeling" (TR-10-98, Harvard, 1998). Below the single characters all are equally
    likely, so none is impossible.

    Args:
        alphabet: the characters that the model knows, in the order of their code points.
        levels: one for each length of context, from 0.

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
        self._row = lru_cache(CACHED_ROWS)(self._make_row)

    @property
    def contexts(self) -> int:
        """How many contexts of one character or more are kept."""
        return sum(len(level.keys) for level in self.levels[1:])

    @property
    def ngrams(self) -> int:
        """How many n-grams are kept, single characters included."""
        return sum(len(level.symbols) for level in self.levels)

    @classmethod
    def build(
        cls, lines: Iterable[str], order: int = ORDER, min_count: int = MIN_COUNT, progress: bool = False
    ) -> CharacterModel:
        """Count the n-grams of a text.

        Args:
            lines: lines as they are to be recognised, see :func:`break_lines`; they are normalised here.
            order: characters that an n-gram has at most.
            min_count: n-grams of five characters or more are dropped if they are seen less often.
            progress: show a bar on standard error.

        Raises:
            ValueError: `order` or `min_count` is out of range.
            InputError: no text, or more than can be held in memory.
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
        # the line break comes behind the alphabet
        text = np.where(breaks, len(known), np.searchsorted(known, codes))
        alphabet = "".join(map(chr, known))
        return cls(alphabet, _smoothed(_counted(text, len(known) + 1, order, progress), len(known) + 1, min_count))

    def tail(self, context: str) -> str:
        """The part of a context that the model looks at; a line begins with a line break."""
        return context[max(0, len(context) - self.order + 1) :]

    def log_probs(self, context: str) -> np.ndarray:
        """Natural logarithms of the probabilities of what comes next.

        Args:
            context: the text of the line so far.

        Returns:
            Shape (len(alphabet) + 1,): each character of the alphabet, then the end of the line.
        """
        return np.log(self.row(self.tail(BREAK + context))[:-1])

    def row(self, tail: str) -> np.ndarray:
        """Probabilities after a context that :meth:`tail` cut.

        Returns:
            Shape (len(alphabet) + 2,), read-only: each character of the alphabet, the end of the line, and any
            other character, which gets as much as one of the alphabet that is only backed off to.
        """
        return self._row(tail)[1]

    def _make_row(self, tail: str) -> tuple[int, np.ndarray]:
        """(number of the context or -1, its row)."""
        size = len(self._symbols)
        if tail:
            shorter, lower = self._row(tail[1:])
            number = self._find(shorter, tail)
            if number < 0:
                return -1, lower
        else:
            number, lower = 0, np.full(size + 1, 1 / size)
        level = self.levels[len(tail)]
        own = slice(level.first[number], level.first[number + 1])
        row = lower * level.backoffs[number]
        row[level.symbols[own]] += level.probabilities[own]
        row.setflags(write=False)
        return number, row

    def _find(self, shorter: int, tail: str) -> int:
        """Number of a context, from that of the one without its oldest character; -1 if the model has it not."""
        oldest = self._symbols.get(tail[0])
        if shorter < 0 or oldest is None:
            return -1
        keys = self.levels[len(tail)].keys
        key = shorter * len(self._symbols) + oldest
        place = int(keys.searchsorted(key))
        return place if place < len(keys) and keys[place] == key else -1

    def bits_per_character(self, lines: Iterable[str]) -> float:
        """How badly the model predicts a text: mean negative log2 probability of its characters and line ends.

        Characters that the model does not know cost as those of its alphabet that it never saw in their context.

        Raises:
            ValueError: no lines.
        """
        bits, count = 0.0, 0
        unseen = len(self._symbols)
        for line in map(normalize_text, lines):
            text = BREAK + line + BREAK
            for i in range(1, len(text)):
                bits -= math.log2(self.row(self.tail(text[:i]))[self._symbols.get(text[i], unseen)])
            count += len(text) - 1
        if not count:
            raise ValueError("there are no lines to measure on")
        return bits / count

    def scorer(self, vocab: str | Sequence[str], weight: float = 1.0, bonus: float = 0.0) -> CharacterScorer:
        """The model as :class:`mltu.beam_search.BeamSearch` asks it.

        Args:
            vocab: the network's characters, in the order of its classes.
            weight: of the logarithms of the probabilities.
            bonus: is added for each character.
        """
        return CharacterScorer(self, vocab, weight, bonus)

    def to_bytes(self) -> bytes:
        """The model as a compressed .npz file."""
        symbols = len(self._symbols)
        levels = self.levels
        extensions = [
            np.bincount(longer.keys // symbols, minlength=len(level.keys)) for level, longer in pairwise(levels)
        ]
        arrays = {
            "version": [VERSION],
            "alphabet": list(map(ord, self.alphabet)),
            "discounts": np.concatenate([level.discounts for level in levels]),
            "extensions": np.concatenate([[], *extensions]),
            "older": np.concatenate([[], *(level.keys % symbols for level in levels[1:])]),
            "totals": np.concatenate([level.totals for level in levels]),
            "followers": np.concatenate([np.diff(level.first) for level in levels]),
            "symbols": np.concatenate([level.symbols for level in levels]),
            "counts": np.concatenate([level.counts for level in levels]),
        }
        file = io.BytesIO()
        np.savez_compressed(file, **{name: _packed(name, array) for name, array in arrays.items()})
        return file.getvalue()

    def save(self, path: str | Path) -> int:
        """Write the model to a file of any name, whole or not at all; returns its size in bytes.

        Raises:
            OSError: the file cannot be written.
        """
        content = self.to_bytes()
        write_whole(Path(path), content)
        return len(content)

    @classmethod
    def load(cls, path: str | Path) -> CharacterModel:
        """Read a model that :meth:`save` wrote. Whatever the file holds, no code of it is run.

        Raises:
            InputError: no such file, or no whole model.
        """
        try:
            with open(path, "rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise InputError(f"{path}: the language model cannot be read ({error.strerror})") from None
        except ValueError as error:  # a NUL in the path
            raise InputError(f"{path}: the language model cannot be read ({error})") from None
        try:
            return cls(*_checked(_unpacked(content)))
        except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200] or "it ends too early"
            raise InputError(
                f"{path}: not a language model that can be used ({reason}); build one with "
                "`python -m mltu.language_model`"
            ) from None


class CharacterScorer:
    """A :class:`mltu.beam_search.Scorer` over a network's vocabulary; see :meth:`CharacterModel.scorer`."""

    def __init__(self, model: CharacterModel, vocab: str | Sequence[str], weight: float, bonus: float) -> None:
        self.model = model
        self.vocab = vocab
        self.weight = weight
        self.bonus = bonus
        self.start = model.tail(BREAK)
        known = {character: symbol for symbol, character in enumerate(model.alphabet)}
        self._columns = np.array([known.get(character, len(known) + 1) for character in vocab])
        self.scores = lru_cache(CACHED_ROWS)(self._scores)

    def _scores(self, state: str) -> np.ndarray:
        return self.weight * np.log(self.model.row(state)[self._columns]) + self.bonus

    def advance(self, state: str, index: int) -> str:
        """The state after one more character."""
        return self.model.tail(state + self.vocab[index])

    def end(self, state: str) -> float:
        """What is added where the line ends."""
        return self.weight * math.log(self.model.row(state)[-2])


def break_lines(lines: Iterable[str], length: int = LINE_LENGTH) -> Iterator[str]:
    """Break texts between words into lines such as handwriting has, which begin and end anywhere in a sentence.

    A model of whole sentences takes every line for one, and wants a capital first and a full stop last.

    Args:
        lines: texts.
        length: characters that a line has at most, unless a single word is longer; 0 leaves texts as they are.
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


def _counted(text: np.ndarray, symbols: int, order: int, progress: bool) -> list[tuple[np.ndarray, ...]]:
    """For each length of context: (its keys, n-grams as context * symbols + next symbol, their counts)."""
    places = np.arange(len(text))
    line_starts = np.maximum.accumulate(np.where(text == symbols - 1, places, 0))
    next_places = places[1:]  # of what is predicted: all but the first line break
    room = next_places - line_starts[:-1]  # characters before it, with the line break
    context = np.zeros(len(next_places), np.int64)
    keys = np.zeros(1, np.int64)
    found = []
    for length in tqdm(range(order), desc="Counting", unit="order", disable=not progress):
        if length:
            enough = room >= length
            next_places, room = next_places[enough], room[enough]
            keys, context = np.unique(context[enough] * symbols + text[next_places - length], return_inverse=True)
        found.append((keys, *np.unique(context * symbols + text[next_places], return_counts=True)))
        if sum(len(ngrams) for _, ngrams, _ in found) > 16 * MAX_ENTRIES:
            raise InputError("the text has too many different n-grams; lower --order")
    return found


def _smoothed(found: list[tuple[np.ndarray, ...]], symbols: int, min_count: int) -> list[Level]:
    """Levels of what :func:`_counted` found."""
    levels = []
    numbers = np.zeros(1, np.int64)  # of the contexts one shorter, -1 for those that were dropped
    for length, (keys, ngrams, seen) in enumerate(found):
        contexts = ngrams // symbols
        counts = seen
        if length + 1 < len(found):
            longer_keys, longer, _ = found[length + 1]
            shortened = longer_keys[longer // symbols] // symbols * symbols + longer % symbols
            # of how many n-grams, one longer, it is the end; those at the beginning of a line keep their count
            ends = np.bincount(np.searchsorted(ngrams, shortened), minlength=len(ngrams))
            counts = np.where(ends > 0, ends, seen)
        totals = np.bincount(contexts, counts, len(keys)).astype(np.int64)
        kept = seen >= (min_count if length + 1 >= PRUNED_FROM else 1)
        followers = np.bincount(contexts[kept], minlength=len(keys))
        useful = followers > 0
        levels.append(
            Level.of(
                numbers[keys[useful] // symbols] * symbols + keys[useful] % symbols,
                totals[useful],
                followers[useful],
                ngrams[kept] % symbols,
                counts[kept],
                _discounts(counts),
            )
        )
        numbers = np.where(useful, np.cumsum(useful) - 1, -1)
    if sum(len(level.symbols) for level in levels) > MAX_ENTRIES:
        raise InputError(f"the model would have more than {MAX_ENTRIES:,} n-grams; raise --min_count or lower --order")
    return levels


def _discounts(counts: np.ndarray) -> np.ndarray:
    """Chen and Goodman's D1, D2 and D3+, from how many n-grams have a count of 1, 2, 3 and 4."""
    ones, twos, threes, fours = (int(np.count_nonzero(counts == count)) for count in (1, 2, 3, 4))
    if min(ones, twos, threes, fours) > 0:
        y = ones / (ones + 2 * twos)
        found = np.array([1 - 2 * y * twos / ones, 2 - 3 * y * threes / twos, 3 - 4 * y * fours / threes])
        if (found >= MIN_DISCOUNT).all():
            return found
    return np.array(FALLBACK_DISCOUNTS)


def _packed(name: str, array: Sequence | np.ndarray) -> np.ndarray:
    """An array in the smallest type that holds it."""
    if name == "discounts":
        return np.asarray(array, "<f8")
    numbers = np.asarray(array, np.int64)
    return numbers.astype(np.min_scalar_type(numbers.max(initial=0)).newbyteorder("<"))


def _unpacked(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a file, without believing what it says about itself.

    Raises:
        ValueError, or an error of zipfile or zlib: the file is none of ours.
    """
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    # each entry of the directory becomes an object, so a file could have millions
    if content.count(b"PK\x01\x02") > 1000:
        raise ValueError("it has too many parts")
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sorted(archive.namelist()) != sorted(f"{name}.npy" for name in ARRAYS):
            raise ValueError("it has other parts")
        for name in ARRAYS:
            part = archive.getinfo(f"{name}.npy")
            if part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("it is packed in another way")
            if part.file_size > 4 * MAX_ENTRIES + 1024:
                raise ValueError(f"its part {name!r} is too long")
            with archive.open(part) as stream:
                arrays[name] = _array(name, stream.read(part.file_size + 1))
    return arrays


def _array(name: str, data: bytes) -> np.ndarray:
    """An array of a .npy file that `np.save` wrote; only the few kinds of arrays that a model has."""
    header = ARRAY_HEADER.match(data)
    if not header or header.end() != 10 + int.from_bytes(header[1], "little"):
        raise ValueError(f"its part {name!r} is no list of numbers")
    kind = np.dtype(header[2].decode())
    if (kind.kind == "f") != (name == "discounts") or len(data) != header.end() + int(header[3]) * kind.itemsize:
        raise ValueError(f"its part {name!r} has another type or length")
    if int(header[3]) > MAX_ENTRIES:
        raise ValueError(f"its part {name!r} is too long")
    array = np.frombuffer(data, kind, offset=header.end())
    return array if kind.kind == "f" else array.astype(np.int64)


def _checked(arrays: dict[str, np.ndarray]) -> tuple[str, list[Level]]:
    """(alphabet, levels) of the arrays of a file.

    Raises:
        ValueError: they do not fit each other.
    """

    def check(right: bool, name: str) -> None:
        if not right:
            raise ValueError(f"its part {name!r} is wrong")

    if arrays["version"].tolist() != [VERSION]:
        raise ValueError(f"its format is not version {VERSION}")
    codes, discounts = arrays["alphabet"], arrays["discounts"].reshape(-1, 3)
    check(len(codes) > 0 and bool((np.diff(codes) > 0).all()) and codes[-1] <= sys.maxunicode, "alphabet")
    check(ord(BREAK) not in codes, "alphabet")
    check(0 < len(discounts) <= MAX_ORDER, "discounts")
    check(bool(((discounts >= MIN_DISCOUNT) & (discounts <= (1, 2, 3))).all()), "discounts")
    symbols = len(codes) + 1
    used = dict.fromkeys(arrays, 0)

    def take(name: str, count: int, low: int, high: int | None = None) -> np.ndarray:
        part = arrays[name][used[name] : used[name] + count]
        used[name] += count
        check(len(part) == count and bool((part >= low).all()) and (high is None or bool((part < high).all())), name)
        return part

    levels: list[Level] = []
    keys = np.zeros(1, np.int64)
    for length in range(len(discounts)):
        if length:
            extensions = take("extensions", len(keys), 0)
            count = int(extensions.sum())
            older = take("older", count, 0, symbols)
            keys = np.repeat(np.arange(len(keys)), extensions) * symbols + older
            check(bool((np.diff(keys) > 0).all()), "older")
        totals = take("totals", len(keys), 1)
        followers = take("followers", len(keys), 1)
        count = int(followers.sum())
        following = take("symbols", count, 0, symbols)
        counts = take("counts", count, 1)
        contexts = np.repeat(np.arange(len(keys)), followers)
        check(bool((np.diff(contexts * symbols + following) > 0).all()), "symbols")
        check(bool((np.bincount(contexts, counts, len(keys)) <= totals).all()), "counts")
        levels.append(Level.of(keys, totals, followers, following, counts, discounts[length]))
    for name in ("extensions", "older", "totals", "followers", "symbols", "counts"):
        check(used[name] == len(arrays[name]), name)
    return "".join(map(chr, codes)), levels


def read_lines(paths: Sequence[str | Path]) -> list[str]:
    """The lines of text files, one after the other, with a progress bar on standard error.

    Raises:
        InputError: a file is missing, no UTF-8 text, or holds no text.
    """
    lines = []
    characters = 0
    with tqdm(desc="Reading", unit=" lines") as bar:
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
    """Read, measure, build and save what the command line asks for."""
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
        measured = break_lines(held_out[:HELD_OUT_LINES], given.line_length)
        bits = others.bits_per_character(tqdm(list(measured), desc="Measuring", unit=" lines"))
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
    build_file(parse(args))


if __name__ == "__main__":
    sys.exit(main())
