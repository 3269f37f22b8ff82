"""Build a language from texts, and fit its weights on lines with their true texts.

    python languages/build.py fr --text fr.txt train.tsv --csv val.tsv

Texts are text files, or tables of lines, of which only the texts are used. They are written as the recogniser writes:
with plain quotes, dashes and dots. Lines with characters that it does not know are left out, and those that hold a line
of --csv or --leave_out. The folder languages/NAME is written: a character model, the words of the texts, and weights.

Exit codes: 0 built, 2 wrong input, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("build.py")

import argparse
import re
from collections import Counter
from collections.abc import Collection, Sequence

from mltu.beam_search import BeamSearch
from mltu.configs import ArgumentParser
from mltu.datasets import read_table
from mltu.language import FOLDER, MODEL, WEIGHTS, WORDS, Weights, fit_weights
from mltu.language_model import CharacterModel, break_lines, read_lines
from mltu.lexicon import Lexicon
from mltu.recognizer import PRETRAINED, LineRecognizer
from mltu.utils.console import command
from mltu.utils.errors import InputError
from mltu.utils.files import write_atomic
from mltu.utils.image_utils import read_image
from mltu.utils.progress import ProgressBar
from mltu.utils.text_utils import error_rate

ORDER = 8
MIN_COUNT = 2
MIN_WORD_COUNT = 1
STEPS = Weights(lm_weight=0.1, character_bonus=0.25, lexicon_cost=0.5)
WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛ʼ′", "'"),
        **dict.fromkeys("“”„‟″", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        "…": "...",
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", ""),  # nobody sees them
    }
)


def read_texts(paths: Sequence[str], vocab: str | Sequence[str], left_out: Collection[str]) -> list[str]:
    """The lines of text files and the texts of tables.

    Args:
        paths: of the files.
        vocab: lines with other characters are left out.
        left_out: lines that hold one of these texts are left out.

    Raises:
        InputError: a file cannot be read, or has no such line.
    """
    texts = []
    for path in paths:
        table = Path(path).suffix.lower() in (".csv", ".tsv")
        lines = [sample.text for sample in read_table(path)[0]] if table else read_lines([path])
        lines = [" ".join(line.translate(PLAIN).split()) for line in lines]
        known = [
            line for line in lines if line and set(line) <= set(vocab) and not any(text in line for text in left_out)
        ]
        if not known:
            raise InputError(f"{path}: no line is left, without those with unknown characters or validation lines")
        print(f"{path}: {len(known):,} lines, {len(lines) - len(known):,} left out")
        texts += known
    return texts


def parse(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__, prog="build.py")
    parser.add_argument("name", help="of the language, such as fr")
    parser.add_argument("--text", nargs="+", metavar="FILE", required=True, help="text files, tables of lines")
    parser.add_argument("--csv", metavar="FILE", required=True, help="table of validation lines, for the weights")
    parser.add_argument("--leave_out", nargs="+", default=[], metavar="FILE", help="tables of test lines")
    parser.add_argument("--model", default=PRETRAINED, help="recogniser [Models/pretrained]")
    parser.add_argument("--order", type=int, default=ORDER, help=f"characters of an n-gram [{ORDER}]")
    parser.add_argument("--min_count", type=int, default=MIN_COUNT, help=f"of longer n-grams [{MIN_COUNT}]")
    parser.add_argument("--min_word_count", type=int, default=MIN_WORD_COUNT, help=f"of words [{MIN_WORD_COUNT}]")
    given = parser.parse_args(args)
    if not re.fullmatch(r"[\w-]+", given.name):
        parser.error(f"name: must be letters, digits and hyphens, not {given.name}")
    return given


@command("build.py")
def main(args: Sequence[str] | None = None) -> None:
    """The command line."""
    given = parse(args)
    recognizer = LineRecognizer(given.model)
    vocab = recognizer.char_list
    samples = read_table(given.csv)[0]
    left_out = {sample.text for table in (given.csv, *given.leave_out) for sample in read_table(table)[0]}
    texts = read_texts(given.text, vocab, left_out)
    counts = Counter(word for text in texts for word in WORD.findall(text))
    words = sorted(word for word, count in counts.items() if count >= given.min_word_count)
    model = CharacterModel.build(break_lines(texts), given.order, given.min_count, progress=True)
    outputs = [
        recognizer.log_probabilities(recognizer.line_input(read_image(sample.image))[None])[0]
        for sample in ProgressBar(samples, desc="Reading", unit="line")
    ]

    def errors(weights: Weights) -> int:
        lexicon = Lexicon(words, vocab, weights.lexicon_cost)
        decoder = BeamSearch(
            vocab,
            language_model=model,
            lm_weight=weights.lm_weight,
            lexicon=lexicon,
            character_bonus=weights.character_bonus,
        )
        found = ["".join(vocab[label] for label in decoder(output)) for output in outputs]
        rate = error_rate(found, [sample.text for sample in samples])
        print(f"{weights}: CER {rate.rate:.2%}", flush=True)
        return rate.errors

    weights = fit_weights(errors, Weights(), STEPS)
    folder = FOLDER / given.name
    folder.mkdir(exist_ok=True)
    size = model.save(folder / MODEL)
    write_atomic(folder / WORDS, "\n".join([*words, ""]).encode())
    weights.save(folder / WEIGHTS)
    print(f"{folder}: {model.ngrams:,} n-grams in {size / 1e6:.2f} MB, {len(words):,} words, {weights}")


if __name__ == "__main__":
    sys.exit(main())
