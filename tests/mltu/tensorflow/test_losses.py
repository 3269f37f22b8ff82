"""CTC against a value worked out by hand and against the sum over all alignments."""

import keras
import numpy as np
import pytest
from keras import ops

from helpers import paths_by_text
from mltu.tensorflow.losses import CTCloss

BLANK = 3


def loss(labels, probabilities, **options):
    return ops.convert_to_numpy(CTCloss(**options)(np.array(labels), np.array(probabilities, np.float32)))


def test_CTCloss_is_the_value_worked_out_by_hand():
    # two steps, classes a and blank: a comes out of aa, a-, -a, so p = 1 - 0.4 * 0.7
    probabilities = [[[0.6, 0.4], [0.3, 0.7]]]
    assert loss([[0, 1]], probabilities) == pytest.approx(-np.log(1 - 0.4 * 0.7), rel=1e-5)
    # the empty label comes out of -- alone
    assert loss([[1, 1]], probabilities) == pytest.approx(-np.log(0.4 * 0.7), rel=1e-5)


def test_CTCloss_equals_the_sum_over_all_alignments():
    labels = [(0,), (0, 1), (1, 1), (2, 2, 2), (0, 1, 2, 0, 1), ()]
    probabilities = np.random.default_rng(0).dirichlet(np.ones(BLANK + 1), (len(labels), 5)).astype(np.float32)
    paths = [paths_by_text(steps)[label] for steps, label in zip(np.log(probabilities), labels, strict=True)]
    expected = [-np.logaddexp.reduce([log_prob for log_prob, _ in some]) for some in paths]
    padded = np.array([[*label, *[BLANK] * (5 - len(label))] for label in labels])
    assert loss(padded, probabilities, reduction=None) == pytest.approx(expected, rel=1e-4)
    assert loss(padded, probabilities) == pytest.approx(np.mean(expected), rel=1e-4)


def test_CTCloss_ignores_more_padding():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(4), (2, 6))
    short = loss([[0, 1], [2, BLANK]], probabilities, reduction=None)
    long = loss([[0, 1, BLANK, BLANK, BLANK], [2, 9, 9, 9, 9]], probabilities, reduction=None)
    assert short == pytest.approx(long, rel=1e-6)


def test_CTCloss_of_certain_predictions_is_zero_and_of_impossible_ones_finite():
    certain = np.eye(4, dtype=np.float32)[[[0, 3, 1]]]
    assert loss([[0, 1]], certain) == pytest.approx(0, abs=1e-4)
    assert 20 < loss([[2, 2]], certain) < 200


def test_CTCloss_can_be_saved():
    config = keras.losses.serialize(CTCloss(reduction="sum"))
    assert keras.losses.deserialize(config).get_config() == CTCloss(reduction="sum").get_config()
