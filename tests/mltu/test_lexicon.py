import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import text_score, to_labels
from mltu.beam_search import BeamSearch
from mltu.lexicon import Lexicon
from mltu.utils.errors import InputError

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
def test_scores_charge_each_unlisted_word_once(lexicon, text, unlisted):
    assert text_score(lexicon, to_labels(text, LETTERS)) == -unlisted


@given(st.text("thecarxL'- .1É", max_size=12))
@settings(max_examples=150, deadline=None)
def test_scores_add_up_to_the_cost_of_the_words(text):
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
    assert text_score(lexicon, to_labels(text, LETTERS)) == -unlisted


def test_scores_charge_as_soon_as_no_listed_word_begins_so(lexicon):
    state = lexicon.start
    charged = []
    for index in to_labels("thxat ", LETTERS):
        score, state = lexicon.advance(state, index)
        charged.append(score)
    assert charged == [0, 0, -1, 0, 0, 0]
    assert state == lexicon.start
    # and so for every character at once
    _, state = lexicon.advance(lexicon.start, LETTERS.index("c"))
    assert {letter for index, letter in enumerate(LETTERS) if lexicon.advance(state, index)[0] == 0} == {"a"}


def test_lexicon_in_a_beam_search_corrects_a_word():
    log_probs = np.log(np.eye(len(LETTERS) + 1)[to_labels("cat thc", LETTERS)] * 0.5 + 0.5 / (len(LETTERS) + 1))
    log_probs[6, LETTERS.index("e")] = np.log(0.3)
    texts = [
        "".join(LETTERS[index] for index in BeamSearch(LETTERS, lexicon=lexicon)(log_probs))
        for lexicon in (None, LISTED, Lexicon(LISTED, LETTERS, 0.1))
    ]
    assert texts == ["cat thc", "cat the", "cat thc"]


def test_from_file_reads_a_word_list(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\ufeffthe\t23135851162\r\nof 13151942776\n\n123\nl’eau\ne\u0301te\u0301\n", encoding="utf-8")
    lexicon = Lexicon.from_file(path, LETTERS, 2.5)
    assert lexicon.words == ["l'eau", "of", "the", "été"]
    assert text_score(lexicon, to_labels("Of the été xx", LETTERS)) == -2.5


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
def test_from_file_refuses_unusable_word_lists_in_one_line(tmp_path, content, complaint):
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


def test_lexicon_needs_words_and_a_cost():
    with pytest.raises(ValueError, match="not one word"):
        Lexicon(["12", "", "'"], LETTERS)
    for cost in (-1, math.nan):
        with pytest.raises(ValueError, match="cost"):
            Lexicon(["a"], LETTERS, cost)
