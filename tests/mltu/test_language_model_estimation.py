import numpy as np
import pytest

from mltu.language_model_estimation import FALLBACK_DISCOUNTS, Level, count_ngrams, estimate_discounts, smooth

LINES = np.array([2, 0, 1, 0, 1, 2, 0, 2])  # the lines "abab" and "a" of the alphabet "ab", between line breaks


def test_count_ngrams_counts_within_lines():
    single, pairs, triples = count_ngrams(LINES, symbols=3, order=3)
    assert (single.keys.tolist(), single.ngrams.tolist(), single.seen.tolist()) == ([0], [0, 1, 2], [3, 2, 2])
    # contexts are a, b and the line break; no n-gram continues into the next line
    assert pairs.keys.tolist() == [0, 1, 2]
    found = {(ngram // 3, ngram % 3): count for ngram, count in zip(pairs.ngrams, pairs.seen, strict=True)}
    assert found == {(0, 1): 2, (0, 2): 1, (1, 0): 1, (1, 2): 1, (2, 0): 2}
    contexts = [(key // 3, key % 3) for key in triples.keys]  # (last symbol, the one before it)
    assert contexts == [(0, 1), (0, 2), (1, 0)]
    assert triples.seen.sum() == 5


def test_smooth_gives_probabilities_and_backoffs_that_add_up_to_one():
    for level in smooth(count_ngrams(LINES, 3, 3), 3, min_count=1):
        contexts = np.repeat(np.arange(len(level.keys)), np.diff(level.first))
        sums = np.bincount(contexts, level.probabilities) + level.backoffs
        np.testing.assert_allclose(sums, 1)


def test_smooth_counts_what_precedes_instead_of_occurrences():
    single, pairs, triples = smooth(count_ngrams(LINES, 3, 3), 3, min_count=1)
    assert single.counts.tolist() == [2, 1, 2]  # a follows b and the break, b follows a, the break follows a and b
    assert pairs.counts.tolist() == [2, 1, 1, 1, 2]  # ab follows the break and b; at the start of a line: occurrences
    assert triples.counts.tolist() == count_ngrams(LINES, 3, 3)[2].seen.tolist()


def test_from_counts_discounts_and_leaves_the_rest_to_shorter_contexts():
    discounts = np.array([0.5, 0.75, 1.0])
    level = Level.from_counts(
        np.arange(2), np.array([4, 6]), np.array([2, 1]), np.array([0, 1, 0]), np.array([1, 3, 2]), discounts
    )
    np.testing.assert_allclose(level.probabilities, [0.5 / 4, 2 / 4, 1.25 / 6])
    np.testing.assert_allclose(level.backoffs, [1.5 / 4, 4.75 / 6])
    assert level.first.tolist() == [0, 2, 3]


def test_estimate_discounts_follows_the_counts_of_counts():
    # six counts of 1, three of 2, two of 3, one of 4
    discounts = estimate_discounts(np.array([1] * 6 + [2] * 3 + [3] * 2 + [4]))
    np.testing.assert_allclose(discounts, [1 - 2 * 0.5 * 3 / 6, 2 - 3 * 0.5 * 2 / 3, 3 - 4 * 0.5 * 1 / 2])


@pytest.mark.parametrize("counts", [[1, 1, 1], [1] * 2 + [2] * 3 + [3] * 9 + [4]])
def test_estimate_discounts_falls_back_where_counts_are_too_few_or_strange(counts):
    np.testing.assert_array_equal(estimate_discounts(np.array(counts)), FALLBACK_DISCOUNTS)
