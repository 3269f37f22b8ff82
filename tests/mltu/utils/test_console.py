"""Commands end with one line and the right exit code, whatever happens."""

import os
import signal
import subprocess
import sys
import time

import pytest
from tqdm import tqdm

from helpers import ROOT
from mltu.utils import console
from mltu.utils.console import command, print_error
from mltu.utils.errors import CommandError, InputError

SCRIPT = """
import sys, time
if __name__ == "__main__":
    from mltu.utils.console import guard_imports
    guard_imports("slow.py")
{imports}
from mltu.utils.console import command
from mltu.utils.errors import CommandError

@command("slow.py")
def main():
{body}

if __name__ == "__main__":
    sys.exit(main())
"""
ANNOUNCE = "open(sys.argv[1], 'w').close()"
SLEEP = f"{ANNOUNCE}; time.sleep(60)"


class Broken(CommandError):
    exit_code = 7


@pytest.fixture
def script(tmp_path):
    """Writes a script that imports and does something, and returns a function that starts it."""

    def write(imports="", body="    pass"):
        path = tmp_path / "slow.py"
        path.write_text(SCRIPT.format(imports=imports, body=body), encoding="utf-8")

        def start(**options):
            environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
            return subprocess.Popen([sys.executable, path, tmp_path / "begun"], env=environment, **pipes)

        return start

    return write


def interrupt(process, begun):
    """Send Ctrl-C as soon as a file is there; returns the exit code and what went to standard output and error."""
    end = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def closed_pipe():
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


posix = pytest.mark.skipif(os.name != "posix", reason="signals and pipes of POSIX")


def test_command_passes_arguments_and_the_exit_code_and_keeps_the_docstring():
    @command("tool.py")
    def main(code, factor=1):
        """Ends."""
        return code and code * factor

    assert [main(None), main(0), main(1), main(1, factor=2)] == [0, 0, 1, 2]
    assert main.__doc__ == "Ends."


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("lines.csv: no\nrows"), 2, "lines.csv: no\\nrows"),
        (CommandError("the loss is NaN"), 1, "the loss is NaN"),
        (Broken("lost"), 7, "lost"),
        (FileNotFoundError(2, "No such file", "a.png"), 2, "a.png: No such file"),
        (PermissionError(13, "Permission denied", "a\nb\x1b.png"), 2, "a\\nb\\x1b.png: Permission denied"),
        (OSError(28, "No space left on device"), 2, "writing: No space left on device"),
        (OSError("codec failed"), 2, "writing: codec failed"),
        (BrokenPipeError(32, "Broken pipe"), 2, "writing: Broken pipe"),  # another one than that of the output
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_command_reports_an_error_in_one_line(capsys, error, code, line):
    assert raising(error)() == code
    assert capsys.readouterr() == ("", f"tool.py: {line}\n")


def test_command_answers_an_interruption_with_its_own_words(capsys):
    assert raising(KeyboardInterrupt(), stopped="stopped; go on with --resume")() == 130
    assert capsys.readouterr().err == "tool.py: stopped; go on with --resume\n"


def raising(error, **options):
    def main():
        raise error

    return command("tool.py", **options)(main)


def test_command_lets_mistakes_of_the_program_through():
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError())()
    with pytest.raises(SystemExit) as ended:
        raising(SystemExit(2))()  # of an argument parser
    assert ended.value.code == 2


def test_command_ends_at_once_if_an_error_wants_it(script):
    body = """
    import atexit
    atexit.register(print, "the usual end")
    class Lost(CommandError):
        at_once = True
        exit_code = 3
    print("printed before")
    raise Lost("the other worker was lost")
"""
    process = script(body=body)()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert out.decode().split() == ["printed", "before"]
    assert err.decode() == "slow.py: the other worker was lost\n"


@posix
@pytest.mark.parametrize(
    "imports",
    [SLEEP, f"try:\n    {SLEEP}\nexcept BaseException as error:\n    raise ImportError('what libraries make of it')"],
    ids=["plain", "swallowed"],
)
def test_guard_imports_ends_an_import_in_one_line(script, tmp_path, imports):
    assert interrupt(script(imports=imports)(), tmp_path / "begun") == (130, "", "slow.py: stopped\n")


@posix
def test_guard_imports_ends_where_the_command_begins(script, tmp_path):
    process = script(body=f"    try:\n        {SLEEP}\n    finally:\n        print('cleaned up')")()
    assert interrupt(process, tmp_path / "begun") == (130, "cleaned up\n", "slow.py: stopped\n")


@posix
def test_guard_imports_leaves_an_ignored_interrupt_ignored(script, tmp_path):
    imports = f"import signal; {ANNOUNCE}; time.sleep(1)"
    process = script(imports=imports)(preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN))
    assert interrupt(process, tmp_path / "begun") == (0, "", "")


def test_guard_imports_comes_before_any_slow_import():
    code = "import sys, mltu.utils.console; print({'cv2', 'numpy', 'tqdm', 'typing'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@posix
@pytest.mark.parametrize("count", [1, 100_000], ids=["within the buffer", "beyond the buffer"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_command_ends_well_if_the_reader_of_its_output_left(script, closed_pipe, count, unbuffered):
    process = script(body=f"    print('line\\n' * {count})")(stdout=closed_pipe, env={"PYTHONUNBUFFERED": unbuffered})
    assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 0


@posix
def test_command_that_makes_more_than_its_output_reports_that_the_reader_left(script, closed_pipe):
    body = """
    @command("slow.py", prints_results=False)
    def train():
        print("a line of progress", flush=True)
    sys.exit(train())
    """
    process = script(body=body)(stdout=closed_pipe)
    assert process.communicate(timeout=60)[1] == b"slow.py: writing: Broken pipe\n"
    assert process.returncode == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_command_reports_a_full_disk_behind_its_output(script, unbuffered):
    with open("/dev/full", "w") as full:
        process = script(body="    print('text')")(stdout=full, env={"PYTHONUNBUFFERED": unbuffered})
        assert process.communicate(timeout=60)[1] == b"slow.py: writing: No space left on device\n"
    assert process.returncode == 2


@pytest.mark.skipif(os.name != "posix", reason="closes descriptors")
@pytest.mark.parametrize("descriptor", [1, 2])
def test_command_works_without_anywhere_to_print(script, descriptor):
    process = script(body="    print('text'); print('a note', file=sys.stderr)")(
        preexec_fn=lambda: os.close(descriptor)
    )
    printed = [written.strip() for written in process.communicate(timeout=60)]
    assert printed == [b"" if descriptor == 1 else b"text", b"" if descriptor == 2 else b"a note"]
    assert process.returncode == 0


def test_command_prints_utf8_on_any_locale(script):
    body = "    print('Zo\\u00eb \\udcff'); print('\\u017d', file=sys.stderr)"
    process = script(body=body)(env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    out, err = process.communicate(timeout=60)
    assert out.decode().split() == ["Zoë", "\\udcff"]
    assert err.decode().strip() == "Ž"


def test_print_error_begins_with_the_name_of_the_running_command(capsys):
    @command("tool.py")
    def main():
        print_error("a.png: not an image")

    assert main() == 0
    assert capsys.readouterr() == ("", "tool.py: a.png: not an image\n")


def test_print_error_goes_above_a_progress_bar(capsys, monkeypatch):
    monkeypatch.setattr(console, "_program", "tool.py")
    with tqdm(total=2, file=sys.stderr, desc="Reading", mininterval=0) as bar:
        bar.update()
        print_error("a.png: not an image")
        bar.update()
    shown = capsys.readouterr().err
    assert any(part == "tool.py: a.png: not an image" for part in shown.replace("\r", "\n").split("\n"))
    assert "2/2" in shown.split("not an image")[1]


def test_command_names_a_package_that_is_not_installed(capsys):
    assert raising(ModuleNotFoundError("No module named 'keras'", name="keras"))() == 2
    assert capsys.readouterr().err == (
        "tool.py: needs keras, which reading does without: pip install -r requirements.txt\n"
    )
    with pytest.raises(ModuleNotFoundError):  # a mistake in the program
        raising(ModuleNotFoundError("No module named 'mltu.gone'", name="mltu.gone"))()
