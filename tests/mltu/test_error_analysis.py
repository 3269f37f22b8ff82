from hypothesis import given
from hypothesis import strategies as st

from helpers import evaluated_line as line
from mltu.error_analysis import align, count_confusions, worst_lines, writer_rates
from mltu.utils.text_utils import count_errors

texts = st.lists(st.tuples(st.text("abc ", max_size=9), st.text("abc ", max_size=9)), min_size=1, max_size=5)


@given(texts)
def test_count_confusions_adds_up_to_the_errors_of_cer(pairs):
    true, read = zip(*pairs, strict=True)
    assert count_confusions(line(*pair) for pair in pairs).total() == count_errors(read, true)[0]


@given(texts)
def test_align_keeps_both_sequences(pairs):
    for pair in pairs:
        aligned = align(*pair)
        assert ["".join(side) for side in zip(*aligned, strict=True)] == (list(pair) if aligned else [])
        assert aligned or pair == ("", "")


def test_writer_rates_is_empty_without_a_known_writer():
    assert writer_rates([line("ab", "ac"), line("d", "d")]) == []
    assert [rate.writer for rate in writer_rates([line("ab", "ac"), line("d", "d", "known")])] == ["", "known"]


def test_worst_lines_ranks_a_lone_comma_low():
    comma, long, good = line(",", "."), line("a long line", "e lung lnne,"), line("right", "right")
    assert worst_lines([comma, good, long]) == [long, comma]
    assert worst_lines([comma, good, long], 1) == [long]
