"""Texts to write: made-up English, or the lines of a file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np

from ...utils.errors import InputError
from ..base import normalize_text

LATEST = datetime(2024, 1, 1)  # of made-up dates; by default it would be now, and no two runs alike
PLAIN_QUOTES = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"'})


def english_sentences(count: int, seed: int) -> list[str]:
    """English sentences, names, addresses, dates and amounts, in turn at random."""
    from faker import Faker  # slow to import, and reading needs none of it

    fake = Faker("en_US")
    fake.seed_instance(seed)
    rng = np.random.default_rng([seed, 1])
    kinds = (
        lambda: fake.sentence(nb_words=9),
        lambda: f'{fake.first_name()} said: "{fake.sentence(nb_words=5)}"',
        lambda: f"{fake.name()}, {fake.street_address()}, {fake.city()}",
        lambda: fake.date("%A, %d %B %Y", LATEST) + f", at {fake.time('%H:%M', LATEST)}",
        lambda: f"{fake.catch_phrase()} ({fake.company()})",
        lambda: f"{fake.word().capitalize()} no. {fake.random_int(1, 999)}: {fake.pricetag()} & {fake.word()}",
    )
    chosen = rng.choice(len(kinds), size=count, p=(0.6, 0.1, 0.1, 0.07, 0.06, 0.07))
    return [normalize_text(kinds[kind]()) for kind in chosen]


def read_sentences(path: Path) -> list[str]:
    """The lines of a UTF-8 text file that are not blank; InputError if it cannot be read or is empty."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: the text file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: the text file is not UTF-8; save it as UTF-8") from None
    texts = [text for text in map(normalize_text, lines) if text]
    if not texts:
        raise InputError(f"{path}: the text file is empty; it should hold one sentence a line")
    return texts


def shorten(text: str, longest: int) -> str:
    """The first words that fit into `longest` characters; a longer first word is cut."""
    if len(text) <= longest:
        return text
    cut = text.rfind(" ", 0, longest + 1)
    return text[: cut if cut > 0 else longest].rstrip()
