from itertools import groupby

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.utils.text_utils import bootstrap_interval, ctc_decoder, edit_distance, error_rate, get_cer, get_wer

short_text = st.text("abc de", max_size=12)


def slow_edit_distance(left, right):
    """Wagner and Fischer's table, written as plainly as can be."""
    table = [[i + j for j in range(len(right) + 1)] for i in range(len(left) + 1)]
    for i, a in enumerate(left, 1):
        for j, b in enumerate(right, 1):
            table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (a != b))
    return table[-1][-1]


@given(short_text, short_text)
def test_edit_distance_equals_the_textbook_table(left, right):
    assert edit_distance(left, right) == slow_edit_distance(left, right)
    assert edit_distance(left.split(), right.split()) == slow_edit_distance(left.split(), right.split())


words = st.lists(st.sampled_from(["a", "bb", "cat", "the"]), min_size=1, max_size=6).map(" ".join)


@given(st.lists(st.tuples(words, words), min_size=1, max_size=5))
def test_get_cer_and_get_wer_equal_jiwer(pairs):
    predicted, true = map(list, zip(*pairs, strict=True))
    assert get_cer(predicted, true) == pytest.approx(jiwer.cer(true, predicted))
    assert get_wer(predicted, true) == pytest.approx(jiwer.wer(true, predicted))


def test_get_cer_takes_single_texts_and_nothing_but_no_lists_of_different_lengths():
    assert get_cer("abd", "abc") == pytest.approx(1 / 3)
    assert get_wer("a x", "a b") == 0.5
    assert get_cer([], []) == get_wer("", "") == 0
    assert get_cer("a", "") == float("inf")
    with pytest.raises(ValueError, match="argument 2 is longer"):
        get_cer(["a"], ["a", "b"])


def test_error_rate_is_that_of_all_lines_with_its_interval():
    found = error_rate(["ab", "c"], ["ax", "cde"])
    assert (found.errors, found.total, found.rate) == (3, 5, 0.6)
    assert (found.low, found.high) == bootstrap_interval([1, 2], [2, 3])
    assert error_rate(["x"], [""]).rate == 1  # there is nothing to divide by


@given(st.lists(st.lists(st.integers(0, 3), min_size=9, max_size=9), min_size=1, max_size=4))
def test_ctc_decoder_equals_brute_force(paths):
    scores = np.random.default_rng(0).random((len(paths), 9, 4)) * 0.5
    for row, path in enumerate(paths):
        scores[row, np.arange(9), path] = 1
    expected = ["".join("abc"[label] for label, _ in groupby(path) if label != 3) for path in paths]
    assert ctc_decoder(scores, "abc") == ctc_decoder(scores, list("abc")) == expected


def test_bootstrap_interval_holds_the_rate_and_shrinks_with_more_lines():
    rng = np.random.default_rng(0)
    widths = []
    for lines in (50, 5000):
        totals = rng.integers(20, 60, lines)
        errors = rng.binomial(totals, 0.1)
        low, high = bootstrap_interval(errors, totals)
        assert low < errors.sum() / totals.sum() < high
        # The interval of a mean of independent characters is 2 x 1.96 standard errors wide.
        assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.1 * 0.9 / totals.sum()), rel=0.25)
        widths.append(high - low)
    assert widths[1] < widths[0] / 5
    assert bootstrap_interval([1, 1], [10, 10]) == (0.1, 0.1)
