"""What a run that was stopped is resumed from."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras

from ..utils.errors import InputError
from ..utils.files import whole_file, write_whole
from .callbacks import Clock, SwapAverage


class Position(NamedTuple):
    """How far a run has come."""

    epochs: int  # that are over
    batches: int  # of the next epoch that are over


class RunState(keras.callbacks.Callback):
    """Save all that is needed to go on with the run, and bring it back.

    Saved are weights and optimiser (as Keras has them in one file), the seeds of dropout, the metrics, the values
    of all epochs, the time spent, and what `watchers` count: after each epoch, and within long ones. A state is
    written beside the last one and replaces it by one renaming, so there is a whole one at any time. Must come
    after all callbacks that change the model or the values of an epoch.

    Args:
        folder: of the states; one for each run.
        clock: of the run.
        table: CSV file that gets the values of all epochs, a row each.
        watchers: callbacks whose counters belong to the run, such as `EarlyStopping`.
        save_seconds: after which the state is saved within an epoch; 0: only after epochs.
        writes: whether anything is saved; else the run is only counted and brought back.
        data: what stands for the training lines, such as a digest: the same when the run goes on.
    """

    FILE = "state.json"
    WEIGHTS = ".weights.h5"
    KEYS = frozenset({"data", "weights", "batches", "seconds", "epochs", "counters", "seeds", "metrics", "swapped"})
    COUNTERS = ("wait", "best", "best_epoch", "stopped_epoch", "cooldown_counter")

    def __init__(
        self,
        folder: str | Path,
        clock: Clock,
        table: str | Path,
        watchers: Sequence[keras.callbacks.Callback] = (),
        save_seconds: float = 0.0,
        data: str = "",
        writes: bool = True,
    ) -> None:
        super().__init__()
        self.folder = Path(folder)
        self.clock = clock
        self.table = Path(table)
        self.watchers = list(watchers)
        self.save_seconds = save_seconds
        self.data = data
        self.writes = writes
        self.epochs: list[dict[str, float]] = []  # values of each
        self.batches = 0  # of the present epoch that are over
        self._resumed: Mapping[str, Any] = {}
        self._saved_at = time.monotonic()

    @staticmethod
    def read(folder: str | Path) -> dict[str, Any]:
        """What is known of a run besides its weights; empty if it was stopped before its first state.

        Raises:
            InputError: the state cannot be read.
        """
        path = Path(folder) / RunState.FILE
        try:
            state = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(state, dict) or RunState.KEYS - state.keys() or type(state["counters"]) is not dict:
                raise ValueError("it is none, or of another version")
            return state
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path}: the state of the run cannot be read ({error}); start it again") from None

    def load(self, model: keras.Model, state: Mapping[str, Any]) -> Position:
        """Bring a compiled model to a state that :meth:`read` gave.

        Raises:
            InputError: the weights are gone, damaged, or those of another network, or the lines are others.
        """
        if not state:
            return Position(0, 0)
        if state["data"] != self.data:
            raise InputError(
                f"{self.folder}: the training lines are no longer those that the run began with; bring them back, "
                "or start another run from its weights with --init_from"
            )
        model.optimizer.build(model.trainable_variables)
        path = self.folder / state["weights"]
        try:
            model.load_weights(path)
            for variable, value in zip(self._seeds(model), state["seeds"], strict=True):
                variable.assign(value)
        except (OSError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{path}: the weights cannot be resumed ({reason}); start the run again") from None
        self.epochs = state["epochs"]
        self._resumed = state
        return Position(len(self.epochs), state["batches"])

    @staticmethod
    def _seeds(model: keras.Model) -> list[keras.Variable]:
        """Where dropout stands in its random numbers, which Keras does not count among the weights."""
        return [variable for variable in model.variables if variable.name == "seed_generator_state"]

    def _metric_values(self) -> list[keras.Variable]:
        """What the metrics of an epoch have summed up so far."""
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
        """Let `fit` pass over the first batches of an epoch, which are over, so that it counts the others right."""
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

    def write_table(self) -> None:
        """Write the values of the epochs as CSV."""
        rows = io.StringIO(newline="")
        writer = csv.DictWriter(rows, list(self.epochs[-1]), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(self.epochs)
        write_whole(self.table, rows.getvalue().encode())

    def save(self) -> None:
        """Save the state between two batches or epochs.

        Raises:
            OSError: it cannot be written; the state before is still there.
        """
        if hasattr(self.model, "jax_state_sync"):
            self.model.jax_state_sync()
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"epoch-{len(self.epochs)}" + (f"-batch-{self.batches}" if self.batches else "") + self.WEIGHTS
        with whole_file(self.folder / name, durable=True, ending=self.WEIGHTS) as unfinished:
            self.model.save_weights(unfinished)
        # between epochs they are not needed, and of several workers all would have to read them
        metrics = self._metric_values() if self.batches else []
        state = {
            "data": self.data,
            "weights": name,
            "batches": self.batches,
            "seconds": self.clock.seconds,
            "epochs": self.epochs,
            "counters": {
                type(watcher).__name__: {
                    name: float(getattr(watcher, name))
                    for name in self.COUNTERS
                    if getattr(watcher, name, None) is not None
                }
                for watcher in self.watchers
            },
            "seeds": [keras.ops.convert_to_numpy(variable).tolist() for variable in self._seeds(self.model)],
            "generators": torch_generators(),
            "metrics": [keras.ops.convert_to_numpy(variable).tolist() for variable in metrics],
            "swapped": any(isinstance(one, SwapAverage) and one.swapped for one in self.watchers),
        }
        write_whole(self.folder / self.FILE, json.dumps(state).encode(), durable=True)
        self._saved_at = time.monotonic()
        for old in self.folder.glob(f"*{self.WEIGHTS}"):
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
