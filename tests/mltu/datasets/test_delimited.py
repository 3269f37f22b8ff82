import pytest

from mltu.datasets import delimited
from mltu.datasets.delimited import Field, read_rows
from mltu.utils.errors import InputError


@pytest.fixture
def rows(tmp_path):
    """Reads a table of a content and an ending; rows of two fields are likely."""

    def read(content, ending="csv"):
        path = tmp_path / f"table.{ending}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        found = read_rows(path, lambda rows: sum(len(fields) == 2 for fields in rows) / max(len(rows), 1))
        return [(line, [field.text for field in fields]) for line, fields in found]

    return read


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_read_rows_finds_the_separator_by_likeness(rows, separator, end):
    content = end.join([f"a{separator}x, y; z"[: None if separator == "\t" else 4], "", f"b{separator}w", ""])
    assert [line for line, _ in rows(content)] == [1, 3]
    assert rows(content)[1] == (3, ["b", "w"])


def test_read_rows_takes_the_separator_that_the_first_line_tells(rows):
    assert rows("sep=|\na|b,c\n") == [(2, ["a", "b,c"])]
    assert rows('"SEP=;"\r\na;b,c\r\n') == [(2, ["a", "b,c"])]


def test_read_rows_numbers_rows_by_their_first_line(rows):
    assert rows('a,"x\ny ""z"""\nb,w\n') == [(1, ["a", 'x\ny "z"']), (3, ["b", "w"])]


def test_read_rows_keeps_whether_a_field_was_quoted(tmp_path):
    (tmp_path / "x.csv").write_text('a, "b" \n')
    assert read_rows(tmp_path / "x.csv", len) == [(1, [Field("a", False), Field("b", True)])]


def test_read_rows_between_tabs_takes_quotes_for_text_unless_they_are_all_around(rows):
    assert rows('a\t"b" c\nd\t"e"\n', "tsv") == [(1, ["a", '"b" c']), (2, ["d", '"e"'])]
    assert rows('a\t"b"\nc\t"d"\ne\t"f"\n', "tsv")[1:] == [(2, ["c", "d"]), (3, ["e", "f"])]
    assert rows('a\t"b ""c"""\n', "tsv") == [(1, ["a", 'b "c"'])]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_read_rows_takes_the_encodings_of_spreadsheets(rows, encoding):
    assert rows("é,ü\n".encode(encoding)) == [(1, ["é", "ü"])]
    assert rows("é\tü\n".encode(encoding), "txt") == [(1, ["é", "ü"])]  # Excel's "Unicode Text"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('a,"b\n', "a quote is opened but not closed in line 1"),
        ("a," + 9 * "b", "more than 8 characters in a field of line 1"),
        (b"\xe9,a\n", "not a text file in UTF-8"),
        (40 * "a,b\n", "larger than 0 MB"),
    ],
)
def test_read_rows_names_what_is_no_table(rows, monkeypatch, content, message):
    monkeypatch.setattr(delimited, "MAX_FIELD", 8)
    monkeypatch.setattr(delimited, "MAX_TABLE", 150)
    with pytest.raises(InputError, match=message):
        rows(content)
