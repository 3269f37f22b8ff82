"""How all commands behave on a terminal: errors in one line, exit codes, Ctrl-C, any text whatever the locale.

A script guards its slow imports and decorates its `main`:

    if __name__ == "__main__":  # before the other imports, so that Ctrl-C ends them in one line too
        from mltu.utils.console import guard_imports

        guard_imports("train.py")

    import numpy as np
    from mltu.utils.console import command, print_error

    @command("train.py", stopped="stopped; where a model.keras was saved, --export_only DIR exports it")
    def main(args: Sequence[str] | None = None) -> int:
        ...
        print_error("scan.png: not an image")  # prints `train.py: scan.png: not an image`, and continues
        return 0

    if __name__ == "__main__":
        sys.exit(main())

Exit codes: what `main` returns, 0 for None; 2 for an :class:`.InputError`, an `OSError`, such as a full disk, or a
package that is not installed; the `exit_code` of any other :class:`.CommandError`; 130 for Ctrl-C; 0 where the reader
of the output has seen enough, as `head` does. Other exceptions are mistakes in the program and keep their traceback.
"""

from __future__ import annotations

import functools
import os
import select
import signal
import sys
from collections.abc import Callable

from .errors import CommandError, escape_control_chars

INTERRUPTED = 130  # exit code, as shells report a program that Ctrl-C ended

_program = "error"  # name of the running command, with which its messages begin


def guard_imports(program: str) -> None:
    """Let Ctrl-C end the process in one line, until a function that :func:`command` decorates begins.

    An exception would not do here: the library that is being imported may swallow it or turn it into another one.
    """
    global _program
    _program = program
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # processes in the background may ignore it
        signal.signal(signal.SIGINT, _end_at_once)


def _end_at_once(number: int, frame: object) -> None:
    os.write(2, f"{_program}: stopped\n".encode())
    os._exit(INTERRUPTED)


def command(
    program: str, stopped: str = "stopped", prints_results: bool = True
) -> Callable[[Callable[..., int | None]], Callable[..., int]]:
    """Decorate the main function of a command: it returns the exit code, and reports its errors in one line each.

    Args:
        program: name of the command, with which its messages begin.
        stopped: the answer to Ctrl-C.
        prints_results: the command makes only standard output, so it is done when the reader of that has seen enough.
    """

    def decorate(main: Callable[..., int | None]) -> Callable[..., int]:
        @functools.wraps(main)
        def run(*args: object, **kwargs: object) -> int:
            global _program
            _program = program
            if signal.getsignal(signal.SIGINT) is _end_at_once:
                signal.signal(signal.SIGINT, signal.default_int_handler)
            print_utf8()
            try:
                exit_code = main(*args, **kwargs) or 0
                sys.stdout.flush()  # a full disk shows here
                return exit_code
            except CommandError as error:
                print_error(error)
                if error.at_once:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(error.exit_code)
                return error.exit_code
            except OSError as error:
                if prints_results and isinstance(error, BrokenPipeError) and _reader_left():
                    return 0
                print_error(f"{error.filename or 'writing'}: {error.strerror or error}")
                return 2
            except ModuleNotFoundError as error:
                if (error.name or "mltu").split(".")[0] in ("mltu", "configs", "model"):
                    raise
                print_error(f"needs {error.name}, which reading does without: pip install -r requirements.txt")
                return 2
            except KeyboardInterrupt:
                print_error(stopped)
                return INTERRUPTED
            finally:
                _discard_unprinted()

        return run

    return decorate


def _reader_left() -> bool:
    """Whether standard output or error is a pipe that nobody reads any more."""
    if not hasattr(select, "poll"):  # on Windows, where such a pipe is the likeliest one to break
        return True
    poll = select.poll()
    for stream in (1, 2):
        poll.register(stream, 0)  # errors are reported in any case
    return bool(poll.poll(0))


def _discard_unprinted() -> None:
    """Forget output that cannot be written: the interpreter would try once more at its end, and complain."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def print_error(message: object) -> None:
    """Print a message of the running command to standard error in one line, above any progress bar."""
    print_note(f"{_program}: {message}")


def print_note(message: str) -> None:
    """Print a message that is no error likewise, without the name of the command."""
    from tqdm import tqdm  # here, as it must not delay guard_imports

    tqdm.write(escape_control_chars(message), file=sys.stderr)


def print_utf8() -> None:
    """Let standard output and error take any text, whatever the system's encoding is, also where they are closed."""
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
