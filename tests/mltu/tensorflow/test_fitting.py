from unittest.mock import Mock

import pytest

from mltu.tensorflow.callbacks import TrainingInterrupted
from mltu.tensorflow.fitting import ALL_DONE, STOPPED, fit


@pytest.mark.parametrize(
    ("epochs", "over", "error", "ended"),
    [
        (9, False, None, ALL_DONE),
        (4, False, None, "no better validation in 3 epochs"),
        (4, True, None, "0.5 minutes over"),
        (4, False, TrainingInterrupted, STOPPED),
    ],
)
def test_fit_tells_how_training_ended(epochs, over, error, ended):
    configs, clock = Mock(train_epochs=9, max_minutes=0.5, patience=3), Mock(over=over, seconds=7.04)
    state, interrupt = Mock(epochs=[{}] * epochs), Mock()
    state.best_epoch.return_value = {"best_epoch": 2}
    results = fit(Mock(**{"fit.side_effect": error}), [], [], configs, 0, [], state, clock, interrupt)
    assert results == {"epochs": epochs, "seconds": 7.0, "ended": ended, "best_epoch": 2}
    interrupt.restore.assert_called_once_with()


@pytest.mark.parametrize("saved", [False, True])
def test_fit_saves_the_weights_of_a_run_stopped_before_any(tmp_path, saved):
    best, model = Mock(path=tmp_path / "model.keras"), Mock(**{"fit.side_effect": TrainingInterrupted})
    if saved:
        best.path.touch()
    callbacks, state, clock = [Mock(), best], Mock(epochs=[], best_epoch=dict), Mock(seconds=0, over=False)
    fit(model, [], [], Mock(), 0, callbacks, state, clock, Mock(), best)
    assert best.save.called is not saved
    assert all(callback.on_train_end.called for callback in callbacks)
