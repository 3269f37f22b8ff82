import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import paths_by_text, random_log_probs, text_score, to_labels
from mltu import beam_search
from mltu.beam_search import BeamSearch
from mltu.ctc import greedy_decode, text_log_prob
from mltu.language_model import CharacterModel
from mltu.lexicon import Lexicon

VOCAB = "ab c"
SEEDS = range(8)


@pytest.fixture(scope="module")
def model():
    return CharacterModel.build(["abba cab", "a cab", "bab", "ab ab a"], order=3, min_count=1)


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("scored", ["", "model", "words", "model and words"])
@pytest.mark.parametrize("seed", SEEDS)
def test_search_with_a_wide_beam_finds_the_best_of_all_texts(model, seed, scored, merge):
    log_probs = random_log_probs(seed, steps=5, classes=len(VOCAB) + 1)
    search = BeamSearch(
        VOCAB,
        beam_width=5000,
        language_model=model if "model" in scored else None,
        lm_weight=0.8,
        character_bonus=0.4,
        lexicon=["cab", "ab"] if "words" in scored else None,
        lexicon_cost=1.5,
        prune=0,
        margin=0,
        merge=merge,
    )
    scorers = [model.scorer(VOCAB, 0.8, 0.4)] if "model" in scored else []
    scorers += [Lexicon(["cab", "ab"], VOCAB, 1.5)] if "words" in scored else []
    expected = {
        text: np.logaddexp.reduce([log_prob for log_prob, _ in paths])
        + sum(text_score(scorer, text) for scorer in scorers)
        for text, paths in paths_by_text(log_probs).items()
    }
    found = search.search(log_probs)
    best = max(expected, key=expected.get)
    if merge:  # fewer texts, each without the paths of prefixes that were merged
        assert len(found) < len(expected)
        assert all(score < expected[tuple(labels.tolist())] + 1e-9 for labels, score in found)
        assert found[0][1] > expected[best] - 1
        return
    assert {tuple(labels.tolist()): score for labels, score in found} == pytest.approx(expected)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert tuple(search(log_probs).tolist()) == best
    assert search.score(log_probs, best) == pytest.approx(expected[best])


def test_search_that_merges_finds_better_texts_with_a_narrow_beam(model):
    scores = dict.fromkeys((False, True), 0.0)
    for seed in range(30):
        log_probs = random_log_probs(seed, steps=40, classes=len(VOCAB) + 1, peaked=0.5)
        for merge in scores:
            search = BeamSearch(VOCAB, 4, model, lm_weight=0.8, prune=0, margin=0, merge=merge)
            scores[merge] += search.score(log_probs, search.search(log_probs)[0][0])
    assert scores[True] > scores[False] + 10


def test_search_forgets_moves_when_there_are_too_many(model, monkeypatch):
    monkeypatch.setattr(beam_search, "MAX_MOVES", 20)
    search = BeamSearch(VOCAB, 8, model)
    for seed in range(6):
        log_probs = random_log_probs(seed, steps=40, classes=len(VOCAB) + 1, peaked=0.5)
        assert search(log_probs).tolist() == BeamSearch(VOCAB, 8, model)(log_probs).tolist()
        assert len(search._futures.moves) < 200


def plain_beam_search(log_probs, width, scorer):
    """Prefix beam search as Hannun et al. write it, over a dictionary of prefixes."""
    blank = log_probs.shape[1] - 1
    states = {(): scorer.start}
    beam = {(): (0.0, -math.inf)}
    for row in log_probs:
        found = {}

        def add(prefix, with_blank, without, found=found):
            before = found.get(prefix, (-math.inf, -math.inf))
            found[prefix] = (np.logaddexp(before[0], with_blank), np.logaddexp(before[1], without))

        for prefix, (with_blank, without) in beam.items():
            either = np.logaddexp(with_blank, without)
            add(prefix, either + row[blank], without + row[prefix[-1]] if prefix else -math.inf)
            for label in range(blank):
                score, states[(*prefix, label)] = scorer.advance(states[prefix], label)
                before = with_blank if prefix[-1:] == (label,) else either
                add((*prefix, label), -math.inf, before + row[label] + score)
        possible = [prefix for prefix in found if np.logaddexp(*found[prefix]) > -math.inf]
        best = sorted(possible, key=lambda prefix: -np.logaddexp(*found[prefix]))
        beam = {prefix: found[prefix] for prefix in best[:width]}
    return {prefix: np.logaddexp(*scores) + scorer.end(states[prefix]) for prefix, scores in beam.items()}


@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_search_with_a_narrow_beam_merges_prefixes_that_come_back(model, seed, width):
    log_probs = random_log_probs(seed, steps=14, classes=len(VOCAB) + 1, peaked=0.5)
    search = BeamSearch(VOCAB, width, model, lm_weight=0.6, character_bonus=0.3, prune=0, margin=0, merge=False)
    found = search.search(log_probs)
    assert len({tuple(labels.tolist()) for labels, _ in found}) == len(found)
    expected = plain_beam_search(log_probs, width, model.scorer(VOCAB, 0.6, 0.3))
    assert {tuple(labels.tolist()): score for labels, score in found} == pytest.approx(expected)


@pytest.mark.parametrize(
    "rows",
    [
        [[0.66, 0.05, 0.3], [0.21, 0.47, 0.32], [0.85, 0.07, 0.08], [0.39, 0.57, 0.04], [0.26, 0.29, 0.44]],
        [[0.73, 0.08, 0.2], [0.33, 0.4, 0.27], [0.49, 0.17, 0.34], [0.14, 0.83, 0.03], [0.29, 0.16, 0.54]],
    ],
)
def test_search_joins_prefixes_that_return_with_those_that_continue_them(rows):
    # rows found by trial, where a text would be in a beam of three twice if "ab" were another prefix when it returns
    log_probs = np.log(rows)
    for steps in range(1, 6):
        found = BeamSearch("ab", 3, prune=0, margin=0, merge=False).search(log_probs[:steps])
        expected = plain_beam_search(log_probs[:steps], 3, NoScorer())
        assert len(found) == len(expected)
        assert {tuple(labels.tolist()): score for labels, score in found} == pytest.approx(expected)


def test_search_scores_long_lines_to_their_end(model):
    log_probs = random_log_probs(0, steps=250, classes=len(VOCAB) + 1, peaked=0.5)
    found = BeamSearch(VOCAB, 4, model, prune=0, margin=0, merge=False).search(log_probs)
    search = BeamSearch(VOCAB, 4, model)
    expected = plain_beam_search(log_probs, 4, search.scorers[0])
    assert {tuple(labels.tolist()): score for labels, score in found} == pytest.approx(expected)


class NoScorer:
    """Adds nothing."""

    start = ()

    def advance(self, state, index):
        return 0.0, ()

    def end(self, state):
        return 0.0


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.2, 1]), st.sampled_from([1, 2, 16]))
@settings(max_examples=40, deadline=None)
def test_call_is_never_less_probable_than_the_best_path(seed, peaked, width):
    log_probs = random_log_probs(seed, steps=25, classes=8, peaked=peaked)
    found = BeamSearch("abcdefg", width)(log_probs)
    assert text_log_prob(log_probs, found) >= text_log_prob(log_probs, greedy_decode(log_probs)[0]) - 1e-9


def test_call_sums_over_paths():
    # the best path is blank twice; "a" has three paths
    assert BeamSearch("ab")(np.log([[0.39, 0.01, 0.6]] * 2)).tolist() == [0]


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_search_with_pruning_changes_little_and_keeps_the_best_class(seed):
    log_probs = random_log_probs(seed, steps=40, classes=8, peaked=0.1)
    quick, slow = (
        BeamSearch("abcdefg", prune=prune, margin=0, merge=False).search(log_probs)[0] for prune in (1e-3, 0)
    )
    assert quick[0].tolist() == slow[0].tolist()
    assert slow[1] - 0.1 < quick[1] <= slow[1] + 1e-9
    coarse = BeamSearch("abcdefg", prune=0.9999).search(log_probs)[0][0]
    assert coarse.tolist() == greedy_decode(log_probs)[0].tolist()


def test_search_does_not_try_pruned_characters():
    log_probs = np.log([[0.0999, 0.0001, 0.9]] * 3)
    texts = {tuple(labels.tolist()) for labels, _ in BeamSearch("ab", prune=1e-3, merge=False).search(log_probs)}
    assert texts == {(), (0,), (0, 0)}
    assert (1,) in {tuple(labels.tolist()) for labels, _ in BeamSearch("ab", prune=1e-5, margin=0).search(log_probs)}


def test_search_counts_stretches_of_blanks():
    # the quick way through sure blanks gives what single steps give
    rows = np.full((30, 3), 1e-5)
    rows[:, 2] = 0.9
    rows[10:12] = [0.5, 0.3, 0.2]
    rows[20] = [0.2, 0.5, 0.3]
    tried = np.log(np.where(rows < 1e-3, 1e-300, rows))
    for labels, score in BeamSearch("ab", 50, prune=1e-3, margin=0, merge=False).search(np.log(rows)):
        assert score == pytest.approx(text_log_prob(tried, labels))


def test_call_takes_no_steps_and_impossible_steps():
    search = BeamSearch("ab")
    assert search(np.zeros((0, 3))).tolist() == []
    log_probs = np.full((3, 3), -np.inf)
    log_probs[1, 0] = 0
    assert search(log_probs).tolist() == [0]
    log_probs[2] = np.nan
    assert search(log_probs).dtype == np.int64


def test_beam_search_refuses_wrong_shapes_and_settings():
    with pytest.raises(ValueError, match=r"\(steps, 3\), not \(4, 4\)"):
        BeamSearch("ab")(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="beam_width"):
        BeamSearch("ab", beam_width=0)
    with pytest.raises(ValueError, match="another vocabulary"):
        BeamSearch("ab", lexicon=Lexicon(["ab"], "abc"))


def test_call_with_a_language_model_decides_between_similar_characters():
    vocab = "aceht "
    model = CharacterModel.build(["the cat", "the hat", "that"], min_count=1)
    written = to_labels("thc", vocab)
    log_probs = np.log(np.eye(7)[[label for character in written for label in (character, 6)]] * 0.9 + 0.01)
    # c and e look alike
    log_probs[4, [vocab.index("c"), vocab.index("e")]] = np.log([0.5, 0.4])
    assert BeamSearch(vocab)(log_probs).tolist() == written
    assert BeamSearch(vocab, language_model=model)(log_probs).tolist() == to_labels("the", vocab)
    assert BeamSearch(vocab, language_model=model, lm_weight=0.01)(log_probs).tolist() == written


def test_call_reads_lines_of_another_language_without_the_model():
    vocab = "aceht "
    model = CharacterModel.build(["the cat", "the hat", "that"], min_count=1)
    rows = np.full((6, 7), 0.01)
    for step, (label, other) in enumerate(zip("tataca", "hhehhh", strict=True)):
        rows[step, [vocab.index(label), vocab.index(other)]] = 0.5, 0.4
    log_probs = np.log(rows)
    path = greedy_decode(log_probs)[0].tolist()
    guided, careful, bold = (
        BeamSearch(vocab, language_model=model, lm_weight=2, likely=likely)(log_probs).tolist()
        for likely in (None, -0.1, -9)
    )
    assert guided == bold != path
    assert careful == path


def test_call_with_a_bonus_makes_texts_longer(model):
    log_probs = random_log_probs(3, steps=30, classes=len(VOCAB) + 1)
    lengths = [len(BeamSearch(VOCAB, 16, model, character_bonus=bonus)(log_probs)) for bonus in (-2, 0, 2, 4)]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_call_scores_the_end_of_the_line():
    class Ends(NoScorer):
        """Lines end with b."""

        def advance(self, state, index):
            return 0.0, (index,)

        def end(self, state):
            return 0.0 if state == (1,) else -5.0

    class Model:
        def scorer(self, vocab, weight, bonus):
            return Ends()

    log_probs = np.log([[0.9, 0.05, 0.05], [0.05, 0.15, 0.8]])
    assert BeamSearch("ab")(log_probs).tolist() == [0]
    assert BeamSearch("ab", language_model=Model())(log_probs).tolist() == [0, 1]
