"""The one exception that the scripts turn into one line for the person at the keyboard."""


class InputError(ValueError):
    """Something the user gave cannot be used; the message names it and the remedy in one line.

    The command lines print the message without a traceback and end with exit code 2.
    """
