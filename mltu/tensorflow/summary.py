"""What a run is about to do, in a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from ..run_folder import RunFolder
from ..utils.files import as_utf8, write_atomic
from .dataProvider import DataProvider
from .model_utils import inference_model


def describe(
    configs: Any, model: keras.Model, providers: Mapping[str, DataProvider], folder: RunFolder, devices: Sequence[str]
) -> str:
    """Write the table of the network's layers to a file of the run, and sum up the run."""
    tables: list[str] = []
    model.summary(line_length=110, print_fn=lambda text, **_: tables.append(text))
    write_atomic(folder.network, as_utf8("\n".join(tables) + "\n"))
    height, width, channels = inference_model(model).input_shape[1:]
    batches, lines = len(providers["train"]), configs.batch_size
    ends = f"{configs.max_minutes:g} minutes" if configs.max_minutes else ""
    if configs.schedule == "plateau":
        ends += f"{' or ' if ends else ''}{configs.patience} epochs without progress"
    loaders = ("process", "processes") if configs.load_in_processes else ("thread", "threads")
    loaders = loaders[configs.train_workers > 1]
    return "\n".join(
        [
            f"Network: {configs.architecture}, takes {height} x {width or 'any'} x {channels}, "
            f"{model.count_params():,} weights; its layers are in {folder.network}",
            f"Epochs: at most {configs.train_epochs} of {batches:,} batches of {lines} lines"
            + (f"; ends after {ends}" if ends else ""),
            f"Learning rate: {configs.learning_rate:g}, schedule {configs.schedule}",
            f"Augmentation: {', '.join(configs.augmentors) or 'none'}",
            f"Runs on: {', '.join(devices)} in {configs.precision}; images loaded by {configs.train_workers} {loaders}",
            f"Folder: {folder.path}; Ctrl-C ends training and keeps the best weights",
        ]
    )
