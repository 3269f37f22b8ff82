import io

import pytest

from mltu.utils.progress import ProgressBar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_bar_redraws_on_a_terminal():
    file = Terminal()
    for _ in ProgressBar(range(3), file=file, desc="Reading", mininterval=0):
        pass
    states = file.getvalue().split("\r")
    assert len(states) > 4  # each of the three steps, and the state before them
    assert "100%" in states[-1]
    assert file.getvalue().count("\n") == 1


@pytest.mark.parametrize("count", [1, 4])
def test_progress_bar_writes_lines_to_a_log(count):
    file = io.StringIO()
    for _ in ProgressBar(range(count), file=file, desc="Reading", unit="page", log_seconds=1e-9):
        pass
    lines = file.getvalue().splitlines()
    assert "\r" not in file.getvalue()
    assert len(lines) >= count
    assert lines[-1].startswith(f"Reading: 100% {count}/{count}")
    assert file.getvalue().endswith("\n")


def test_progress_bar_is_silent_about_short_work_in_a_log():
    file = io.StringIO()
    for _ in ProgressBar(range(1000), file=file):
        pass
    assert file.getvalue() == ""


def test_progress_bar_writes_whole_lines_between_messages():
    file = io.StringIO()
    with ProgressBar(total=2, file=file, desc="Reading", log_seconds=1e-9) as bar:
        bar.update()
        ProgressBar.write("a message", file=file)
        bar.update()
    lines = file.getvalue().splitlines()
    assert lines.count("a message") == 1
    assert all(line == "a message" or line.startswith("Reading:") for line in lines)
    assert len(lines) <= 4  # not one more after the message
