"""CTC against a value worked out by hand and against the sum over all alignments."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from mltu.ctc import collapse_path
from mltu.tensorflow.losses import CTCloss

BLANK = 3


def brute_force(probabilities, label):
    """Minus the log of the summed probability of every path that collapses to the label."""
    steps, classes = probabilities.shape
    total = sum(
        np.prod([probabilities[step, label] for step, label in enumerate(path)])
        for path in itertools.product(range(classes), repeat=steps)
        if collapse_path(np.array(path), classes - 1)[0].tolist() == label
    )
    return -np.log(total)


def loss(labels, probabilities, **options):
    return ops.convert_to_numpy(CTCloss(**options)(np.array(labels), np.array(probabilities, np.float32)))


def test_CTCloss_a_value_worked_out_by_hand():
    # two steps, classes a and blank: a comes out of aa, a-, -a, so p = 1 - 0.4 * 0.7
    probabilities = [[[0.6, 0.4], [0.3, 0.7]]]
    assert loss([[0, 1]], probabilities) == pytest.approx(-np.log(1 - 0.4 * 0.7), rel=1e-5)
    # the empty label comes out of -- alone
    assert loss([[1, 1]], probabilities) == pytest.approx(-np.log(0.4 * 0.7), rel=1e-5)


def test_CTCloss_equals_the_sum_over_all_alignments():
    rng = np.random.default_rng(0)
    labels = [[0], [0, 1], [1, 1], [2, 2, 2], [0, 1, 2, 0, 1], []]
    probabilities = rng.dirichlet(np.ones(BLANK + 1), (len(labels), 5)).astype(np.float32)
    padded = np.array([label + [BLANK] * (5 - len(label)) for label in labels])
    expected = [brute_force(steps, label) for steps, label in zip(probabilities, labels, strict=True)]
    assert loss(padded, probabilities, reduction=None) == pytest.approx(expected, rel=1e-4)
    assert loss(padded, probabilities) == pytest.approx(np.mean(expected), rel=1e-4)


def test_CTCloss_more_padding_changes_nothing():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(4), (2, 6))
    short = loss([[0, 1], [2, BLANK]], probabilities, reduction=None)
    long = loss([[0, 1, BLANK, BLANK, BLANK], [2, 9, 9, 9, 9]], probabilities, reduction=None)
    assert short == pytest.approx(long, rel=1e-6)


def test_CTCloss_certain_predictions_cost_nothing_and_impossible_ones_are_finite():
    certain = np.eye(4, dtype=np.float32)[[[0, 3, 1]]]
    assert loss([[0, 1]], certain) == pytest.approx(0, abs=1e-4)
    assert 20 < loss([[2, 2]], certain) < 200


def test_CTCloss_training_lowers_it():
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 5))
    outputs = keras.layers.Dense(4, activation="softmax")(keras.layers.LSTM(16, return_sequences=True)(inputs))
    model = keras.Model(inputs, outputs)
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    model.compile(keras.optimizers.Adam(0.02), loss=CTCloss(), jit_compile=jit)
    x = np.random.default_rng(0).random((4, 8, 5)).astype(np.float32)
    y = np.array([[0, 1, 3], [1, 1, 3], [2, 3, 3], [2, 0, 1]])
    history = model.fit(x, y, epochs=60, verbose=0).history["loss"]
    assert history[-1] < history[0] / 4
    assert np.isfinite(history).all()


def test_CTCloss_can_be_saved():
    config = keras.losses.serialize(CTCloss(reduction="sum"))
    assert keras.losses.deserialize(config).get_config() == CTCloss(reduction="sum").get_config()
