"""How fast lines become batches: this project beside the package mltu 1.2.5, on the same lines, in the same run.

    python benchmarks/pipeline.py
    python benchmarks/pipeline.py --csv lines.csv --lines 500

mltu 1.2.5 is installed once from the package index into an environment of its own (benchmarks/results/mltu)
and used as its handwriting tutorial does: read, three augmentors, resize to 96 x 1408, index and pad labels.
Against it: this project with the same settings, and with those of recipes/line.yaml, reading every image
anew or from its cache, with one worker and more, in threads and in processes. The second pass over the lines
counts. The lines are generated if no table is given. Written to benchmarks/results/pipeline.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("pipeline.py")

import argparse
import itertools
import os
from collections import deque

import cv2

from benchmarks.common import RESULTS, ROOT, measure, package_python, parse, report, rounds, seconds_of
from mltu.utils.console import command

PACKAGE = "mltu==1.2.5"
TUTORIAL_AUGMENTORS = "RandomBrightness,RandomErodeDilate,RandomSharpen"


def generated_lines(count: int) -> str:
    """A table of generated lines."""
    from mltu.datasets import generate_lines, write_table

    RESULTS.mkdir(exist_ok=True)
    samples, _ = generate_lines(RESULTS / "lines", count, seed=1, workers=os.cpu_count() or 1)
    path = RESULTS / "lines.csv"
    write_table(path, [sample._replace(image=os.path.relpath(sample.image, RESULTS)) for sample in samples])
    return str(path)


def one(options: dict) -> dict[str, float]:
    """Measure this project's provider in this process."""
    from configs import ModelConfigs
    from mltu.configs import read_yaml
    from mltu.datasets import read_table
    from mltu.line_input import LineInput
    from model import time_steps
    from train import make_providers

    cv2.setNumThreads(1)  # one worker is one thread, on both sides
    samples, _ = read_table(options["csv"])
    network = options["network"]
    settings = {"architecture": "reference", "augmentors": TUTORIAL_AUGMENTORS}
    if network == "line":
        recipe = read_yaml(ROOT / "recipes" / "line.yaml")
        settings = {name: recipe[name] for name in ("architecture", "height", "width", "width_step", "augmentors")}
    settings |= {
        "vocab": "".join(sorted({character for sample in samples for character in sample.text})),
        "max_text_length": max(len(sample.text) for sample in samples),
        "batch_size": options["batch"],
        "cache_mb": 2048 if options["cache"] else 0,
        "train_workers": options["workers"],
        "load_in_processes": options["loader"] == "processes",
    }
    configs = ModelConfigs.from_dict(settings)
    line_input = LineInput.from_configs(configs)
    steps = time_steps(line_input.widths, configs.height, configs.architecture, configs.steps_per_column)
    providers, _ = make_providers(configs, line_input, steps, {"train": samples})
    train = providers["train"]
    for epoch in range(options["epochs"]):
        train.epoch = epoch + 1
        len(train)  # orders the epoch's lines
        seconds = seconds_of(lambda: deque(train, maxlen=0))
    return {"lines_per_second": len(samples) / seconds}


@command("pipeline.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", help="table of lines, `image,text`, with paths beside it [256 generated lines]")
    parser.add_argument("--lines", type=int, default=256, help="how many lines to generate [256]")
    parser.add_argument("--batch", type=int, default=16, help="lines in a batch [16]")
    given = parse(parser, one)
    shared = {"csv": os.path.abspath(given.csv or generated_lines(given.lines)), "batch": given.batch, "epochs": 2}
    python = package_python("mltu", PACKAGE)
    workers = range(1, (os.cpu_count() or 1) + 1)
    variants = [(PACKAGE, "reference", False, "threads", 1), ("this project", "reference", False, "threads", 1)]
    variants += itertools.product(["this project"], ["line"], (False, True), ("threads", "processes"), workers)
    cases = [dict(zip(("pipeline", "network", "cache", "loader", "workers"), row, strict=True)) for row in variants]

    def run(case):
        options = {**case, **shared, "threads": case["workers"]}
        if case["pipeline"] == PACKAGE:
            return measure(str(Path(__file__).with_name("mltu_pipeline.py")), options, python)
        return measure(__file__, options)

    rows = rounds(cases, run, given.rounds)
    report("pipeline", rows, "lines_per_second", lambda row: rows[0])


if __name__ == "__main__":
    sys.exit(main())
