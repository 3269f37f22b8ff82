import keras
import numpy as np
import pytest

from mltu.tensorflow.optimizers import make_optimizer


def after_a_step(gradient, value=1.0, names=("kernel",), **options):
    """The optimizer and variables of some names and one value after a step with the same gradient."""
    optimizer = make_optimizer(0.1, **options)
    variables = [keras.Variable(np.full(4, value), name=name) for name in names]
    optimizer.build(variables)
    optimizer.apply([keras.ops.full((4,), gradient)] * len(variables))
    return optimizer, [np.array(variable) for variable in variables]


def test_make_optimizer_takes_steps_of_the_learning_rate():
    _, (weights,) = after_a_step(3.0)
    assert weights == pytest.approx(np.full(4, 0.9), abs=1e-4)


def test_make_optimizer_decays_all_but_biases_and_scales():
    names = ["kernel", "bias", "gamma", "beta"]
    _, weights = after_a_step(0.0, names=names, weight_decay=0.5)
    assert [float(values[0]) for values in weights] == pytest.approx([1 - 0.1 * 0.5, 1, 1, 1])


def test_make_optimizer_limits_the_norm_of_all_gradients_together():
    norms = {}
    for clip_norm in (0.0, 2.0):
        optimizer, _ = after_a_step(3.0, names=["one", "other"], clip_norm=clip_norm)
        momentums = [np.array(variable) for variable in optimizer.variables if "momentum" in variable.path]
        norms[clip_norm] = np.linalg.norm(np.concatenate(momentums)) / (1 - 0.9)  # of the gradients, after one step
    assert norms == pytest.approx({0.0: 3 * 8**0.5, 2.0: 2.0}, rel=1e-4)


def test_make_optimizer_averages_weights_on_demand():
    assert not make_optimizer(0.1).use_ema
    optimizer, _ = after_a_step(1.0, ema=0.99)
    assert (optimizer.use_ema, optimizer.ema_momentum) == (True, 0.99)
