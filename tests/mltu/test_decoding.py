import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltu.decoding import BeamSearch, Lexicon, align, greedy, text_log_prob
from mltu.language_model import CharacterModel
from mltu.utils.errors import InputError
from mltu.utils.text_utils import collapse_path

VOCAB = "ab c"
SEEDS = range(8)


def random_log_probs(seed, steps, classes, peaked=1.0):
    """Rows of a Dirichlet distribution; the lower `peaked`, the surer."""
    rows = np.random.default_rng(seed).dirichlet(np.full(classes, peaked), steps)
    return np.log(np.maximum(rows, 1e-30))


def paths_of(log_probs):
    """text -> [(log probability, path)] of every path, by trying them all."""
    steps, classes = log_probs.shape
    found = {}
    for path in itertools.product(range(classes), repeat=steps):
        text = tuple(collapse_path(np.array(path), classes - 1).tolist())
        found.setdefault(text, []).append((sum(log_probs[step, label] for step, label in enumerate(path)), path))
    return found


def total(scorer, labels):
    """What a scorer gives a whole text."""
    state, found = scorer.start, 0.0
    for label in labels:
        found += scorer.scores(state)[label]
        state = scorer.advance(state, label)
    return found + scorer.end(state)


def indices(text, vocab):
    return [vocab.index(character) for character in text]


@pytest.fixture(scope="module")
def model():
    return CharacterModel.build(["abba cab", "a cab", "bab", "ab ab a"], order=3, min_count=1)


# --- the best path and alignment ---------------------------------------------------------------------------------


def test_greedy_merges_and_drops_blanks():
    path = [2, 0, 0, 2, 0, 1, 1, 1, 2]
    labels, spans = greedy(np.log(np.eye(3)[path] * 0.9 + 0.03))
    assert labels.tolist() == [0, 0, 1]
    assert spans.tolist() == [[1, 3], [4, 5], [5, 8]]


def test_greedy_of_nothing():
    for log_probs in (np.zeros((0, 3)), np.log([[0.1, 0.1, 0.8]] * 4)):
        labels, spans = greedy(log_probs)
        assert labels.shape == (0,)
        assert spans.shape == (0, 2)
        assert align(log_probs, []).shape == (0, 2)


@pytest.mark.parametrize("seed", SEEDS)
def test_alignment_is_on_the_most_probable_path(seed):
    log_probs = random_log_probs(seed, steps=5, classes=3)
    for text, paths in paths_of(log_probs).items():
        spans = align(log_probs, text)
        assert spans.shape == (len(text), 2)
        path = np.full(5, 2)
        for label, (start, end) in zip(text, spans, strict=True):
            path[start:end] = label
        # of the text, and no worse than any
        assert tuple(collapse_path(path, 2).tolist()) == text
        assert log_probs[np.arange(5), path].sum() == pytest.approx(max(paths)[0])


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_alignment_of_the_best_path_is_its_own(seed):
    # coarse values, so that paths are often equally good
    log_probs = np.log(np.random.default_rng(seed).integers(1, 3, (20, 4)) / 8)
    labels, spans = greedy(log_probs)
    np.testing.assert_array_equal(align(log_probs, labels), spans)


def test_alignment_finds_long_texts():
    path = np.repeat(np.tile([0, 1, 2], 100), 2)
    log_probs = np.log(np.eye(4)[path] * 0.9 + 0.02)
    labels = path[::2].copy()
    labels[50] = 1 if labels[50] == 0 else 0
    spans = align(log_probs, labels)
    right = np.delete(np.arange(300), [49, 50, 51])
    np.testing.assert_array_equal(spans[right], np.stack([2 * right, 2 * right + 2], axis=1))
    assert (spans[1:, 0] >= spans[:-1, 1]).all()


def test_alignment_refuses_what_does_not_fit():
    log_probs = random_log_probs(0, steps=3, classes=3)
    assert align(log_probs, [0, 0]).tolist() == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="need 4 steps, and there are 3"):
        align(log_probs, [1, 0, 0])
    for wrong in ([2], [-1]):
        with pytest.raises(ValueError, match="labels must be 0 to 1"):
            align(log_probs, wrong)


def test_alignment_bears_impossible_labels():
    with np.errstate(divide="ignore"):
        log_probs = np.log(np.eye(3)[[2, 0, 2, 2, 0, 2]])
    spans = align(log_probs, [0, 1, 0])
    assert spans[[0, 2]].tolist() == [[1, 2], [4, 5]]
    assert 2 <= spans[1, 0] < spans[1, 1] <= 4


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_probability_of_a_text_sums_over_its_paths(seed):
    log_probs = random_log_probs(seed, steps=5, classes=3)
    for text, paths in paths_of(log_probs).items():
        assert text_log_prob(log_probs, text) == pytest.approx(np.logaddexp.reduce([one for one, _ in paths]))
    assert text_log_prob(log_probs, [0, 0, 0, 0]) == -math.inf
    assert text_log_prob(np.zeros((0, 3)), []) == 0


# --- beam search -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scored", ["", "model", "words", "model and words"])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_wide_beam_finds_the_best_of_all_texts(model, seed, scored):
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
    )
    scorers = [model.scorer(VOCAB, 0.8, 0.4)] if "model" in scored else []
    scorers += [Lexicon(["cab", "ab"], VOCAB, 1.5)] if "words" in scored else []
    expected = {
        text: np.logaddexp.reduce([one for one, _ in paths]) + sum(total(scorer, text) for scorer in scorers)
        for text, paths in paths_of(log_probs).items()
    }
    found = search.search(log_probs)
    assert {tuple(labels.tolist()): score for labels, score in found} == pytest.approx(expected)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    best = max(expected, key=expected.get)
    assert tuple(search(log_probs).tolist()) == best
    assert search.score(log_probs, best) == pytest.approx(expected[best])


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
                states[(*prefix, label)] = scorer.advance(states[prefix], label)
                before = with_blank if prefix[-1:] == (label,) else either
                add((*prefix, label), -math.inf, before + row[label] + scorer.scores(states[prefix])[label])
        possible = [prefix for prefix in found if np.logaddexp(*found[prefix]) > -math.inf]
        best = sorted(possible, key=lambda prefix: -np.logaddexp(*found[prefix]))
        beam = {prefix: found[prefix] for prefix in best[:width]}
    return {prefix: np.logaddexp(*scores) + scorer.end(states[prefix]) for prefix, scores in beam.items()}


@pytest.mark.parametrize("width", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", SEEDS)
def test_a_narrow_beam_merges_prefixes_that_come_back(model, seed, width):
    log_probs = random_log_probs(seed, steps=14, classes=len(VOCAB) + 1, peaked=0.5)
    search = BeamSearch(VOCAB, width, model, lm_weight=0.6, character_bonus=0.3, prune=0)
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
def test_prefixes_that_were_dropped_and_come_back_know_those_that_continue_them(rows):
    # rows found by trial, where a text would be in a beam of three twice if "ab" were another prefix when it returns
    log_probs = np.log(rows)
    for steps in range(1, 6):
        found = BeamSearch("ab", 3, prune=0).search(log_probs[:steps])
        expected = plain_beam_search(log_probs[:steps], 3, NoScorer())
        assert len(found) == len(expected)
        assert {tuple(labels.tolist()): score for labels, score in found} == pytest.approx(expected)


def test_long_lines_are_scored_to_their_end(model):
    log_probs = random_log_probs(0, steps=250, classes=len(VOCAB) + 1, peaked=0.5)
    found = BeamSearch(VOCAB, 4, model, prune=0).search(log_probs)
    search = BeamSearch(VOCAB, 4, model)
    expected = plain_beam_search(log_probs, 4, search.scorers[0])
    assert {tuple(labels.tolist()): score for labels, score in found} == pytest.approx(expected)


class NoScorer:
    """Adds nothing."""

    start = ()

    def scores(self, state):
        return np.zeros(2)

    def advance(self, state, index):
        return ()

    def end(self, state):
        return 0.0


@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.2, 1]), st.sampled_from([1, 2, 16]))
@settings(max_examples=40, deadline=None)
def test_the_text_is_never_less_probable_than_that_of_the_best_path(seed, peaked, width):
    log_probs = random_log_probs(seed, steps=25, classes=8, peaked=peaked)
    found = BeamSearch("abcdefg", width)(log_probs)
    assert text_log_prob(log_probs, found) >= text_log_prob(log_probs, greedy(log_probs)[0]) - 1e-9


def test_paths_are_summed():
    # the best path is blank twice; "a" has three paths
    assert BeamSearch("ab")(np.log([[0.39, 0.01, 0.6]] * 2)).tolist() == [0]


@pytest.mark.parametrize("seed", SEEDS[:6])
def test_pruning_changes_little_and_keeps_the_best_class(seed):
    log_probs = random_log_probs(seed, steps=40, classes=8, peaked=0.1)
    quick, slow = (BeamSearch("abcdefg", prune=prune).search(log_probs)[0] for prune in (1e-3, 0))
    assert quick[0].tolist() == slow[0].tolist()
    assert slow[1] - 0.1 < quick[1] <= slow[1] + 1e-9
    coarse = BeamSearch("abcdefg", prune=0.9999).search(log_probs)[0][0]
    assert coarse.tolist() == greedy(log_probs)[0].tolist()


def test_pruned_characters_are_not_tried():
    log_probs = np.log([[0.0999, 0.0001, 0.9]] * 3)
    texts = {tuple(labels.tolist()) for labels, _ in BeamSearch("ab", prune=1e-3).search(log_probs)}
    assert texts == {(), (0,), (0, 0)}
    assert (1,) in {tuple(labels.tolist()) for labels, _ in BeamSearch("ab", prune=1e-5).search(log_probs)}


def test_blank_stretches_count():
    # the quick way through sure blanks gives what single steps give
    rows = np.full((30, 3), 1e-5)
    rows[:, 2] = 0.9
    rows[10:12] = [0.5, 0.3, 0.2]
    rows[20] = [0.2, 0.5, 0.3]
    tried = np.log(np.where(rows < 1e-3, 1e-300, rows))
    for labels, score in BeamSearch("ab", 50).search(np.log(rows)):
        assert score == pytest.approx(text_log_prob(tried, labels))


def test_no_steps_and_impossible_steps():
    search = BeamSearch("ab")
    assert search(np.zeros((0, 3))).tolist() == []
    log_probs = np.full((3, 3), -np.inf)
    log_probs[1, 0] = 0
    assert search(log_probs).tolist() == [0]
    log_probs[2] = np.nan
    assert search(log_probs).dtype == np.int64


def test_wrong_shapes_and_settings_are_refused():
    with pytest.raises(ValueError, match=r"\(steps, 3\), not \(4, 4\)"):
        BeamSearch("ab")(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="beam_width"):
        BeamSearch("ab", beam_width=0)
    with pytest.raises(ValueError, match="another vocabulary"):
        BeamSearch("ab", lexicon=Lexicon(["ab"], "abc"))


def test_a_language_model_settles_what_the_picture_leaves_open():
    vocab = "aceht "
    model = CharacterModel.build(["the cat", "the hat", "that"], min_count=1)
    written = indices("thc", vocab)
    log_probs = np.log(np.eye(7)[[label for one in written for label in (one, 6)]] * 0.9 + 0.01)
    # c and e look alike
    log_probs[4, [vocab.index("c"), vocab.index("e")]] = np.log([0.5, 0.4])
    assert BeamSearch(vocab)(log_probs).tolist() == written
    assert BeamSearch(vocab, language_model=model)(log_probs).tolist() == indices("the", vocab)
    assert BeamSearch(vocab, language_model=model, lm_weight=0.01)(log_probs).tolist() == written


def test_a_bonus_makes_texts_longer(model):
    log_probs = random_log_probs(3, steps=30, classes=len(VOCAB) + 1)
    lengths = [len(BeamSearch(VOCAB, 16, model, character_bonus=bonus)(log_probs)) for bonus in (-2, 0, 2, 4)]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_the_end_of_the_line_is_scored():
    class Ends(NoScorer):
        """Lines end with b."""

        def advance(self, state, index):
            return (index,)

        def end(self, state):
            return 0.0 if state == (1,) else -5.0

    class Model:
        def scorer(self, vocab, weight, bonus):
            return Ends()

    log_probs = np.log([[0.9, 0.05, 0.05], [0.05, 0.15, 0.8]])
    assert BeamSearch("ab")(log_probs).tolist() == [0]
    assert BeamSearch("ab", language_model=Model())(log_probs).tolist() == [0, 1]


# --- word lists --------------------------------------------------------------------------------------------------

LETTERS = " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZéÉ0123456789.,!'’-"
LISTED = ["the", "cat", "Paris", "don't", "o'clock", "well-known", "red", "l'", "eau", "été", "McX", "a", "i"]


@pytest.fixture(scope="module")
def lexicon():
    return Lexicon(LISTED, LETTERS, 1.0)


@pytest.mark.parametrize(
    ("text", "unlisted"),
    [
        ("the cat", 0),
        ("the cst", 1),
        ("cxt thx", 2),
        ("The CAT", 0),
        ("tHe", 1),
        ("cAT", 1),
        ("ÉTÉ Été été", 0),
        ("Paris PARIS", 1),  # a name in capitals is not its own lower case
        ("paris", 1),
        ("McX Mcx MCX", 2),
        ("don't DON'T Don’t", 0),
        ("dont", 1),
        ("o'clock o’clock", 0),
        ("o'clack", 1),
        ("well-known", 0),
        ("Red-cat the-red", 0),  # of listed parts
        ("red-xyz xyz-red", 2),
        ("l'eau l’Eau L'eau l'cat", 0),
        ("l eau", 1),  # only "l'" is listed
        ("12 345,6 3.5", 0),
        ("cat2 2cat", 0),
        ("3rd 2rx", 2),
        ("... 'the' -the- the-- --", 0),
        ("the- cat'", 0),
        ("well- wel", 2),
        ("don'", 1),
        ("th", 1),
        ("the ca", 1),
        ("the ca.", 1),
        ("xyz-xyz-xyz", 1),
        ("xyz--xyz", 2),
        ("xyz 'xyz", 2),
        ("", 0),
    ],
)
def test_each_unlisted_word_costs_once(lexicon, text, unlisted):
    assert total(lexicon, indices(text, LETTERS)) == -unlisted


@given(st.text("thecarxL'- .1É", max_size=12))
@settings(max_examples=150, deadline=None)
def test_costs_are_those_of_the_words_whatever_the_order(text):
    lexicon = Lexicon(["the", "cat", "at-", "rat-a-tat", "l'", "hé", "tea"], LETTERS, 1.0)
    listed = {"the", "cat", "at-", "rat-a-tat", "l'", "hé", "tea"}

    def forms(word):
        cased = word.isupper() or (word[:1].isupper() and word[1:] == word[1:].lower())
        return {word, word.lower()} if cased else {word}

    def is_listed(word):
        if forms(word) & listed:
            return True
        cuts = [place for place, character in enumerate(word) if character in "'-"]
        return any((forms(word[:cut]) | forms(word[: cut + 1])) & listed and is_listed(word[cut + 1 :]) for cut in cuts)

    unlisted = 0
    for match in re.finditer(r"[a-zA-ZÉ]+(?:['-][a-zA-ZÉ]+)*", text):
        behind = text[match.end() : match.end() + 1]
        unlisted += not (is_listed(match[0]) or (behind in ("'", "-") and forms(match[0] + behind) & listed))
    assert total(lexicon, indices(text, LETTERS)) == -unlisted


def test_the_cost_comes_as_soon_as_no_word_begins_so(lexicon):
    state = lexicon.start
    charged = []
    for index in indices("thxat ", LETTERS):
        charged.append(lexicon.scores(state)[index])
        state = lexicon.advance(state, index)
    assert charged == [0, 0, -1, 0, 0, 0]
    assert state == lexicon.start
    # and so for every character at once
    row = lexicon.scores(lexicon.advance(lexicon.start, LETTERS.index("c")))
    assert {LETTERS[index] for index in np.flatnonzero(row == 0)} == {"a"}


def test_a_lexicon_corrects_a_word():
    log_probs = np.log(np.eye(len(LETTERS) + 1)[indices("cat thc", LETTERS)] * 0.5 + 0.5 / (len(LETTERS) + 1))
    log_probs[6, LETTERS.index("e")] = np.log(0.3)
    texts = [
        "".join(LETTERS[index] for index in BeamSearch(LETTERS, lexicon=lexicon)(log_probs))
        for lexicon in (None, LISTED, Lexicon(LISTED, LETTERS, 0.1))
    ]
    assert texts == ["cat thc", "cat the", "cat thc"]


def test_word_lists_are_read(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\ufeffthe\t23135851162\r\nof 13151942776\n\n123\nl’eau\ne\u0301te\u0301\n", encoding="utf-8")
    lexicon = Lexicon.from_file(path, LETTERS, 2.5)
    assert lexicon.words == ["l'eau", "of", "the", "été"]
    assert total(lexicon, indices("Of the été xx", LETTERS)) == -2.5


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "No such file"),
        ("folder", "the word list cannot be read"),
        ("été".encode("latin-1"), "not a text file in UTF-8"),
        (b"", "holds no words"),
        (b"123\n--\n", "holds no words"),
    ],
)
def test_unusable_word_lists_are_refused_in_one_line(tmp_path, content, complaint):
    path = tmp_path / "words.txt"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=complaint) as caught:
        Lexicon.from_file(path, LETTERS)
    assert str(caught.value).startswith(f"{path}: ")
    assert "one word a line" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_lexicon_needs_words_and_a_cost():
    with pytest.raises(ValueError, match="not one word"):
        Lexicon(["12", "", "'"], LETTERS)
    for cost in (-1, math.nan):
        with pytest.raises(ValueError, match="cost"):
            Lexicon(["a"], LETTERS, cost)
