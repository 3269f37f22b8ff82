"""How fast lines are read: the pretrained weights beside the reference network, on the same lines, in the same run.

    python benchmarks/reading.py                            the samples
    python benchmarks/reading.py --csv lines.csv            your own lines, `image,text` rows
    python benchmarks/reading.py --models Models/a Models/b

Each model is measured in a process of its own, with one and two threads, in turn: lines per second (read
together, as `inferenceModel.py` reads tables and pages), median and 95th percentile of the time for a line
that comes alone, largest memory of the process, share of the machine's rate for large matrix products, and
the time of the whole command for one line. The reference network has random weights, which are as fast as
trained ones. Written to benchmarks/results/reading.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("reading.py")

import argparse
import os
import subprocess
from functools import partial

import numpy as np

from benchmarks.common import RESULTS, ROOT, VOCAB, gemm_rate, measure, onnx_flops, parse, report, rounds, seconds_of
from inferenceModel import ImageToWordModel
from mltu.datasets.table import read_table
from mltu.inferenceModel import set_metadata
from mltu.line_input import LineInput
from mltu.utils.console import command
from mltu.utils.image_utils import read_image

PRETRAINED = ["Models/pretrained/model.onnx", "Models/pretrained/model.int8.onnx"]


def reference_model() -> Path:
    """The reference network with random weights as ONNX, made once."""
    height, width = 96, 1408
    path = RESULTS / f"reference-{height}x{width}.onnx"
    about = {"vocab": VOCAB, **LineInput(height, width, None, "BGR").metadata()}
    if not path.exists():
        from mltu.tensorflow.callbacks import Model2onnx
        from model import train_model

        RESULTS.mkdir(exist_ok=True)
        model = train_model((height, width, 3), len(VOCAB))
        Model2onnx.model2onnx(model, path, about)
    set_metadata(path, **about)  # an earlier version may have written others
    return path


def one(options: dict) -> dict[str, float]:
    """Measure one model with some number of threads, in this process."""
    import resource

    samples, _ = read_table(options["csv"])
    model = ImageToWordModel(options["model"], force_cpu=True, threads=options["threads"])
    images = [read_image(sample.image) for sample in samples[: options["lines"]]]
    model.predict(max(images, key=lambda image: image.shape[1] / image.shape[0]))  # the first run sets up more
    seconds = seconds_of(lambda: model.predict_batch(images))
    alone = [seconds_of(partial(model.predict, image)) for image in images[:: max(1, len(images) // 64)]]
    widths = [model.line_input(image).shape[1] for image in images]
    height = model.input_shapes[0][1]
    path = Path(model.model_path)
    if path.name.endswith(".int8.onnx"):  # an 8-bit model does the operations of the float32 one beside it
        path = path.with_name("model.onnx")
    flops = sum(onnx_flops(path, height, width) * widths.count(width) for width in set(widths))
    return {
        "lines_per_second": len(images) / seconds,
        "median_ms": float(np.median(alone)) * 1000,
        "p95_ms": float(np.quantile(alone, 0.95)) * 1000,
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "gflop_per_line": flops / len(images) / 1e9,
        "share_of_gemm": flops / seconds / gemm_rate(options["threads"]),
    }


def whole_command(model: str, image: str) -> float:
    """Seconds that `inferenceModel.py --image` takes."""
    command = [sys.executable, "inferenceModel.py", "--model", model, "--image", image]
    return seconds_of(lambda: subprocess.run(command, cwd=ROOT, check=True, capture_output=True))


@command("reading.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", default=str(ROOT / "samples" / "lines.csv"), help="table of lines [the samples]")
    parser.add_argument("--models", nargs="+", default=PRETRAINED, help=f"[{' '.join(PRETRAINED)}]")
    parser.add_argument("--lines", type=int, default=200, help="at most so many lines [200]")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="[1 2]")
    given = parse(parser, one)
    reference = os.path.relpath(reference_model(), ROOT)
    csv_path = os.path.abspath(given.csv)
    first_line = read_table(csv_path)[0][0].image
    cases = [{"model": model, "threads": threads} for threads in given.threads for model in (reference, *given.models)]

    def run(case):
        measured = measure(__file__, {**case, "csv": csv_path, "lines": given.lines})
        return {**measured, "whole_command_s": whole_command(case["model"], first_line)}

    rows = rounds(cases, run, given.rounds)
    by_threads = {row["threads"]: row for row in rows if row["model"] == reference}
    report("reading", rows, "lines_per_second", lambda row: by_threads[row["threads"]])


if __name__ == "__main__":
    sys.exit(main())
