import json

import keras
import numpy as np
import pytest

from mltu.run_folder import RunFolder
from mltu.tensorflow.callbacks import Clock, SwapAverage, WarmupCosine
from mltu.tensorflow.run_state import RunState
from mltu.utils.errors import InputError


class Lines:
    """Stands for a provider of three batches."""

    def __init__(self):
        self.epoch, self.first_batch = 1, 0

    def __len__(self):
        return 3

    def __getitem__(self, index):
        return np.ones((2, 4), np.float32), np.ones((2, 1), np.float32)


def compiled(seed, units=1):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(units)])
    model.compile(keras.optimizers.Adam(), "mse")
    return model


@pytest.fixture
def run(tmp_path):
    """(folder, model trained for a step, its state, not saved yet)."""
    folder = RunFolder(tmp_path)
    state = RunState(folder, Clock(), "digest")
    model = compiled(0)
    state.set_model(model)
    state.write(0.0)
    model.train_on_batch(*Lines()[0])
    return folder, model, state


def load(folder, saved, model=None, within_epochs=True):
    """What loading a state gives: (epochs before, the model, the provider)."""
    model, lines = model or compiled(1), Lines()
    return RunState(folder, Clock(), "digest").load(model, lines, saved, within_epochs), model, lines


def test_load_brings_weights_optimizer_and_epochs_back(run):
    folder, model, state = run
    state.on_epoch_end(0, {"loss": 2.0, "val_score": 0.5})
    epochs, other, lines = load(folder, folder.read_state())
    assert (epochs, lines.epoch, lines.first_batch) == (1, 2, 0)
    for ours, theirs in zip(model.optimizer.variables, other.optimizer.variables, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy())
    for ours, theirs in zip(model.get_weights(), other.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


def test_load_of_a_new_run_changes_nothing(run):
    epochs, _, lines = load(run[0], {}, run[1])
    assert (epochs, lines.epoch, lines.first_batch) == (0, 1, 0)


def test_load_goes_on_within_an_epoch_only_where_that_can_be_done(run):
    folder, _, state = run
    state.on_train_batch_end(0)
    state.save()
    saved = folder.read_state()
    assert saved["batches"] == 1
    epochs, _, lines = load(folder, saved)
    assert (epochs, lines.first_batch) == (0, 1)
    with pytest.raises(InputError, match="only one device can resume; --distribute none"):
        load(folder, saved, within_epochs=False)


def test_load_refuses_other_networks(run):
    folder, _, state = run
    state.on_epoch_end(0, {})
    saved = folder.read_state()
    assert saved["data"] == "digest"
    with pytest.raises(InputError, match="the weights cannot be resumed"):
        load(folder, saved, compiled(1, units=2))
    (folder.state / saved["weights"]).unlink()
    with pytest.raises(InputError, match="the weights cannot be resumed"):
        load(folder, saved)


def test_save_keeps_the_last_state_only(run):
    folder, _, state = run
    for epoch in range(3):
        state.on_epoch_end(epoch, {"loss": 1.0})
    assert sorted(path.name for path in folder.state.iterdir()) == ["epoch-3.weights.h5", "state.json"]
    header, *epochs = folder.epochs.read_text().splitlines()
    assert (header, len(epochs)) == ("epoch,loss", 3)


def test_on_epoch_end_only_counts_where_nothing_is_to_be_written(run):
    folder, model, _ = run
    state = RunState(folder, Clock(), "digest")
    state.set_model(model)
    state.on_epoch_end(0, {"loss": 1.0})
    assert state.epochs == [{"epoch": 1, "loss": 1.0}]
    assert not list(folder.path.iterdir())


def test_watch_saves_counters_and_brings_them_back(run):
    folder, model, state = run
    stopping = keras.callbacks.EarlyStopping(patience=5)
    stopping.wait, stopping.best = 3, 0.25
    state.watch([stopping, Clock(), WarmupCosine(0.1, 1, 10, 5), SwapAverage(swapped=True)])
    state.on_epoch_end(0, {})
    saved = json.loads(folder.state_table.read_text())
    assert saved["counters"].keys() == {"EarlyStopping", "SwapAverage"}
    assert saved["swapped"] is True
    later = RunState(folder, Clock(), "digest")
    later.set_model(model)
    fresh = keras.callbacks.EarlyStopping(patience=5)
    later.watch([fresh])
    later.load(model, Lines(), saved, within_epochs=True)
    later.on_train_begin()
    assert (fresh.wait, fresh.best) == (3, 0.25)


def test_best_epoch_is_that_of_the_lowest_score(run):
    state = run[2]
    assert state.best_epoch() == {}
    state.epochs = [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "val_score": 0.2}, {"epoch": 3, "val_score": 0.3}]
    assert state.best_epoch() == {"best_epoch": 2, "val_score": 0.2}
