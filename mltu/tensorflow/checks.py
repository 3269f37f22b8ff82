"""Sanity checks before a long run; none of them trains weights that are kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from ..pictures.curves import save_sweep
from ..pictures.sheets import sheet
from ..run_folder import RunFolder
from ..utils.errors import InputError
from ..utils.files import write_atomic
from ..utils.image_utils import write_png
from .callbacks import EpochNumber, LearningRateSweep
from .dataProvider import DataProvider
from .monitoring import spread, verbosity

SHOWN_LINES, VARIATIONS = 8, 3  # on the sheet of samples
OVERFIT_STEPS, OVERFIT_EPOCHS, OVERFIT_CER = 20, 60, 0.05


def draw_samples(train: DataProvider, folder: RunFolder) -> None:
    """Draw a sheet of training lines as the network gets them: unchanged, and as augmentation varies them."""
    rows = []
    for number, sample in enumerate(spread(train.samples, SHOWN_LINES)):
        try:
            images = [train.process_data(sample)[0]]
            for variation in range(VARIATIONS):
                images.append(train.process_data(sample, np.random.default_rng([number, variation]))[0])
        except InputError:  # a variation may be too narrow for its text
            continue
        rows.append((images, [sample.text]))
    if rows:
        write_png(folder.samples, sheet(rows, "left: unchanged; then: as training varies it"))


def show_samples(configs: Any, folder: RunFolder, model: keras.Model, train: DataProvider) -> bool:
    """Draw what the network gets; always succeeds."""
    draw_samples(train, folder)
    print(f"{folder.samples}: lines as the network gets them")
    return True


def find_learning_rate(configs: Any, folder: RunFolder, model: keras.Model, train: DataProvider) -> bool:
    """Try learning rates from low to high, as a table and a picture; returns whether there is one to suggest."""
    show_samples(configs, folder, model, train)
    sweep = LearningRateSweep()
    epochs = -(-sweep.STEPS // len(train))
    print(f"Trying learning rates from {sweep.LOW:g} to {sweep.HIGH:g} in {sweep.STEPS} steps ...")
    model.fit(
        train.for_keras(), epochs=epochs, callbacks=[EpochNumber(train), sweep], shuffle=False, verbose=verbosity()
    )
    steps = [f"{rate:.6g},{loss:.6g}\n" for rate, loss in zip(sweep.rates, sweep.losses, strict=True)]
    write_atomic(folder.sweep_table, "".join(["learning_rate,loss\n", *steps]).encode())
    suggestion = sweep.suggestion()
    save_sweep(sweep.rates, sweep.losses, suggestion, folder.sweep_picture)
    if not suggestion:
        print(f"The loss fell at no learning rate; see {folder.sweep_picture}.")
        return False
    print(f"Suggestion: --learning_rate {suggestion:.2g}; see {folder.sweep_picture}.")
    return True


def overfit_batch(configs: Any, folder: RunFolder, model: keras.Model, train: DataProvider) -> bool:
    """Overfit one batch; returns whether that worked. A set-up that cannot do this cannot learn at all.

    The samples of `train` are the batch. At most `train_epochs` epochs of 20 steps are tried.
    """
    repeated = train.with_samples(train.samples * OVERFIT_STEPS)
    print(f"Overfitting one batch of {len(train.samples)} lines until its CER is below {OVERFIT_CER:.0%} ...")

    def stop_when_learnt(epoch: int, logs: Mapping[str, float]) -> None:
        model.stop_training = logs["CER"] < OVERFIT_CER

    try:
        history = model.fit(
            repeated.for_keras(),
            epochs=min(configs.train_epochs, OVERFIT_EPOCHS),
            callbacks=[EpochNumber(repeated), keras.callbacks.LambdaCallback(on_epoch_end=stop_when_learnt)],
            shuffle=False,
            verbose=verbosity(),
        ).history
    except Exception as error:
        raise repeated.failure or error from None  # which TensorFlow hides in an error of its own
    cer = history["CER"][-1]
    learnt = cer < OVERFIT_CER
    verdict = "the set-up works" if learnt else "not learnt; check texts, image size and learning rate"
    print(f"CER {cer:.1%} after {len(history['CER']) * len(repeated)} steps: {verdict}.")
    return learnt


CHECKS = {"show_samples": show_samples, "find_lr": find_learning_rate, "overfit_batch": overfit_batch}
