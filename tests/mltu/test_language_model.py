import io
import tracemalloc
import zipfile
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltu import language_model
from mltu.language_model import CharacterModel, break_lines, main
from mltu.utils.errors import InputError

WORDS = "the cat sat on a mat and the dog ran to the old house where no one had been since last summer".split()


def sentences(count, seed):
    """Made-up sentences, two of three words of which depend on the word before."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        place = int(rng.integers(len(WORDS)))
        words = []
        for _ in range(int(rng.integers(3, 9))):
            words.append(WORDS[place])
            place = (place * 7 + 3) % len(WORDS) if rng.random() < 0.67 else int(rng.integers(len(WORDS)))
        found.append(" ".join(words).capitalize() + ".")
    return found


@pytest.fixture(scope="module")
def model():
    return CharacterModel.build(sentences(400, seed=1))


@pytest.fixture
def parts(model):
    """The arrays of a saved model, by name."""
    return dict(np.load(io.BytesIO(model.to_bytes()), allow_pickle=False))


def saved(folder, parts, name="a.lm"):
    path = folder / name
    with open(path, "wb") as file:
        np.savez_compressed(file, **parts)
    return path


@pytest.mark.parametrize("order", [1, 2, 3, 6])
@given(context=st.text("thecats .é\n", max_size=12))
@settings(max_examples=20, deadline=None)
def test_probabilities_sum_to_one(order, context):
    model = CharacterModel.build(["the cat", "a cat sat.", "the cats"], order, 1)
    log_probs = model.log_probs(context)
    assert log_probs.shape == (len(model.alphabet) + 1,)
    assert np.isfinite(log_probs).all()
    assert np.exp(log_probs).sum() == pytest.approx(1)


def test_smoothing_is_modified_kneser_ney():
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
        discounts = language_model._discounts(np.array(list(counts.values())))
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
def test_probabilities_are_those_of_the_definition(order, min_count):
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


def test_discounts_follow_counts_of_counts():
    # six counts of 1, three of 2, two of 3, one of 4
    discounts = language_model._discounts(np.array([1] * 6 + [2] * 3 + [3] * 2 + [4]))
    np.testing.assert_allclose(discounts, [1 - 2 * 0.5 * 3 / 6, 2 - 3 * 0.5 * 2 / 3, 3 - 4 * 0.5 * 1 / 2])


def test_lines_begin_and_end(model):
    end = len(model.alphabet)
    assert model.alphabet[model.log_probs("")[:-1].argmax()].isupper()
    assert model.log_probs("The cat sat.").argmax() == end
    assert model.log_probs("The cat s")[end] < np.log(0.01)


def test_text_is_normalized():
    one = CharacterModel.build(["Un  e\u0301te\u0301\t", "", "  ici"])
    other = CharacterModel.build(["Un été", "ici"])
    assert one.to_bytes() == other.to_bytes()


def test_longer_contexts_predict_better():
    held_out = sentences(60, seed=2)
    bits = [CharacterModel.build(sentences(400, seed=1), order).bits_per_character(held_out) for order in (1, 2, 4, 6)]
    assert bits == sorted(bits, reverse=True)
    assert bits[0] > 3.5
    assert bits[-1] < 1.5


def test_bits_are_those_of_the_probabilities(model):
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


def test_rare_ngrams_are_dropped(model):
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
def test_a_saved_model_comes_back(tmp_path, order):
    model = CharacterModel.build([*sentences(100, seed=1), "\U0001f600 €"], order)
    path = tmp_path / "any name"
    assert model.save(path) == path.stat().st_size
    loaded = CharacterModel.load(path)
    assert (loaded.alphabet, loaded.order, loaded.ngrams) == (model.alphabet, order, model.ngrams)
    for context in ("", "The c", "\U0001f600", "Xq"):
        np.testing.assert_array_equal(loaded.log_probs(context), model.log_probs(context))
    assert loaded.to_bytes() == model.to_bytes()


def refused(path):
    with pytest.raises(InputError) as caught:
        CharacterModel.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_is_no_model_is_refused(tmp_path, model):
    assert "No such file" in refused(tmp_path / "missing.lm")
    refused(tmp_path)
    path = tmp_path / "text.lm"
    for content in (b"", b"plain text", b"PK\x03\x04", b"PK\x01\x02" * 2000):
        path.write_bytes(content)
        assert "python -m mltu.language_model" in refused(path)
    refused(saved(tmp_path, {"weights": np.zeros(3)}))


def test_damaged_files_are_refused_or_harmless(tmp_path, model):
    rng = np.random.default_rng(0)
    content = model.to_bytes()
    path = tmp_path / "damaged.lm"
    refused_files = read_files = 0
    for _ in range(150):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged[: rng.integers(1, len(content) + 1)] if rng.random() < 0.3 else damaged)
        try:
            loaded = CharacterModel.load(path)
        except InputError:
            refused_files += 1
        else:
            read_files += 1
            assert loaded.to_bytes() == content
    assert refused_files > 90  # checksums find most damage
    assert read_files > 5  # the archive's dates and the like do not matter


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("version", lambda part: part + 1),
        ("alphabet", lambda part: part[::-1]),
        ("alphabet", lambda part: part[:0]),
        ("alphabet", lambda part: np.append(part[:-1], 0x110000).astype(np.uint32)),
        ("alphabet", lambda part: np.where(part == ord(" "), ord("\n"), part).astype(np.uint8)),
        ("discounts", lambda part: part * np.nan),
        ("discounts", lambda part: part * 0),
        ("discounts", lambda part: part + 3),
        ("discounts", lambda part: part[:-1]),
        ("discounts", lambda part: np.tile(part, 20)),
        ("discounts", lambda part: part.astype(np.float32)),
        ("extensions", lambda part: part * 0 + 255),
        ("older", lambda part: part[:-1]),
        ("older", lambda part: part * 0 + 255),
        ("older", lambda part: part[::-1]),
        ("totals", lambda part: part * 0),
        ("totals", lambda part: part * 0 + 1),
        ("followers", lambda part: part * 0),
        ("followers", lambda part: np.full(len(part), 2**32 - 1, np.uint32)),
        ("symbols", lambda part: part * 0),
        ("symbols", lambda part: np.append(part, part[:1])),
        ("counts", lambda part: part * 0),
        ("counts", lambda part: part.astype(np.int8)),
        ("counts", lambda part: part.reshape(1, -1)),
        ("counts", lambda part: part.astype(object)),
    ],
)
def test_wrong_parts_are_refused(tmp_path, parts, name, change):
    parts[name] = change(parts[name])
    assert "not a language model" in refused(saved(tmp_path, parts))


def test_nothing_is_unpickled(tmp_path, parts):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trapped"), "w"))

    parts["alphabet"] = np.array([Trap()], object)
    refused(saved(tmp_path, parts))
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(("says", "reason"), [(5_000_000, "too long"), (900, "")])
def test_files_that_unpack_to_much_are_refused(tmp_path, monkeypatch, says, reason):
    monkeypatch.setattr(language_model, "MAX_ENTRIES", 10_000)
    monkeypatch.setattr(language_model, "MAX_BYTES", 100_000)
    size = 5_000_000
    path = tmp_path / "bomb.lm"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in language_model.ARRAYS:
            archive.writestr(f"{name}.npy", bytes(size if name == "version" else 1))
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), says.to_bytes(4, "little")))
    tracemalloc.start()
    assert reason in refused(path)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_files_of_many_bytes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(language_model, "MAX_BYTES", 1000)
    path = tmp_path / "large.lm"
    path.write_bytes(bytes(1001))
    assert "more than 1,000 bytes" in refused(path)


def test_scorer_follows_the_vocabulary(model):
    vocab = "e.ßT h"
    scorer = model.scorer(vocab, weight=0.5, bonus=0.25)
    state = scorer.start
    text = "The"
    for place, character in enumerate(text):
        log_probs = model.log_probs(text[:place])
        expected = [0.5 * log_probs[model.alphabet.index(one)] + 0.25 for one in "e.T h"]
        np.testing.assert_allclose(np.delete(scorer.scores(state), 2), expected)
        assert -20 < scorer.scores(state)[2] < min(expected[:2])
        state = scorer.advance(state, vocab.index(character))
    assert scorer.end(state) == pytest.approx(0.5 * model.log_probs(text)[-1])


def test_states_are_what_the_model_looks_at(model):
    vocab = model.alphabet
    states = []
    for text in ("The old house", "A house"):
        state = model.scorer(vocab).start
        for character in text:
            state = model.scorer(vocab).advance(state, vocab.index(character))
        states.append(state)
    assert states[0] == states[1] == "house"


def test_rows_that_are_kept_are_bounded(monkeypatch):
    monkeypatch.setattr(language_model, "CACHED_ROWS", 30)
    model = CharacterModel.build(sentences(20, seed=1))
    scorer = model.scorer(model.alphabet)
    state = scorer.start
    for index in np.random.default_rng(0).integers(0, len(model.alphabet), 200):
        state = scorer.advance(state, int(index))
        np.testing.assert_allclose(scorer.scores(state), np.log(model.row(state)[:-2]))
    for cached in (scorer.scores, model._row):
        assert cached.cache_info().currsize == 30


def test_wrong_settings_are_refused():
    for settings_ in ({"order": 0}, {"order": 99}, {"min_count": 0}):
        with pytest.raises(ValueError, match="must be"):
            CharacterModel.build(["text"], **settings_)
    with pytest.raises(InputError, match="no text"):
        CharacterModel.build(["", " "])


def test_too_much_text_is_refused(monkeypatch):
    monkeypatch.setattr(language_model, "MAX_CHARACTERS", 10)
    with pytest.raises(InputError, match="more than 10 characters"):
        CharacterModel.build(["12345", "123456"])
    monkeypatch.setattr(language_model, "MAX_ENTRIES", 4)
    with pytest.raises(InputError, match="--min_count"):
        CharacterModel.build(["12345", "1234"])


@given(text=st.text("ab ", max_size=60), length=st.integers(1, 12))
def test_lines_are_broken_between_words(text, length):
    lines = list(break_lines([text], length))
    assert " ".join(lines) == " ".join(text.split())
    assert all(len(line) <= length or " " not in line for line in lines)
    # no line would have had room for the word that begins the next
    for line, following in pairwise(lines):
        assert len(line) + 1 + len(following.split()[0]) > length


def test_zero_leaves_lines_as_they_are():
    assert list(break_lines(["a  long line"], 0)) == ["a long line"]


def test_the_command_builds_a_model(tmp_path, capsys):
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


def test_the_command_breaks_lines_and_takes_few(tmp_path, capsys):
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
def test_wrong_input_is_one_line(tmp_path, monkeypatch, capsys, args, complaint):
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
def test_wrong_flags_are_one_line(capsys, args, complaint):
    with pytest.raises(SystemExit) as caught:
        main(args)
    assert caught.value.code == 2
    shown = capsys.readouterr().err
    assert complaint in shown
    assert shown.count("\n") == 1
