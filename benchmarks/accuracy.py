"""How well lines are read: CER and WER, with 95 % bootstrap intervals over the lines, of one or more models.

    python benchmarks/accuracy.py --csv test.tsv              your own lines
    python benchmarks/accuracy.py --fonts Datasets/fonts      generated lines, in fonts left out of training
    python benchmarks/accuracy.py --csv test.tsv --models Models/reference Models/pretrained

The generated lines are in the fonts that recipes/pretrain.yaml leaves out, on sentences in another order than
those of training. The ratio is to the CER of the first model. Written to benchmarks/results/accuracy.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("accuracy.py")

import argparse

from benchmarks.common import RESULTS, ROOT, report
from inferenceModel import ImageToWordModel
from mltu.configs import read_yaml
from mltu.datasets import Sample, generate_lines, read_table
from mltu.datasets.synthetic import family_of, find_fonts
from mltu.evaluation import evaluate
from mltu.utils.console import command
from mltu.utils.text_utils import error_rate

SEED = 99  # another one than that of training


def generated_lines(fonts: str, text_file: str, count: int) -> list[Sample]:
    """Lines in the fonts that training left out."""
    left_out = set(map(family_of, read_yaml(ROOT / "recipes" / "pretrain.yaml")["skip_fonts"]))
    used = [font.stem for font in find_fonts(fonts) if family_of(font.stem) not in left_out]
    folder = RESULTS / "left_out_fonts"
    samples, _ = generate_lines(folder, count, SEED, text_file, fonts, 64, 2, skip_fonts=used, plain_quotes=True)
    return samples


def rates(model: ImageToWordModel, samples: list[Sample]) -> dict[str, float]:
    """CER and WER of a model, in percent, with their intervals."""
    readings = [line.reading.text for line in evaluate(model, samples)]
    found: dict[str, float] = {"lines": len(samples)}
    for name, tokens in (("cer", list), ("wer", str.split)):
        rate = error_rate(readings, [sample.text for sample in samples], tokens)
        found |= {name: 100 * rate.rate, f"{name}_low": 100 * rate.low, f"{name}_high": 100 * rate.high}
    return found


@command("accuracy.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", nargs="+", default=[], help="tables of lines")
    parser.add_argument("--fonts", help="folder with the fonts, for generated lines")
    parser.add_argument("--text_file", default="Datasets/text/en.txt", help="their sentences [Datasets/text/en.txt]")
    parser.add_argument("--lines", type=int, default=500, help="how many to generate [500]")
    parser.add_argument("--models", nargs="+", default=["Models/pretrained"], help="[Models/pretrained]")
    given = parser.parse_args()
    sets = {path: read_table(path)[0] for path in given.csv}
    if given.fonts:
        sets["fonts left out of training"] = generated_lines(given.fonts, given.text_file, given.lines)
    if not sets:
        parser.error("name tables with --csv, or a folder with --fonts")
    rows = [
        {"set": name, "model": folder, **rates(ImageToWordModel(folder), samples)}
        for name, samples in sets.items()
        for folder in given.models
    ]
    first = {row["set"]: row for row in reversed(rows)}
    report("accuracy", rows, "cer", lambda row: first[row["set"]])


if __name__ == "__main__":
    sys.exit(main())
