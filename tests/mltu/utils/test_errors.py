from mltu.utils.errors import MAX_MESSAGE, InputError


def test_InputError_is_one_line_whatever_it_quotes():
    assert str(InputError("a.csv: \x1b[31m\r\n\u2028 \udcff é")) == "a.csv: \\x1b[31m\\r\\n\\u2028 \udcff é"


def test_InputError_keeps_both_ends_of_a_long_message():
    message = str(InputError("a.csv: " + "x" * 100_000 + "; write less"))
    assert len(message) <= MAX_MESSAGE
    assert message.startswith("a.csv: xxx")
    assert message.endswith("xxx; write less")
