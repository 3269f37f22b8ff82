from mltu.utils.errors import LONGEST, InputError


def test_messages_are_one_line_whatever_they_quote():
    assert str(InputError("a.csv: \x1b[31m\r\n\u2028 \udcff é")) == "a.csv: \\x1b[31m\\r\\n\\u2028 \udcff é"


def test_long_messages_keep_both_ends():
    message = str(InputError("a.csv: " + "x" * 100_000 + "; write less"))
    assert len(message) <= LONGEST
    assert message.startswith("a.csv: xxx")
    assert message.endswith("xxx; write less")
