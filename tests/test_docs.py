"""The README and the other pages: their links, commands, flags and line counts."""

import argparse
import re
import runpy
import shlex
import sys
from functools import cache

import pytest

from helpers import ROOT

FILES = [
    ROOT / "README.md",
    *(ROOT / "docs").glob("*.md"),
    *ROOT.glob("[!.]*/README.md"),
    *ROOT.glob("[!.]*/*/README.md"),
]
PAGES = {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in sorted(FILES)}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", flags=re.DOTALL | re.MULTILINE)
WITHOUT_PARSER = ("pytest", "venv")  # modules whose flags are not ours
OTHER_FLAGS = {"--logdir", "--rm", "--tag", "--user", "--volume"}  # of TensorBoard and Docker
TOUR = runpy.run_path(str(ROOT / "docs" / "tour.py"))


def without_blocks(text):
    return FENCED.sub("", text)


def find_code(text):
    """Lines of shell blocks, and inline code."""
    lines = [line for language, block in FENCED.findall(text) if language == "sh" for line in block.splitlines()]
    return lines + [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", without_blocks(text))]


def find_commands(text):
    """(script or module, its arguments) of each call of `python` in a page."""
    for line in find_code(text):
        for command in re.split(r" && | \| ", line) if "python" in line else ():
            words = shlex.split(command, comments=True)
            words = words[1:] if words and re.match(r"[A-Z_]+=", words[0]) else words
            if len(words) > 1 and re.fullmatch(r"(.*/)?python3?", words[0]):
                words = words[2:] if words[1] == "-m" else words[1:]
                yield words[0], tuple(words[1:])


def find_anchors(text):
    """The anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", without_blocks(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


class Stopped(BaseException):
    """Raised in place of parsing a command line, with the parser."""


@cache
def parser_of(script):
    """The argument parser of a script or module, which is run until it parses its command line."""

    def stop(parser, *args):
        raise Stopped(parser)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", stop)
        patch.setattr(argparse.ArgumentParser, "parse_known_args", stop)
        patch.setattr(sys, "path", [*sys.path])
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "2")  # which train.py sets
        patch.delitem(sys.modules, script, raising=False)
        try:
            if script.endswith(".py"):
                runpy.run_path(str(ROOT / script), run_name="__main__")
            else:
                runpy.run_module(script, run_name="__main__")
        except Stopped as stopped:
            return stopped.args[0]
    raise AssertionError(f"{script} parses no command line")


COMMANDS = sorted({command for text in PAGES.values() for command in find_commands(text)})
SCRIPTS = sorted({script for script, _ in COMMANDS} - {*WITHOUT_PARSER})


def test_pages_and_commands_are_found():
    assert {"README.md", "docs/tour.md", "recipes/README.md", "Models/pretrained/README.md"} <= PAGES.keys()
    assert {"train.py", "inferenceModel.py", "mltu.language_model", "benchmarks/accuracy.py"} <= {*SCRIPTS}
    assert ("inferenceModel.py", ("samples/line01.jpg",)) in COMMANDS
    assert ("pytest", ()) in COMMANDS


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page):
    links = re.findall(r"\]\(([^)\s]+)\)", without_blocks(PAGES[page]))
    broken = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        if "://" not in link and not (
            target.exists() and (not anchor or anchor in find_anchors(target.read_text(encoding="utf-8")))
        ):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize(
    ("script", "arguments"), COMMANDS, ids=lambda part: part if isinstance(part, str) else " ".join(part)
)
def test_commands_name_scripts_flags_and_files_that_exist(script, arguments):
    for word in arguments:
        if word.startswith(("recipes/", "samples/", "tests/", "Models/pretrained")):
            assert (ROOT / word).exists()
    if script == "pytest" and "-k" in arguments:
        name = re.compile(rf"^def test_\w*{arguments[arguments.index('-k') + 1]}", re.MULTILINE)
        assert any(name.search(test.read_text(encoding="utf-8")) for test in (ROOT / "tests").rglob("test_*.py"))
    elif script not in WITHOUT_PARSER and arguments != ("--help",):
        parser_of(script).parse_args(arguments)


@pytest.mark.parametrize("page", PAGES)
def test_flags_exist(page):
    named = {flag for code in find_code(PAGES[page]) for flag in re.findall(r"(?<![\w-])--[a-z]\w*", code)}
    for script in ("train.py", "inferenceModel.py", *SCRIPTS):  # the usual ones first, which are enough for most pages
        named -= parser_of(script)._option_string_actions.keys() | OTHER_FLAGS if named else set()
    assert not named


def test_a_flag_that_does_not_exist_is_an_error():
    with pytest.raises(SystemExit):
        parser_of("train.py").parse_args(["--batchsize", "3"])


@pytest.mark.parametrize("page", TOUR["PAGES"], ids=lambda page: page.name)
def test_tour_has_line_counts_that_are_about_right(page):
    counts = [
        [int(found["count"].replace(",", "")) for found in TOUR["COUNT"].finditer(text)]
        for text in (page.read_text(encoding="utf-8"), TOUR["with_counts"](page))
    ]
    for written, counted in zip(*counts, strict=True):
        assert written == pytest.approx(counted, rel=0.2), "run python docs/tour.py"


def test_tour_counts_lines_of_files_and_folders(tmp_path, capsys):
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "a.py").write_text("1\n" * 1200)
    (tmp_path / "package" / "b.txt").write_text("1\n")
    (tmp_path / "b.py").write_text("1\n2\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[`b`](b.py), ? lines: b\n[`p/`](package), 7 lines: p\n[`c`](c.py), 3 lines: c\nTogether 1,000 lines.\n"
    )
    assert TOUR["with_counts"](page) == (
        "[`b`](b.py), 2 lines: b\n[`p/`](package), 1,200 lines: p\n[`c`](c.py), ? lines: c\nTogether 1,202 lines.\n"
    )
    assert "c.py does not exist" in capsys.readouterr().err
