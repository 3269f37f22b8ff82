"""What mixed precision brings and costs: the same training in each precision, its speed and the CER afterwards.

    python benchmarks/precision.py --csv train.tsv --val val.tsv
    python benchmarks/precision.py --csv train.tsv --val val.tsv --precisions float32 mixed_float16     with a GPU

The pretrained weights are trained further by recipes/own_hand.yaml, each time with the same lines, order and random
numbers; then the exported model, which computes in float32, reads the lines of `--val`. bfloat16 is quick only on CPUs
with instructions for it. The ratio is to the lines trained per second in the first precision.
Written to benchmarks/results/precision.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("precision.py")

import argparse
import csv

from benchmarks.accuracy import rates
from benchmarks.common import RESULTS, lines_of, report, train_further
from inferenceModel import ImageToWordModel
from mltu.datasets import write_table
from mltu.utils.console import command


@command("precision.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", required=True, help="table of lines to train on")
    parser.add_argument("--val", required=True, help="table of lines to read")
    parser.add_argument("--precisions", nargs="+", default=["float32", "mixed_bfloat16"], help="[both on CPUs]")
    parser.add_argument("--lines", type=int, default=600, help="to train on, drawn at random [600]")
    parser.add_argument("--epochs", type=int, default=3, help="[3]")
    parser.add_argument("--learning_rate", type=float, default=0.001, help="[0.001]")
    given = parser.parse_args()
    left_out = lines_of(given.val)
    folder = RESULTS / "precision"
    write_table(folder / "val.csv", left_out)
    rows = []
    for precision in given.precisions:
        model = folder / precision
        train_further(
            model,
            data_path=Path(given.csv).absolute(),
            val_path=folder / "val.csv",
            limit=given.lines,
            train_epochs=given.epochs,
            learning_rate=given.learning_rate,
            precision=precision,
        )
        with open(model / "timing.csv", newline="", encoding="utf-8") as file:
            epochs = list(csv.DictReader(file))[1:]  # the first one builds the graphs
        speed = sum(float(row["lines"]) for row in epochs) / sum(float(row["training"]) for row in epochs)
        rows.append({"precision": precision, "lines_per_second": speed, **rates(ImageToWordModel(model), left_out)})
    report("precision", rows, "lines_per_second", lambda row: rows[0])


if __name__ == "__main__":
    sys.exit(main())
