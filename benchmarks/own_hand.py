"""What training on a writer's own lines brings: CER before and after, on lines of that writer left out of it.

    python benchmarks/own_hand.py --csv val.tsv --writers 0264 0146

Half of a writer's lines, drawn at random, are for training by recipes/own_hand.yaml, the others are read by the
pretrained weights and by those trained further. The epoch is chosen by the training lines. The ratio is to the CER
before. Written to benchmarks/results/own_hand.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("own_hand.py")

import argparse

import numpy as np

from benchmarks.accuracy import rates
from benchmarks.common import OWN_HAND, RESULTS, ROOT, lines_of, report, train_further
from inferenceModel import ImageToWordModel
from mltu.datasets import Sample, read_table, write_table
from mltu.utils.console import command
from mltu.utils.errors import InputError

SEED = 5


def halves(samples: list[Sample], writer: str, folder: Path) -> dict[str, Path]:
    """Tables of the lines of a writer: "train" and "test"."""
    own = [sample for sample in samples if sample.writer == writer]
    if len(own) < 4:
        raise InputError(f"{writer}: fewer than four lines by this writer; name one of more with --writers")
    order = np.random.default_rng(SEED).permutation(len(own))
    parts = {"train": order[: len(own) // 2], "test": order[len(own) // 2 :]}
    for name, chosen in parts.items():
        write_table(folder / f"{name}.csv", [own[index] for index in chosen])
    return {name: folder / f"{name}.csv" for name in parts}


@command("own_hand.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", required=True, help="table of lines with writers")
    parser.add_argument("--writers", nargs="+", required=True, help="whose lines, one hand after the other")
    parser.add_argument("--recipe", default=OWN_HAND, help="settings of the training [recipes/own_hand.yaml]")
    given, more = parser.parse_known_args()  # what else there is goes to train.py
    samples = lines_of(given.csv)
    shipped = ImageToWordModel(ROOT / "Models" / "pretrained")
    rows = []
    for writer in given.writers:
        folder = RESULTS / "own_hand" / writer
        tables = halves(samples, writer, folder)
        # validation by the training lines: to see that they are learnt
        train_further(folder / "model", given.recipe, more, data_path=tables["train"], val_path=tables["train"])
        left_out = read_table(tables["test"])[0]
        for weights, model in (("shipped", shipped), ("own hand", ImageToWordModel(folder / "model"))):
            rows.append({"writer": writer, "weights": weights, **rates(model, left_out)})
    report("own_hand", rows, "cer", lambda row: next(first for first in rows if first["writer"] == row["writer"]))


if __name__ == "__main__":
    sys.exit(main())
