"""The state that a stopped run is resumed from."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras

from ..run_folder import RunFolder
from ..utils.errors import InputError
from ..utils.files import atomic_path, csv_bytes, write_atomic
from .callbacks import Clock
from .dataProvider import DataProvider


class RunState(keras.callbacks.Callback):
    """Save the state of a run, and bring it back.

    It consists of weights and optimiser (as Keras has them in one file), the seeds of dropout, the metrics, the values
    of all epochs, the time spent, and the counters of watched callbacks: after each epoch, and within long ones, if
    :meth:`write` was called; else the run is only counted and brought back. A state is written beside the last one
    and replaces it by one renaming, so there is a whole one at any time. Must come after all callbacks that change
    the model or the values of an epoch. `data` is the digest that :meth:`mltu.run_folder.RunFolder.check_lines` reads.
    """

    WEIGHTS = ".weights.h5"
    COUNTERS = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")

    def __init__(self, folder: RunFolder, clock: Clock, data: str = "") -> None:
        super().__init__()
        self.folder = folder
        self.clock = clock
        self.data = data
        self.watchers: list[keras.callbacks.Callback] = []
        self.writes = False
        self.save_seconds = 0.0
        self.epochs: list[dict[str, float]] = []  # values of each
        self.batches = 0  # of the present epoch that are over
        self._resumed: Mapping[str, Any] = {}
        self._saved_at = time.monotonic()

    def watch(self, callbacks: Iterable[keras.callbacks.Callback]) -> None:
        """Count the counters of those callbacks that have some, such as `EarlyStopping`, to the state."""
        self.watchers = [
            callback for callback in callbacks if any(hasattr(callback, name) for name in (*self.COUNTERS, "swapped"))
        ]

    def write(self, save_seconds: float) -> None:
        """Save the state after epochs, and after so many seconds within an epoch; 0: only after epochs."""
        self.writes = True
        self.save_seconds = save_seconds

    def load(self, model: keras.Model, train: DataProvider, saved: Mapping[str, Any], within_epochs: bool) -> int:
        """Bring a compiled model and the provider of the training lines to a state of `RunFolder.read_state`.

        Returns:
            How many epochs are over.

        Raises:
            InputError: the weights are gone, damaged, or those of another network, or the run was stopped in the
                middle of an epoch and cannot go on there.
        """
        if not saved:
            return 0
        if saved["batches"] and not within_epochs:
            raise InputError(
                f"{self.folder.path}: stopped within an epoch, where only one device can go on; --distribute none"
            )
        model.optimizer.build(model.trainable_variables)
        path = self.folder.state / saved["weights"]
        try:
            model.load_weights(path)
            for variable, value in zip(self._seeds(model), saved["seeds"], strict=True):
                variable.assign(value)
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: the weights cannot be resumed ({reason}); start the run again") from None
        self.epochs = saved["epochs"]
        self._resumed = saved
        train.epoch = len(self.epochs) + 1
        if saved["batches"]:
            model.test_on_batch(*train[0])  # makes the metrics, whose values are brought back
        train.first_batch = min(saved["batches"], len(train) - 1)  # nobody asks for it if the whole epoch is over
        return len(self.epochs)

    def best_epoch(self) -> dict[str, float]:
        """Values of the epoch with the lowest `val_score`, its number as `best_epoch`; empty if none was scored."""
        scored = [epoch for epoch in self.epochs if "val_score" in epoch]
        if not scored:
            return {}
        values = dict(min(scored, key=lambda epoch: epoch["val_score"]))
        return {"best_epoch": values.pop("epoch"), **values}

    @staticmethod
    def _seeds(model: keras.Model) -> list[keras.Variable]:
        """Where dropout stands in its random numbers, which Keras does not count among the weights."""
        return [variable for variable in model.variables if variable.name == "seed_generator_state"]

    def _metric_values(self) -> list[keras.Variable]:
        """The sums of the metrics so far in this epoch."""
        return [variable for metric in self.model.metrics for variable in metric.variables]

    def on_train_begin(self, logs: Any = None) -> None:
        self._saved_at = time.monotonic()
        set_torch_generators(self._resumed.get("generators", ()))
        counters = self._resumed.get("counters", {})
        for watcher in self.watchers:
            for name, value in counters.get(type(watcher).__name__, {}).items():
                setattr(watcher, name, value)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.batches = self._resumed.get("batches", 0)
        if self.batches:
            for variable, value in zip(self._metric_values(), self._resumed["metrics"], strict=True):
                variable.assign(value)
            self._leave_out(self.batches, self._resumed.get("generators", ()))
        self._resumed = {}

    def _leave_out(self, count: int, generators: Sequence[str]) -> None:
        """Let `fit` skip the first batches of an epoch, which are over, so that it counts the others right."""
        model = self.model  # asking for it in the middle of a step would disturb Keras under JAX
        left = iter(range(count))
        train = model.train_function
        backend = keras.backend.backend()
        values = model.get_metrics_result()

        def function(*args: Any) -> Any:
            if next(left, None) is None:
                set_torch_generators(generators)  # anew, as PyTorch has drawn from them to load data
                model.train_function = train
                return train(*args)
            if backend == "jax":
                next(args[1])  # a stand-in, see DataProvider.first_batch
                return values, args[0]
            return values

        model.train_function = function

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch < self.batches:  # left out
            return
        self.batches = batch + 1
        if self.save_seconds and time.monotonic() - self._saved_at >= self.save_seconds:
            self.save()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        self.epochs.append({"epoch": epoch + 1} | {name: float(value) for name, value in (logs or {}).items()})
        self.batches = 0
        if self.writes:
            self.write_table()
            self.save()

    def _counters(self, watcher: keras.callbacks.Callback) -> dict[str, float]:
        values = {name: getattr(watcher, name, None) for name in self.COUNTERS}
        return {name: float(value) for name, value in values.items() if value is not None}

    def write_table(self) -> None:
        """Write the values of the epochs as CSV."""
        names = list(self.epochs[-1])
        rows = ([epoch.get(name, "") for name in names] for epoch in self.epochs)
        write_atomic(self.folder.epochs, csv_bytes(names, rows))

    def save(self) -> None:
        """Save the state between two batches or epochs; if that fails, the state before is still there."""
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.folder.state.mkdir(parents=True, exist_ok=True)
        name = f"epoch-{len(self.epochs)}" + (f"-batch-{self.batches}" if self.batches else "") + self.WEIGHTS
        with atomic_path(self.folder.state / name, durable=True, ending=self.WEIGHTS) as unfinished:
            self.model.save_weights(unfinished)
        # between epochs they are not needed, and of several workers all would have to read them
        metrics = self._metric_values() if self.batches else []
        state = {
            "data": self.data,
            "weights": name,
            "batches": self.batches,
            "seconds": self.clock.seconds,
            "epochs": self.epochs,
            "counters": {type(watcher).__name__: self._counters(watcher) for watcher in self.watchers},
            "seeds": [keras.ops.convert_to_numpy(variable).tolist() for variable in self._seeds(self.model)],
            "generators": torch_generators(),
            "metrics": [keras.ops.convert_to_numpy(variable).tolist() for variable in metrics],
            "swapped": any(getattr(watcher, "swapped", False) for watcher in self.watchers),
        }
        write_atomic(self.folder.state_table, json.dumps(state).encode(), durable=True)
        self._saved_at = time.monotonic()
        for old in self.folder.state.glob(f"*{self.WEIGHTS}"):
            if old.name != name:
                old.unlink()


def torch_generators() -> list[str]:
    """States of PyTorch's random numbers, of the CPU and each GPU; empty under other backends.

    There Keras draws dropout from these, not from its seeds.
    """
    if keras.backend.backend() != "torch":
        return []
    import torch

    states = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]
    return [state.numpy().tobytes().hex() for state in states]


def set_torch_generators(states: Sequence[str]) -> None:
    """Bring PyTorch's random numbers to what :func:`torch_generators` gave; with fewer GPUs, those there are."""
    if keras.backend.backend() != "torch":
        return
    import torch

    tensors = [torch.tensor(list(bytes.fromhex(state)), dtype=torch.uint8) for state in states]
    if tensors:
        torch.set_rng_state(tensors[0])
    for device, state in zip(range(torch.cuda.device_count()), tensors[1:], strict=False):
        torch.cuda.set_rng_state(state, device)
