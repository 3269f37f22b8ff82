"""The fuzzer: it finds no fault in the readers, and finds planted faults."""

import sys

import fuzz_faults as faults
import pytest

from fuzz import parent
from fuzz.__main__ import main
from fuzz.inputs import TARGETS
from fuzz.inputs.base import Target

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fuzzer watches through the Linux kernel")


def results(printed):
    """Target -> (inputs, refused, accepted, findings) of the table that the command prints."""
    rows = [line.split() for line in printed.splitlines()[1:-1]]
    return {row[0]: tuple(int(cell.replace(",", "")) for cell in row[1:5]) for row in rows}


def test_readers_refuse_hostile_files_in_one_line(tmp_path, capsys):
    code = main(["--inputs", "12", "--findings", str(tmp_path / "found")])
    printed, progress = capsys.readouterr()
    found = results(printed)
    assert code == 0, progress
    assert list(found) == list(TARGETS)
    for inputs, refused, accepted, findings in found.values():
        assert (inputs, findings) == (12, 0)
        assert refused > 0
        assert accepted > 0
    assert not (tmp_path / "found").exists()


FAULTS = {
    faults.opens: "opened",
    faults.opens_unknown_to_python: "opened a file beside the dataset",
    faults.fails: "KeyError at fuzz_faults.py",
    faults.runs: "os.system",
    faults.executes: "executed code",
    faults.says_two_lines: "more than one line",
    faults.takes_memory: "took 3",
    faults.crashes: "ended with code -11",
}


def test_faults_are_found_and_kept(tmp_path, capsys):
    targets = {read.__name__: Target(read, faults.one_seed, dict) for read in (*FAULTS, faults.refuses)}
    options = ["--findings", str(tmp_path), "--memory_mb", "200"]
    assert main(["--inputs", "1", *options], targets) == 1
    printed, progress = capsys.readouterr()
    found = results(printed)
    assert found.pop("refuses") == (1, 1, 0, 0)
    assert {findings for *_, findings in found.values()} == {1}
    told = {read: line for line in progress.splitlines() for read in FAULTS if f"/{read.__name__}-0-0-" in line}
    for read, message in FAULTS.items():
        assert message in told[read]
    kept = tmp_path / "fails-0-0-a.txt"
    assert main(["--replay", str(kept), "--target", "fails", *options], targets) == 1
    assert "KeyError" in capsys.readouterr().out
    assert main(["--replay", str(kept), "--target", "refuses", *options], targets) == 0


def test_readers_that_do_nothing_are_given_up(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(parent, "STUCK", 1)
    targets = {"sleeps": Target(faults.sleeps, faults.one_seed, dict)}
    assert main(["--inputs", "1", "--findings", str(tmp_path)], targets) == 1
    assert "/sleeps-0-0-a.txt: did nothing for 1 seconds" in capsys.readouterr().err


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_depend_on_the_seed_and_their_number_alone(name):
    def made(seed):
        return [TARGETS[name].make(name, seed, number) for number in range(1, 40, 2)]

    assert made(1) == made(1)
    assert made(1) != made(2)


def test_wrong_use_is_one_line(capsys):
    for args in (["--target", "image"], ["--replay", "nothing", "--target", "yaml"]):
        with pytest.raises(SystemExit) as stop:
            main(args)
        assert stop.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1
