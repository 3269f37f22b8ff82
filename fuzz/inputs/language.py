"""Language models and word lists."""

from __future__ import annotations

import io
import struct
import zipfile
from functools import cache
from pathlib import Path
from random import Random

from mltu.language_model import CharacterModel
from mltu.lexicon import Lexicon

from .base import SECRET, Attacks, Input, Target
from .spoiling import spoil


@cache
def language_models() -> list[Input]:
    texts = (["a rose is a rose", "été"], ["Dear Anna, thank you"] * 9)
    models = [CharacterModel.build(lines, order) for lines, order in zip(texts, (3, 6), strict=True)]
    return [Input("en.lm", model.to_bytes()) for model in models]


def vary_language_model(random: Random) -> Input:
    """A model one of whose arrays is spoiled, in a sound archive."""
    parts = parts_of(random.choice(language_models()))
    name = random.choice(sorted(parts))
    parts[name] = spoil(random, parts[name], list(parts.values()))
    if random.random() < 0.1:
        del parts[random.choice(sorted(parts))]
    return Input("en.lm", zip_of(parts))


def parts_of(model: Input) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(model.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zip_of(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return file.getvalue()


@cache
def language_model_attacks() -> Attacks:
    def array(kind: str, count: int, content: bytes) -> bytes:
        header = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': ({count},), }}".ljust(117).encode() + b"\n"
        return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + content

    def with_part(name: str, content: bytes) -> bytes:
        return zip_of(parts_of(language_models()[0]) | {name: content})

    pickled = b"cos\nsystem\n(S'true'\ntR."
    contents = {
        "empty": b"",
        "bomb": lambda: with_part("counts.npy", bytes(500 << 20)),
        "bomb2": lambda: with_part("counts.npy", array("<u4", 2**23, bytes(1 << 25))),
        "pickle": lambda: with_part("counts.npy", array("|O", 1, pickled)),
        "lie": lambda: with_part("counts.npy", array("<u4", 99_999_999, b"")),
        "outside": lambda: with_part(f"{SECRET}.npy", b""),
        "parts": lambda: zip_of({str(number): b"" for number in range(2000)}),
        "nan": lambda: with_part("discounts.npy", array("<f8", 9, struct.pack("<9d", *[float("nan")] * 9))),
        "zeros": lambda: bytes(1 << 27),
    }
    return {f"{title}:en.lm": content for title, content in contents.items()}


def read_language_model(path: Path) -> None:
    model = CharacterModel.load(path)
    scorer = model.scorer("ab", 1.0, 0.0)
    scorer.end(scorer.advance(scorer.start, 0)[1])
    model.log_probs("a ro")


@cache
def word_lists() -> list[Input]:
    contents = ("the 99\nl'été\t5\nwell-known\n", "\ufeffa\r\nb\r\n")
    return [Input("words.txt", content.encode()) for content in contents]


@cache
def word_list_attacks() -> Attacks:
    contents = {
        "empty": b"",
        "none": b"1\n2\n",
        "long": b"a" * 1_000_000,
        "joiners": b"-'" * 100_000 + b"\na\n",
        "parts": b"a-" * 100_000 + b"a\n",
        "many": b"".join(b"%b\n" % f"{n:020b}".replace("0", "a").replace("1", "b").encode() for n in range(100_000)),
        "combining": b"a" + "\u0301".encode() * 100_000 + b"\n",
        "utf16": "word\n".encode("utf-16"),
        "nul": b"a\0b\nword\n",
        "breaks": "a\u2028b\x85\x0b\x1c \u3000\nword".encode(),
    }
    return {f"{title}:words.txt": content for title, content in contents.items()}


def read_word_list(path: Path) -> None:
    lexicon = Lexicon.from_file(path, "ab-' ")
    state = lexicon.start
    for index in (0, 1, 2, 1, 4):
        state = lexicon.advance(state, index)[1]
    lexicon.end(state)


LANGUAGE_MODEL = Target(read_language_model, language_models, language_model_attacks, vary=vary_language_model)
LEXICON = Target(read_word_list, word_lists, word_list_attacks, (b"'", b"-", b"\t", "’".encode()))
