import itertools
import math
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import paths_by_text, random_log_probs
from mltu.ctc import (
    _viterbi,
    align,
    character_boundaries,
    collapse_path,
    greedy_decode,
    join_windows,
    peak_steps,
    steps_needed,
    text_log_prob,
)

SEEDS = range(8)


@given(st.lists(st.integers(0, 3), max_size=20))
def test_collapse_path_equals_merging_then_dropping(path):
    expected = [label for label, _ in groupby(path) if label != 3]
    assert collapse_path(np.array(path, dtype=int), blank=3)[0].tolist() == expected


def test_greedy_decode_merges_repeats_and_drops_blanks():
    path = [2, 0, 0, 2, 0, 1, 1, 1, 2]
    labels, spans = greedy_decode(np.log(np.eye(3)[path] * 0.9 + 0.03))
    assert labels.tolist() == [0, 0, 1]
    assert spans.tolist() == [[1, 3], [4, 5], [5, 8]]


def test_greedy_decode_and_align_of_nothing():
    for log_probs in (np.zeros((0, 3)), np.log([[0.1, 0.1, 0.8]] * 4)):
        labels, spans = greedy_decode(log_probs)
        assert labels.shape == (0,)
        assert spans.shape == (0, 2)
        assert align(log_probs, []).shape == (0, 2)


@pytest.mark.parametrize("steps", range(7))
def test_steps_needed_is_the_shortest_path_that_collapses_to_the_text(steps):
    texts = [text for length in range(4) for text in itertools.product(range(2), repeat=length)]
    fitting = {text for text in texts if steps_needed(np.array(text, int)) <= steps}
    assert fitting == paths_by_text(np.zeros((steps, 3))).keys() & {*texts}


@pytest.mark.parametrize("seed", SEEDS)
def test_align_is_on_the_most_probable_path(seed):
    log_probs = random_log_probs(seed, steps=5, classes=3)
    for text, paths in paths_by_text(log_probs).items():
        spans = align(log_probs, text)
        assert spans.shape == (len(text), 2)
        path = np.full(5, 2)
        for label, (start, end) in zip(text, spans, strict=True):
            path[start:end] = label
        # The path gives the text, and no path of the text is more probable.
        assert tuple(collapse_path(path, 2)[0].tolist()) == text
        assert log_probs[np.arange(5), path].sum() == pytest.approx(max(paths)[0])


def test_align_and_text_log_prob_are_the_same_in_blocks(monkeypatch):
    log_probs = random_log_probs(3, steps=40, classes=4)
    labels = [0, 1, 1, 2, 0, 2, 2, 1]
    whole = align(log_probs, labels), text_log_prob(log_probs, labels)
    monkeypatch.setattr("mltu.ctc.MAX_CELLS", 100)  # blocks of six steps
    np.testing.assert_array_equal(align(log_probs, labels), whole[0])
    assert text_log_prob(log_probs, labels) == pytest.approx(whole[1])


@pytest.mark.parametrize("shared", [0, 1, 5, 8])
def test_join_windows_brings_the_whole_back(shared):
    whole = random_log_probs(5, steps=33, classes=3)
    windows = [whole[start : start + 12] for start in range(0, 33 - shared, 12 - shared)]
    np.testing.assert_array_equal(join_windows(windows, shared), whole)


def test_join_windows_joins_at_a_blank_away_from_the_ends():
    probs = np.full((2, 8, 2), [0.9, 0.1])
    probs[0, 5], probs[1, 3] = [0.2, 0.8], [0.1, 0.9]  # the sixth step, if six are shared
    probs[0, 7] = probs[1, 5] = [0, 1]  # surer, but at the end of the first window
    joined = join_windows(np.log(probs + 1e-9), 6)
    assert len(joined) == 10
    np.testing.assert_array_equal(joined[:5], np.log(probs[0, :5] + 1e-9))
    np.testing.assert_array_equal(joined[5:], np.log(probs[1, 3:] + 1e-9))


@given(st.integers(0, 1000))
@settings(max_examples=30)
def test_align_gives_the_spans_of_the_best_path_for_its_text(seed):
    # coarse values, so that paths are often equally good
    log_probs = np.log(np.random.default_rng(seed).integers(1, 3, (20, 4)) / 8)
    labels, spans = greedy_decode(log_probs)
    np.testing.assert_array_equal(align(log_probs, labels), spans)


def test_align_finds_long_texts():
    path = np.repeat(np.tile([0, 1, 2], 100), 2)
    log_probs = np.log(np.eye(4)[path] * 0.9 + 0.02)
    labels = path[::2].copy()
    labels[50] = 1 if labels[50] == 0 else 0
    spans = align(log_probs, labels)
    right = np.delete(np.arange(300), [49, 50, 51])
    np.testing.assert_array_equal(spans[right], np.stack([2 * right, 2 * right + 2], axis=1))
    assert (spans[1:, 0] >= spans[:-1, 1]).all()


def test_align_refuses_too_few_steps_and_unknown_labels():
    log_probs = random_log_probs(0, steps=3, classes=3)
    assert align(log_probs, [0, 0]).tolist() == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="need 4 steps, and there are 3"):
        align(log_probs, [1, 0, 0])
    for wrong in ([2], [-1]):
        with pytest.raises(ValueError, match="labels must be 0 to 1"):
            align(log_probs, wrong)


def test_align_takes_impossible_labels():
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.eye(3)[[2, 0, 2, 2, 0, 2]])
    spans = align(log_probs, [0, 1, 0])
    assert spans[[0, 2]].tolist() == [[1, 2], [4, 5]]
    assert 2 <= spans[1, 0] < spans[1, 1] <= 4


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_text_log_prob_sums_over_all_paths(seed):
    log_probs = random_log_probs(seed, steps=5, classes=3)
    for text, paths in paths_by_text(log_probs).items():
        assert text_log_prob(log_probs, text) == pytest.approx(np.logaddexp.reduce([log_prob for log_prob, _ in paths]))
    assert text_log_prob(log_probs, [0, 0, 0, 0]) == -math.inf
    assert text_log_prob(np.zeros((0, 3)), []) == 0


def test_peak_steps_are_where_the_label_is_most_probable():
    # the first label is even more probable outside its span
    log_probs = np.log([[0.1, 0.8, 0.1], [0.3, 0.5, 0.2], [0.2, 0.6, 0.2], [0.7, 0.2, 0.1], [0.9, 0.05, 0.05]])
    assert peak_steps(log_probs, np.array([1, 0]), np.array([[1, 3], [3, 5]])).tolist() == [2, 4]
    nothing = peak_steps(log_probs, np.zeros(0, int), np.zeros((0, 2), int))
    assert log_probs[nothing].shape == (0, 3)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 5)), max_size=12))
def test_character_boundaries_rise_and_enclose_each_character(layout):
    spans = np.cumsum(layout, dtype=int).reshape(-1, 2)  # A gap ends where the character after it begins.
    boundaries = character_boundaries(spans)
    assert boundaries.shape == (len(spans) + 1,)
    assert boundaries[0] >= 0
    assert (np.diff(boundaries) > 0).all()
    middles = spans.mean(axis=1)
    assert (boundaries[:-1] <= middles).all()
    assert (middles <= boundaries[1:]).all()


@pytest.mark.parametrize("width", [2, 4, 6])
def test_character_boundaries_of_even_characters_cover_the_whole_line(width):
    # each is shown by the two steps in its middle
    spans = np.array([[width * i + width // 2 - 1, width * i + width // 2 + 1] for i in range(5)])
    assert character_boundaries(spans).tolist() == [width * i for i in range(6)]


@pytest.mark.parametrize("dropped", [7, 130])  # labels, less and more than fit into the band
def test_align_near_the_best_path_is_the_same(monkeypatch, dropped):
    rng = np.random.default_rng(0)
    path = np.where(rng.random(1200) < 0.5, 3, rng.integers(0, 3, 1200))
    log_probs = np.log(rng.dirichlet(np.ones(4), 1200) * 0.6 + 0.4 * np.eye(4)[path])
    labels = np.delete(greedy_decode(log_probs)[0], slice(100, 100 + dropped))
    whole = align(log_probs, labels)
    monkeypatch.setattr("mltu.ctc.MAX_CELLS", 5000)
    monkeypatch.setattr("mltu.ctc.BAND", 4)
    np.testing.assert_array_equal(align(log_probs, labels), whole)


def test_align_takes_as_many_cells_for_each_step_of_a_longer_line(monkeypatch):
    def cells(steps):
        rng = np.random.default_rng(0)
        log_probs = np.log(rng.dirichlet(np.ones(4), steps))
        labels = greedy_decode(log_probs)[0].copy()
        labels[5] = (labels[4] + 1) % 3
        sizes = []
        monkeypatch.setattr("mltu.ctc._viterbi", lambda *args: sizes.append(args[0].size) or _viterbi(*args))
        align(log_probs, labels)
        return sum(sizes)

    assert cells(40_000) < 2.5 * cells(20_000)
