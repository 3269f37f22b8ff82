"""The languages that the project knows: for each, a folder with a character model, weights, and maybe a word list.

`python languages/build.py` makes such a folder from texts and validation lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml

from .beam_search import BEAM_WIDTH, CHARACTER_BONUS, LIKELY, LM_WEIGHT, BeamSearch
from .configs import read_yaml
from .language_model import CharacterModel
from .lexicon import LEXICON_COST, Lexicon
from .utils.errors import InputError
from .utils.files import file_digest, shipped, write_atomic

FOLDER = shipped("languages")
MODEL, WORDS, WEIGHTS = "characters.lm", "words.txt", "weights.yaml"


@dataclass(frozen=True)
class Weights:
    """How much a decoder heeds a language; see :class:`.BeamSearch`."""

    lm_weight: float = LM_WEIGHT
    character_bonus: float = CHARACTER_BONUS
    lexicon_cost: float = LEXICON_COST

    @classmethod
    def load(cls, path: Path) -> Weights:
        """Read those that :meth:`save` wrote.

        Raises:
            InputError: the file is missing, or has something else in it.
        """
        values = read_yaml(path)
        try:
            return cls(**{name: float(value) for name, value in values.items()})
        except (TypeError, ValueError, AttributeError):
            names = ", ".join(asdict(cls()))
            raise InputError(f"{path}: should hold numbers for {names}; run languages/build.py again") from None

    def save(self, path: Path) -> None:
        """Write them as YAML."""
        write_atomic(path, yaml.safe_dump(asdict(self), sort_keys=False).encode())


def known_languages(folder: Path = FOLDER) -> list[str]:
    """The names of the languages, sorted."""
    return sorted(path.parent.name for path in folder.glob(f"*/{MODEL}"))


def language_digests(name: str, folder: Path = FOLDER) -> dict[str, str]:
    """A digest of each file of a language, by the file's name with that of the language."""
    files = [folder / name / file for file in (MODEL, WORDS, WEIGHTS)]
    return {f"{name}/{file.name}": file_digest(file) for file in files if file.is_file()}


def language_decoder(
    name: str,
    vocab: str | Sequence[str],
    beam_width: int = BEAM_WIDTH,
    lexicon: Lexicon | None = None,
    lm_weight: float | None = None,
    folder: Path = FOLDER,
) -> BeamSearch:
    """The beam search of a language.

    Args:
        name: of the language, such as "en".
        vocab: the network's characters, in the order of its classes.
        beam_width: as for :class:`.BeamSearch`.
        lexicon: in place of the language's own words.
        lm_weight: in place of the language's own.
        folder: where languages are.

    Raises:
        InputError: there is no such language, or its files cannot be used.
    """
    known = known_languages(folder)
    if name not in known:
        there = ", ".join(known) if known else f"none in {folder}"
        raise InputError(f"{name}: not a known language; known: {there}; more are made by languages/build.py")
    path = folder / name
    weights = Weights.load(path / WEIGHTS)
    if lexicon is None and (path / WORDS).is_file():
        lexicon = Lexicon.from_file(path / WORDS, vocab, weights.lexicon_cost)
    return BeamSearch(
        vocab,
        beam_width,
        CharacterModel.load(path / MODEL),
        weights.lm_weight if lm_weight is None else lm_weight,
        lexicon,
        character_bonus=weights.character_bonus,
        likely=LIKELY,
    )


def fit_weights(errors: Callable[[Weights], int], start: Weights, steps: Weights) -> Weights:
    """Weights with the fewest errors, as far as going downhill step by step finds them.

    Args:
        errors: of a decoder with some weights on validation lines.
        start: where to begin.
        steps: how far each weight is changed at a time; 0: not at all.
    """
    names = [name for name, step in asdict(steps).items() if step]
    moves = [{name: sign * getattr(steps, name)} for name in names for sign in (1, -1)]
    # a model that counts for more also takes more from each character
    if {"lm_weight", "character_bonus"} <= {*names}:
        moves += [{name: sign * getattr(steps, name) for name in ("lm_weight", "character_bonus")} for sign in (1, -1)]
    found = {start: errors(start)}
    best = start
    while True:
        for move in moves:
            values = asdict(best)
            for name, change in move.items():
                values[name] = round(max(0.0, values[name] + change), 6)
            near = Weights(**values)
            if near not in found:
                found[near] = errors(near)
            if found[near] < found[best]:
                best = near
                break
        else:
            return best
