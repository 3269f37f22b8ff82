"""The file of a character n-gram model: a compressed .npz archive, read without trust in what it claims.

Reading runs no code of the file, and takes no more memory than the largest model.
"""

from __future__ import annotations

import io
import re
import sys
import zipfile
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from .language_model_estimation import BREAK, MAX_ENTRIES, MIN_DISCOUNT, Level
from .utils.errors import InputError

VERSION = 1  # of the file format
MAX_ORDER = 16  # characters of an n-gram
MAX_BYTES = 2**26  # of a file
# all arrays have one axis; they hold whole numbers from 0, except the discounts
ARRAYS = ("version", "alphabet", "discounts", "extensions", "older", "totals", "followers", "symbols", "counts")
ARRAY_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00(..)\{'descr': '(\|u1|<u2|<u4|<f8)', 'fortran_order': False, 'shape': \((\d{1,8}),\), \} *\n",
    re.DOTALL,
)


def pack(alphabet: str, levels: Sequence[Level]) -> bytes:
    """The content of a model's file."""
    symbols = len(alphabet) + 1
    extensions = [np.bincount(longer.keys // symbols, minlength=len(level.keys)) for level, longer in pairwise(levels)]
    arrays = {
        "version": [VERSION],
        "alphabet": list(map(ord, alphabet)),
        "discounts": np.concatenate([level.discounts for level in levels]),
        "extensions": np.concatenate([[], *extensions]),
        "older": np.concatenate([[], *(level.keys % symbols for level in levels[1:])]),
        "totals": np.concatenate([level.totals for level in levels]),
        "followers": np.concatenate([np.diff(level.first) for level in levels]),
        "symbols": np.concatenate([level.symbols for level in levels]),
        "counts": np.concatenate([level.counts for level in levels]),
    }
    file = io.BytesIO()
    np.savez_compressed(file, **{name: _smallest(name, array) for name, array in arrays.items()})
    return file.getvalue()


def read_model(path: str | Path) -> tuple[str, list[Level]]:
    """(alphabet, levels) of a file.

    Raises:
        InputError: the file is missing, or not that of a model.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a ValueError of a NUL in the path
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: the language model cannot be read ({reason})") from None
    try:
        return _unpack(content)
    except (zipfile.BadZipFile, zlib.error, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200] or "it ends too early"
        raise InputError(
            f"{path}: not a language model that can be used ({reason}); build one with `python -m mltu.language_model`"
        ) from None


def _unpack(content: bytes) -> tuple[str, list[Level]]:
    """(alphabet, levels) of the content of a file.

    Raises:
        ValueError, or an error of zipfile or zlib: it is not the file of a model.
    """
    arrays = _read_arrays(content)

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
            older = take("older", int(extensions.sum()), 0, symbols)
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
        levels.append(Level.from_counts(keys, totals, followers, following, counts, discounts[length]))
    for name in ("extensions", "older", "totals", "followers", "symbols", "counts"):
        check(used[name] == len(arrays[name]), name)
    return "".join(map(chr, codes)), levels


def _smallest(name: str, array: Sequence | np.ndarray) -> np.ndarray:
    """An array in the smallest type that holds its values."""
    if name == "discounts":
        return np.asarray(array, "<f8")
    numbers = np.asarray(array, np.int64)
    return numbers.astype(np.min_scalar_type(numbers.max(initial=0)).newbyteorder("<"))


def _read_arrays(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a file by name; errors as :func:`_unpack`."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
    # each entry of the archive's directory becomes an object, and a hostile file could have millions
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
                arrays[name] = _read_array(name, stream.read(part.file_size + 1))
    return arrays


def _read_array(name: str, data: bytes) -> np.ndarray:
    """An array of a .npy file as `np.save` writes it, of one of the few types that a model has."""
    header = ARRAY_HEADER.match(data)
    if not header or header.end() != 10 + int.from_bytes(header[1], "little"):
        raise ValueError(f"its part {name!r} is not a list of numbers")
    kind = np.dtype(header[2].decode())
    if (kind.kind == "f") != (name == "discounts") or len(data) != header.end() + int(header[3]) * kind.itemsize:
        raise ValueError(f"its part {name!r} has another type or length")
    if int(header[3]) > MAX_ENTRIES:
        raise ValueError(f"its part {name!r} is too long")
    array = np.frombuffer(data, kind, offset=header.end())
    return array if kind.kind == "f" else array.astype(np.int64)
