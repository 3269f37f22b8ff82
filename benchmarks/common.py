"""What the benchmarks share: where the project is, side-by-side rounds, tables with ratios, CSV."""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mltu.datasets import Sample, read_table, without_contradictions
from mltu.utils.errors import CommandError

ROOT = Path(__file__).resolve().parent.parent
OWN_HAND = ROOT / "recipes" / "own_hand.yaml"
RESULTS = ROOT / "benchmarks" / "results"
VOCAB = "".join(map(chr, range(32, 110)))  # of networks with random weights; their speed hardly depends on it


def parse(parser: argparse.ArgumentParser, one: Callable[[dict], dict[str, float]]) -> argparse.Namespace:
    """Flags of a benchmark, with those that all have. Under `--one`, measure one case, print it, and end."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=3, help="[3]")
    parser.add_argument("--one", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one)))
        parser.exit()
    return given


def measure(script: str, options: Mapping[str, Any], python: str = sys.executable) -> dict[str, float]:
    """Run `script --one ...` in a process of its own, whose last line is JSON; CommandError if it fails."""
    command = [python, script, "--one", json.dumps(options)]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": str(options["threads"]), **os.environ}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
        raise CommandError(f"{Path(script).name} {json.dumps(options)} failed")
    return json.loads(done.stdout.strip().splitlines()[-1])


def package_python(name: str, *requirements: str) -> str:
    """The Python of an environment of packages that are compared with, benchmarks/results/<name>; made once."""
    folder = RESULTS / name
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (folder / "installed").exists():
        print(f"Installing {', '.join(requirements)} into {folder}")
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *requirements], check=True)
        (folder / "installed").touch()
    return str(python)


def rounds(
    cases: Sequence[Mapping[str, Any]], run: Callable[[Mapping[str, Any]], dict[str, float]], count: int
) -> list[dict[str, Any]]:
    """Measure all cases in turn, `count` times, so that a change of the machine meets all; medians of the rounds."""
    found: list[list[dict[str, float]]] = [[] for _ in cases]
    for _ in range(count):
        for case, results in zip(cases, found, strict=True):
            results.append(run(case))
    return [
        {**case, **{name: statistics.median(result[name] for result in results) for name in results[0]}}
        for case, results in zip(cases, found, strict=True)
    ]


def report(
    name: str, rows: Sequence[Mapping[str, Any]], ratio: str = "", against: Callable[[Mapping], Mapping] | None = None
) -> None:
    """Print a table, if wanted with the ratio of one value to that of another row; write it to results/<name>.csv."""
    if against:
        rows = [{**row, "ratio": row[ratio] / against(row)[ratio]} for row in rows]
    shown = [[f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    cells = [list(rows[0]), *shown]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.csv"
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    print(f"ratio: of {ratio}. Written to {path}" if against else f"Written to {path}")


def lines_of(table: str) -> list[Sample]:
    """The lines of a table, with whole paths, without images that it names with different texts."""
    samples, _ = without_contradictions(read_table(table)[0])
    return [sample._replace(image=str(Path(sample.image).absolute())) for sample in samples]


def train_further(model: Path, recipe: str | Path = OWN_HAND, more: Sequence[str] = (), **settings: Any) -> None:
    """Fine-tune the pretrained weights by a recipe for own hands, from which some settings may differ.

    The model is the folder of the run, of which an earlier one is replaced.
    """
    flags = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "train.py", "--config", str(recipe), "--overwrite", "--model_path", str(model)]
    subprocess.run([*command, *flags, *more], cwd=ROOT, check=True)


def seconds_of(work: Callable[[], Any]) -> float:
    """How long something takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def gemm_rate(threads: int, size: int = 1536, seconds: float = 1.5) -> float:
    """Floating-point operations per second of a large float32 matrix product in ONNX Runtime."""
    import onnxruntime as ort
    from onnx import TensorProto, helper

    shape = [size, size]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "ab"]
    output = helper.make_tensor_value_info("c", TensorProto.FLOAT, shape)
    graph = helper.make_graph([helper.make_node("MatMul", ["a", "b"], ["c"])], "product", inputs, [output])
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    values = np.random.default_rng(0).random((2, size, size), np.float32)
    feed = {"a": values[0], "b": values[1]}
    session.run(None, feed)
    best, start = float("inf"), time.perf_counter()
    while time.perf_counter() - start < seconds:
        best = min(best, seconds_of(lambda: session.run(None, feed)))
    return 2 * size**3 / best


def onnx_flops(path: Path, height: int, width: int) -> float:
    """Floating-point operations of convolutions, matrix products and LSTMs for one image, additions counted too."""
    import onnx
    import onnxruntime as ort

    model = onnx.load(path)
    counted = [node for node in model.graph.node if node.op_type in ("Conv", "MatMul", "Gemm", "LSTM")]
    names = {name for node in counted for name in (*node.input[:3], node.output[0]) if name}
    shapes = {weights.name: list(weights.dims) for weights in model.graph.initializer}
    # what no file says is seen by running it
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names - shapes.keys() - known)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0]
    outputs = [output.name for output in session.get_outputs()]
    values = session.run(outputs, {source.name: np.zeros((1, height, width, source.shape[3]), np.float32)})
    shapes |= {name: list(value.shape) for name, value in zip(outputs, values, strict=True)}
    total = 0.0
    for node in counted:
        if node.op_type == "Conv":
            _, *kernel = shapes[node.input[1]]
            total += 2 * np.prod(shapes[node.output[0]]) * np.prod(kernel)
        elif node.op_type in ("MatMul", "Gemm"):
            total += 2 * np.prod(shapes[node.output[0]]) * shapes[node.input[1]][0]
        else:
            steps = shapes[node.input[0]][0]
            total += 2 * steps * (np.prod(shapes[node.input[1]]) + np.prod(shapes[node.input[2]]))
    return float(total)
