import sys
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import sentences
from mltu import language_model, language_model_estimation
from mltu.language_model import CharacterModel, break_lines, main
from mltu.language_model_estimation import estimate_discounts
from mltu.utils.errors import InputError


@pytest.fixture(scope="module")
def model():
    return CharacterModel.build(sentences(400, seed=1))


@pytest.mark.parametrize("order", [1, 2, 3, 6])
@given(context=st.text("thecats .é\n", max_size=12))
@settings(max_examples=20, deadline=None)
def test_log_probs_sum_to_one(order, context):
    model = CharacterModel.build(["the cat", "a cat sat.", "the cats"], order, 1)
    log_probs = model.log_probs(context)
    assert log_probs.shape == (len(model.alphabet) + 1,)
    assert np.isfinite(log_probs).all()
    assert np.exp(log_probs).sum() == pytest.approx(1)


def test_log_probs_are_modified_kneser_ney_by_hand():
    model = CharacterModel.build(["ab", "ab", "cb"], order=2, min_count=1)
    assert model.alphabet == "abc"
    # kinds of neighbours on the left: a after a break, b after a and c, c after a break, break after b;
    # texts so small have the discounts 0.5, 1 and 1.5
    uniform = (0.5 + 1 + 0.5 + 0.5) / 5 / 4
    single = np.array([0.5, 1, 0.5, 0.5]) / 5 + uniform
    # after a: b twice; after a break: a twice, c once
    after_a = np.array([0, 2 - 1, 0, 0]) / 2 + 1 / 2 * single
    at_start = np.array([2 - 1, 0, 1 - 0.5, 0]) / 3 + (1 + 0.5) / 3 * single
    np.testing.assert_allclose(np.exp(model.log_probs("a")), after_a)
    np.testing.assert_allclose(np.exp(model.log_probs("")), at_start)
    np.testing.assert_allclose(np.exp(model.log_probs("bca")), after_a)


def plain_kneser_ney(lines, order, min_count, context, following):
    """The same by its definition, over dictionaries of n-grams."""
    texts = [f"\n{line}\n" for line in lines]
    probability = 1 / len(set("".join(texts)))
    for length in range(1, order + 1):
        seen, before = Counter(), defaultdict(set)
        for text in texts:
            for end in range(max(length, 2), len(text) + 1):
                ngram = text[end - length : end]
                seen[ngram] += 1
                if end > length:
                    before[ngram].add(text[end - length - 1])
        counts = {ngram: len(before[ngram]) or seen[ngram] for ngram in seen} if length < order else dict(seen)
        discounts = estimate_discounts(np.array(list(counts.values())))
        older = context[len(context) - length + 1 :]
        total = sum(count for ngram, count in counts.items() if ngram[:-1] == older)
        if length > len(context) + 1 or not total:
            break
        kept = {
            ngram[-1]: count - discounts[min(count, 3) - 1]
            for ngram, count in counts.items()
            if ngram[:-1] == older and (length < 5 or seen[ngram] >= min_count)
        }
        probability = (kept.get(following, 0) + (total - sum(kept.values())) * probability) / total
    return probability


@pytest.mark.parametrize(("order", "min_count"), [(3, 1), (6, 1), (6, 2)])
def test_log_probs_follow_the_definition(order, min_count):
    lines = sentences(25, seed=3)
    model = CharacterModel.build(lines, order, min_count)
    rng = np.random.default_rng(0)
    for _ in range(12):
        line = lines[rng.integers(len(lines))]
        context = line[: rng.integers(len(line))]
        if rng.random() < 0.5:  # one that was not seen
            context += "".join(rng.choice(list(model.alphabet), 2))
        following = str(rng.choice(list(model.alphabet)))
        expected = plain_kneser_ney(lines, order, min_count, model.tail("\n" + context), following)
        found = np.exp(model.log_probs(context)[model.alphabet.index(following)])
        assert found == pytest.approx(expected)


def test_log_probs_know_how_lines_begin_and_end(model):
    end = len(model.alphabet)
    assert model.alphabet[model.log_probs("")[:-1].argmax()].isupper()
    assert model.log_probs("The cat sat.").argmax() == end
    assert model.log_probs("The cat s")[end] < np.log(0.01)


def test_build_normalizes_text():
    one = CharacterModel.build(["Un  e\u0301te\u0301\t", "", "  ici"])
    other = CharacterModel.build(["Un été", "ici"])
    assert one.to_bytes() == other.to_bytes()


def test_bits_per_character_fall_with_longer_contexts():
    held_out = sentences(60, seed=2)
    bits = [CharacterModel.build(sentences(400, seed=1), order).bits_per_character(held_out) for order in (1, 2, 4, 6)]
    assert bits == sorted(bits, reverse=True)
    assert bits[0] > 3.5
    assert bits[-1] < 1.5


def test_bits_per_character_are_those_of_the_probabilities(model):
    text = "The catß"
    expected = 0.0
    for place, character in enumerate(text[:-1]):
        expected -= model.log_probs(text[:place])[model.alphabet.index(character)]
    # an unknown character costs as one that is only backed off to, and hides what is before it
    expected -= np.log(model.row(model.tail("\nThe cat"))[-1])
    expected -= model.log_probs(text)[-1]
    assert model.bits_per_character([text]) == pytest.approx(expected / np.log(2) / (len(text) + 1))
    with pytest.raises(ValueError, match="no lines"):
        model.bits_per_character([])


def test_build_drops_rare_ngrams(model):
    whole = CharacterModel.build(sentences(400, seed=1), min_count=1)
    few = CharacterModel.build(sentences(400, seed=1), min_count=50)
    assert few.ngrams < model.ngrams < whole.ngrams
    assert few.contexts < model.contexts < whole.contexts
    # those of up to four characters stay
    for length in range(4):
        np.testing.assert_array_equal(few.levels[length].symbols, whole.levels[length].symbols)
    assert np.exp(few.log_probs("The ca")).sum() == pytest.approx(1)
    assert few.bits_per_character(sentences(30, seed=2)) < 2


@pytest.mark.parametrize("order", [1, 6])
def test_load_reads_what_save_wrote(tmp_path, order):
    model = CharacterModel.build([*sentences(100, seed=1), "\U0001f600 €"], order)
    path = tmp_path / "any name"
    assert model.save(path) == path.stat().st_size
    loaded = CharacterModel.load(path)
    assert (loaded.alphabet, loaded.order, loaded.ngrams) == (model.alphabet, order, model.ngrams)
    for context in ("", "The c", "\U0001f600", "Xq"):
        np.testing.assert_array_equal(loaded.log_probs(context), model.log_probs(context))
    assert loaded.to_bytes() == model.to_bytes()


def test_build_refuses_wrong_settings():
    for settings_ in ({"order": 0}, {"order": 99}, {"min_count": 0}):
        with pytest.raises(ValueError, match="must be"):
            CharacterModel.build(["text"], **settings_)
    with pytest.raises(InputError, match="no text"):
        CharacterModel.build(["", " "])


def test_build_refuses_too_much_text(monkeypatch):
    monkeypatch.setattr(language_model, "MAX_CHARACTERS", 10)
    with pytest.raises(InputError, match="more than 10 characters"):
        CharacterModel.build(["12345", "123456"])
    monkeypatch.setattr(language_model_estimation, "MAX_ENTRIES", 4)
    with pytest.raises(InputError, match="--min_count"):
        CharacterModel.build(["12345", "1234"])


@given(text=st.text("ab ", max_size=60), length=st.integers(1, 12))
def test_break_lines_breaks_between_words(text, length):
    lines = list(break_lines([text], length))
    assert " ".join(lines) == " ".join(text.split())
    assert all(len(line) <= length or " " not in line for line in lines)
    # no line would have had room for the word that begins the next
    for line, following in pairwise(lines):
        assert len(line) + 1 + len(following.split()[0]) > length


def test_break_lines_leaves_lines_whole_at_length_zero():
    assert list(break_lines(["a  long line"], 0)) == ["a long line"]


def test_main_builds_a_model(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)  # where progress bars are shown
    texts = [tmp_path / "a.txt", tmp_path / "b.txt"]
    lines = sentences(120, seed=1)
    texts[0].write_text("\ufeff" + "\n\n".join(lines[:60]), encoding="utf-8")
    texts[1].write_text("\r\n".join(lines[60:]), encoding="utf-8")
    output = tmp_path / "out.lm"
    assert main([*map(str, texts), "--output", str(output), "--order", "4", "--line_length", "0"]) == 0
    printed, shown = capsys.readouterr()
    assert output.read_bytes() == CharacterModel.build(lines, 4).to_bytes()
    assert list(tmp_path.glob("*.part")) == []
    first, second = printed.splitlines()
    assert first.startswith(f"{output}: {sum(map(len, lines)):,} characters read, order 4, ")
    others = CharacterModel.build([line for i, line in enumerate(lines) if i not in (49, 99)], 4)
    assert second.startswith(f"{others.bits_per_character([lines[49], lines[99]]):.3f} bits per character")
    assert "Reading" in shown
    assert "Counting" in shown


def test_main_breaks_lines_and_takes_a_short_text(tmp_path, capsys):
    text = tmp_path / "a.txt"
    text.write_text("one two three four five six seven eight nine ten eleven twelve", encoding="utf-8")
    assert main([str(text), "--output", str(tmp_path / "a.lm"), "--line_length", "20", "--min_count", "1"]) == 0
    assert "bits" not in capsys.readouterr().out
    model = CharacterModel.load(tmp_path / "a.lm")
    assert np.exp(model.log_probs("one two three four")[-1]) > 0.2


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["missing.txt", "--output", "a.lm"], "missing.txt: the text cannot be read (No such file or directory)"),
        ([".", "--output", "a.lm"], ".: the text cannot be read"),
        (["latin.txt", "--output", "a.lm"], "latin.txt: not a text file in UTF-8; save it as UTF-8"),
        (["empty.txt", "--output", "a.lm"], "empty.txt: holds no text"),
        (["good.txt", "--output", "good.txt"], "good.txt: is an input too"),
        (["good.txt", "--output", "none/a.lm"], "a.lm: cannot be written there"),
        (["good.txt", "--output", "."], "cannot be written there"),
    ],
)
def test_main_reports_wrong_input_in_one_line(tmp_path, monkeypatch, capsys, args, complaint):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.txt").write_bytes("été".encode("latin-1"))
    (tmp_path / "empty.txt").write_text(" \n\n", encoding="utf-8")
    (tmp_path / "good.txt").write_text("good text", encoding="utf-8")
    assert main(args) == 2
    printed, shown = capsys.readouterr()
    last = shown.strip().splitlines()[-1]
    assert printed == ""
    assert last.startswith("mltu.language_model: ")
    assert complaint in last
    assert (tmp_path / "good.txt").read_text(encoding="utf-8") == "good text"


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["a.txt"], "--output"),
        (["a.txt", "--output", "a.lm", "--order", "0"], "--order: must be 1 to 16, not 0"),
        (["a.txt", "--output", "a.lm", "--min_count", "0"], "--min_count: must be 1 or more, not 0"),
        (["a.txt", "--output", "a.lm", "--oder", "3"], "did you mean --order?"),
    ],
)
def test_main_reports_wrong_flags_in_one_line(capsys, args, complaint):
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert complaint in shown
    assert shown.count("\n") == 1
