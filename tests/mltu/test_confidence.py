import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.confidence import (
    EXPONENTS,
    TEMPERATURES,
    character_edges,
    fit_exponent,
    fit_temperature,
    peaks,
    softmax,
)


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=9), st.floats(-1000, 1000))
def test_softmax_gives_probabilities(logits, shift):
    logits = np.array(logits)
    probabilities = softmax(logits)
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[logits.argmax()] == probabilities.max()
    assert np.allclose(softmax(logits + shift), probabilities, atol=1e-6)


def test_softmax_takes_logarithms_of_probabilities_along_the_last_axis():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    assert np.allclose(softmax(np.log(probabilities)), probabilities)
    # twice the temperature is the square root of each, made to sum to 1 again
    roots = np.sqrt(probabilities)
    assert np.allclose(softmax(np.log(probabilities) / 2), roots / roots.sum(axis=1, keepdims=True))


def test_peaks_are_where_the_label_is_likeliest():
    log_probs = np.log(
        [
            [0.1, 0.8, 0.1],  # likelier than any step of the span, but outside it
            [0.3, 0.5, 0.2],
            [0.2, 0.6, 0.2],
            [0.7, 0.2, 0.1],
            [0.9, 0.05, 0.05],
        ]
    )
    found = peaks(log_probs, np.array([1, 0]), np.array([[1, 3], [3, 5]]))
    assert np.array_equal(found, log_probs[[2, 4]])


def test_nothing_read_has_no_peaks():
    assert peaks(np.zeros((5, 3)), np.zeros(0, int), np.zeros((0, 2), int)).shape == (0, 3)


def spans_of(gaps_and_lengths):
    """Spans one after the other."""
    spans, step = [], 0
    for gap, length in gaps_and_lengths:
        spans.append((step + gap, step + gap + length))
        step += gap + length
    return np.array(spans).reshape(-1, 2)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=12))
def test_edges_rise_and_hold_each_character(layout):
    spans = spans_of(layout)
    edges = character_edges(spans)
    assert edges.shape == (len(spans) + 1,)
    assert edges[0] >= 0
    assert (np.diff(edges) > 0).all()
    middles = spans.mean(axis=1)
    assert (edges[:-1] <= middles).all()
    assert (middles <= edges[1:]).all()


@pytest.mark.parametrize("width", [2, 4, 6])
def test_even_characters_cover_the_whole_line(width):
    # each is shown by the two steps in its middle
    spans = np.array([[width * i + width // 2 - 1, width * i + width // 2 + 1] for i in range(5)])
    assert character_edges(spans).tolist() == [width * i for i in range(6)]


def test_no_characters_have_one_edge():
    assert character_edges(np.zeros((0, 2))).tolist() == [0]


def judged(temperature, seed=0, count=6000, classes=12):
    """Logits that are as sure as they should be, times a temperature; what is read; whether it is right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    true = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # drawn from the softmax of the logits
    read = logits.argmax(axis=1)
    return logits * temperature, read, read == true


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 3.0])
def test_a_known_temperature_is_found(temperature):
    assert fit_temperature(*judged(temperature)) == pytest.approx(temperature, rel=0.08)


def test_the_fitted_temperature_makes_confidences_honest():
    logits, read, right = judged(2.5, seed=1)
    everyone = np.arange(len(read))
    before = softmax(logits)[everyone, read].mean()
    after = softmax(logits / fit_temperature(logits, read, right))[everyone, read].mean()
    assert after == pytest.approx(right.mean(), abs=0.02)
    assert before > right.mean() + 0.1


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_a_known_exponent_is_found(exponent):
    rng = np.random.default_rng(2)
    confidences = rng.uniform(0.3, 1, 8000)
    right = rng.random(len(confidences)) < confidences**exponent
    assert fit_exponent(confidences.tolist(), right.tolist()) == pytest.approx(exponent, rel=0.08)


def test_without_anything_read_nothing_changes():
    assert fit_temperature(np.zeros((0, 5)), np.zeros(0, int), []) == 1
    assert fit_exponent([], []) == 1


def test_certain_errors_and_certain_successes_stay_within_the_ranges():
    logits, read = np.array([[2.0, 0.0]] * 4), np.zeros(4, int)
    assert fit_temperature(logits, read, [False] * 4) == pytest.approx(TEMPERATURES[-1])
    assert fit_temperature(logits, read, [True] * 4) == pytest.approx(TEMPERATURES[0])
    assert fit_exponent([1.0, 0.0], [False, True]) in np.round(EXPONENTS, 4)
    assert fit_exponent([0.9] * 4, [False] * 4) == pytest.approx(EXPONENTS[-1])
