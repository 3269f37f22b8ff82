"""How fast the networks train: lines per second of one training step, the line network beside the reference.

    python benchmarks/training.py
    python benchmarks/training.py --precisions float32 mixed_float16      with a GPU
    KERAS_BACKEND=torch python benchmarks/training.py

Each network is measured in a process of its own, in turn, on random images of its own input size: the line
network on 64 x 960 pixels, about the median line, the reference on 96 x 1408, which all its lines have.
The step is that of `train.py`: loss, gradients, optimiser, CER and WER. Ratios are to the reference network in the
first precision. bfloat16 is quick only on CPUs with instructions for it (`avx512_bf16` or `amx_bf16` among the flags of
/proc/cpuinfo); others emulate it. Written to benchmarks/results/training.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("training.py")

import argparse

import numpy as np

from benchmarks.common import VOCAB, measure, parse, report, rounds, seconds_of
from mltu.utils.console import command

SIZES = {"reference": (96, 1408, 3), "line": (64, 960, 1)}
CHARACTERS = 46  # of the median line


def one(options: dict) -> dict[str, float]:
    """Measure one network in this process."""
    from configs import ModelConfigs
    from mltu.line_input import LineInput
    from mltu.tensorflow.devices import Devices
    from train import build

    height, width, channels = SIZES[options["network"]]
    sides = {"height": height, "width": 1536 if channels == 1 else width}
    chosen = {name: options[name] for name in ("shortcut", "precision")}
    about = {"architecture": options["network"], "vocab": VOCAB, "dataset": "synthetic"}
    configs = ModelConfigs.from_dict({**about, **sides, **chosen})
    model = build(configs, LineInput.from_configs(configs), Devices())
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (options["batch"], height, width, channels)).astype(np.uint8)
    labels = rng.integers(0, len(VOCAB), (options["batch"], CHARACTERS)).astype(np.int32)
    model.train_on_batch(images, labels)
    times = [seconds_of(lambda: model.train_on_batch(images, labels)) for _ in range(options["steps"])]
    step = float(np.median(times))
    return {"lines_per_second": options["batch"] / step, "step_s": step}


@command("training.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=16, help="lines in a batch [16]")
    parser.add_argument("--steps", type=int, default=5, help="timed steps [5]")
    parser.add_argument("--threads", type=int, default=2, help="[2]")
    parser.add_argument("--precisions", nargs="+", default=["float32", "mixed_bfloat16"], help="[both on CPUs]")
    given = parse(parser, one)
    shared = {"batch": given.batch, "steps": given.steps, "threads": given.threads}
    cases = [
        {"network": network, "shortcut": shortcut, "precision": precision, **shared}
        for network, shortcut in (("reference", 0.0), ("line", 0.0), ("line", 0.1))
        for precision in given.precisions
    ]
    rows = rounds(cases, lambda case: measure(__file__, case), given.rounds)
    report("training", rows, "lines_per_second", lambda row: rows[0])


if __name__ == "__main__":
    sys.exit(main())
