import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.confidence import character_edges, peaks


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
