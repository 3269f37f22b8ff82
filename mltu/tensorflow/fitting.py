"""Training itself: Keras's `fit`, and how it ended."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from ..configs import BaseModelConfigs
from .callbacks import Clock, SaveBest, StopOnInterrupt, TrainingInterrupted
from .monitoring import verbosity
from .run_state import RunState

ALL_DONE, STOPPED = "all epochs done", "stopped by Ctrl-C"  # how training ended


def fit(
    model: keras.Model,
    train: Any,
    val: Any,
    configs: BaseModelConfigs,
    epochs_done: int,
    callbacks: Sequence[keras.callbacks.Callback],
    state: RunState,
    clock: Clock,
    interrupt: StopOnInterrupt,
    best: SaveBest | None = None,
) -> dict[str, Any]:
    """Train until nothing improves, the epochs or minutes are over, or Ctrl-C; the best weights are on disk then.

    Args:
        model: compiled.
        train: what Keras takes the batches from.
        val: likewise.
        configs: with `train_epochs` and `max_minutes`, and `patience` where callbacks may end training early.
        epochs_done: of an earlier part of the run.
        callbacks: in their order, those that follow among them.
        state: counts the epochs.
        clock: ends training in time.
        interrupt: ends it by Ctrl-C.
        best: saves the best weights, or the last ones where no epoch was finished; None: another process does.

    Returns:
        Epochs, seconds, how training ended, and the values of the best epoch.
    """
    ended = ALL_DONE
    try:
        with warnings.catch_warnings():
            # Keras finds the end of a distributed epoch by coming to it
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            model.fit(
                train,
                validation_data=val,
                epochs=configs.train_epochs,
                initial_epoch=epochs_done,
                callbacks=callbacks,
                shuffle=False,  # the provider does that itself, by its seed
                verbose=verbosity(),
            )
    except TrainingInterrupted:
        ended = STOPPED
        for callback in callbacks:
            callback.on_train_end()
        if best and not best.path.exists():
            best.save()
            print("No epoch was finished; the weights as they are now are kept.")
    finally:
        interrupt.restore()
    if clock.over:
        ended = f"{configs.max_minutes:g} minutes over"
    elif ended == ALL_DONE and len(state.epochs) < configs.train_epochs:
        ended = f"no better validation in {configs.patience} epochs"
    return {"epochs": len(state.epochs), "seconds": round(clock.seconds, 1), "ended": ended, **state.best_epoch()}
