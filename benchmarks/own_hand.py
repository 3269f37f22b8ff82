"""What training on a writer's own lines brings: CER before and after, on lines of that writer left out of it.

    python benchmarks/own_hand.py --csv val.tsv --writer 0264

Half of the writer's lines, drawn at random, are for training by recipes/own_hand.yaml, the others are read by the
weights that ship and by those trained further. The epoch is chosen by the training lines. The ratio is to the CER
before. Written to benchmarks/results/own_hand.csv.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.accuracy import rates
from benchmarks.common import RESULTS, ROOT, report
from inferenceModel import ImageToWordModel
from mltu.datasets import read_table, without_contradictions, write_table

SEED = 5
RECIPE = ROOT / "recipes" / "own_hand.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--csv", required=True, help="table of lines with writers")
    parser.add_argument("--writer", required=True, help="whose lines")
    parser.add_argument("--epochs", type=int, default=30, help="[30]")
    given = parser.parse_args()
    samples, _ = without_contradictions(read_table(given.csv)[0])
    samples = [sample._replace(image=str(Path(sample.image).absolute())) for sample in samples]
    own = [sample for sample in samples if sample.writer == given.writer]
    if len(own) < 4:
        parser.error(f"{given.csv}: fewer than four lines by the writer {given.writer!r}")
    order = np.random.default_rng(SEED).permutation(len(own))
    folder = RESULTS / "own_hand"
    parts = {"train": order[: len(own) // 2], "test": order[len(own) // 2 :]}
    for name, chosen in parts.items():
        write_table(folder / f"{name}.csv", [own[index] for index in chosen])
    # validation by the training lines: to see that they are learnt
    tables = ["--data_path", str(folder / "train.csv"), "--val_path", str(folder / "train.csv")]
    options = ["--train_epochs", str(given.epochs), "--model_path", str(folder / "model"), "--overwrite"]
    subprocess.run([sys.executable, "train.py", "--config", str(RECIPE), *tables, *options], cwd=ROOT, check=True)
    left_out = read_table(folder / "test.csv")[0]
    rows = [
        {"weights": name, "trained_on": trained, **rates(ImageToWordModel(model), left_out)}
        for name, model, trained in (
            ("shipped", ROOT / "Models" / "pretrained", 0),
            ("own hand", folder / "model", len(parts["train"])),
        )
    ]
    report("own_hand", rows, "cer", lambda row: rows[0])


if __name__ == "__main__":
    main()
