import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.datasets.base import normalize_text
from mltu.datasets.synthetic.text import english_sentences, read_sentences, shorten
from mltu.utils.errors import InputError


@given(st.text("ab ", min_size=1, max_size=40).filter(lambda text: text == text.strip() and text), st.integers(1, 20))
def test_shorten_cuts_between_words(text, longest):
    short = shorten(text, longest)
    assert 0 < len(short) <= longest
    assert text.startswith(short)
    first_word = text.split(" ")[0]
    if len(first_word) <= longest and len(text) > longest:
        assert text[len(short)] == " "


def test_english_sentences_depend_on_the_seed_and_not_on_the_day():
    sentences = english_sentences(200, seed=3)
    assert sentences == english_sentences(200, seed=3)
    assert sentences != english_sentences(200, seed=4)
    assert all(sentence and sentence == normalize_text(sentence) for sentence in sentences)
    assert len(set(sentences)) > 190
    for sign in '":(&.,':
        assert any(sign in sentence for sentence in sentences)


def test_read_sentences_normalizes_lines_and_leaves_out_blank_ones(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("\ufeff first  one \n\n\t\ne\u0301te\u0301\r\n", encoding="utf-8")
    assert read_sentences(path) == ["first one", "été"]


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), (b"\n \n", "is empty"), (b"caf\xe9", "not UTF-8")]
)
def test_read_sentences_names_files_that_cannot_be_used(tmp_path, content, message):
    path = tmp_path / "t.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_sentences(path)
