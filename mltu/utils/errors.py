"""Exceptions that the commands turn into one line for the person at the keyboard."""

from __future__ import annotations

import re

LINE_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # and other characters that a terminal would obey
MAX_MESSAGE = 1000  # characters of a message; longer ones lose their middle


def escape_control_chars(text: str) -> str:
    """A text with its control characters written out, as \\n."""
    return LINE_BREAKS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class CommandError(Exception):
    """An error that a command reports in one line, without a traceback; see :mod:`mltu.utils.console`.

    Messages quote files that may hold anything, so control characters become visible, as \\n, and long ones are
    shortened.
    """

    exit_code = 1
    at_once = False  # end the process without its usual clean-up, which could wait for something that is lost

    def __init__(self, message: str) -> None:
        text = escape_control_chars(message)
        if len(text) > MAX_MESSAGE:
            text = f"{text[: MAX_MESSAGE - 300]} ... {text[-290:]}"
        super().__init__(text)


class InputError(CommandError, ValueError):
    """Something the user gave cannot be used; the message names it and the remedy in one line."""

    exit_code = 2
