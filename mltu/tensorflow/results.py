"""The end of a run: the test, the results, the export, and what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..datasets import Skipped
from ..line_input import LineInput
from ..run_folder import RunFolder
from .dataProvider import DataProvider
from .export import evaluate, export, export_best
from .fitting import STOPPED


def finish(
    results: dict[str, Any],
    folder: RunFolder,
    line_input: LineInput,
    vocab: str,
    providers: Mapping[str, DataProvider],
    skipped: Sequence[Skipped],
    script: str | Path,
) -> None:
    """Judge the best weights by the test lines, if there are some, write the results and export.

    `results` are those of training; `script` is that of :func:`mltu.tensorflow.export.export_best`.
    """
    results |= {f"{part}_lines": len(provider.samples) for part, provider in providers.items()}
    lost = [entry for provider in providers.values() for entry in provider.dropped]
    if lost:
        folder.write_lists(providers, [*skipped, *lost])
        print(f"{len(lost)} lines could not be read any more in training; they are listed in {folder.skipped}")
    results["skipped"] = len(skipped) + len(lost)
    if "test" in providers:
        scores = evaluate(folder, providers["test"], vocab)
        results |= {f"test_{name}": float(value) for name, value in scores.items()}
        print(f"Test: CER {results['test_CER']:.2%}, WER {results['test_WER']:.2%}")
    folder.write_results(results)
    export_best(folder, partial(export, folder, line_input, vocab, providers["val"].samples), script)
    if "val_CER" in results:
        print(f"Best: CER {results['val_CER']:.2%}, WER {results['val_WER']:.2%} in epoch {results['best_epoch']}.")
    if folder.onnx.exists():
        print(next_steps(results["ended"], folder, providers["val"].samples[0].image))


def next_steps(ended: str, folder: RunFolder, image: str) -> str:
    """What to do with a trained model, as commands that can be copied.

    Args:
        ended: how training ended.
        folder: of the run.
        image: of a line to read.
    """
    model = f"python inferenceModel.py --model {shlex.quote(str(folder.path))}"
    report = shlex.quote(str(folder.path / "report"))
    steps = {
        "Read a line": f"{model} {shlex.quote(image)}",
        "See its errors": f"{model} --csv {shlex.quote(str(folder.val))} --report {report}",
    }
    if ended == STOPPED and folder.state_table.exists():
        steps["Train on"] = f"python train.py --resume {shlex.quote(str(folder.path))}"
    width = max(map(len, steps)) + 1
    return f"Training ended: {ended}.\n" + "\n".join(f"{name + ':':{width}} {step}" for name, step in steps.items())
