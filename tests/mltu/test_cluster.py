"""Reading on two worker processes of this machine."""

import logging
import os
import re
import signal
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

import inferenceModel
from helpers import SAMPLES, run_script
from mltu.outputs import Results
from mltu.utils.errors import InputError

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")
pytest.importorskip("cryptography")

from mltu import cluster as cluster_module  # noqa: E402
from mltu.cluster import Cluster  # noqa: E402


@pytest.fixture(scope="module")
def workers():
    """A scheduler with two worker processes."""
    options = {"dashboard_address": None, "silence_logs": logging.CRITICAL, "memory_limit": 0}
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "1 hour"}),
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, **options) as started,
    ):
        yield started


@pytest.fixture
def scans(tmp_path, monkeypatch):
    """The relative name of a folder with twelve images of lines."""
    monkeypatch.chdir(tmp_path)
    Path("scans").mkdir()
    for number in range(12):
        image = np.full((40, 260), 230, np.uint8)
        cv2.putText(image, f"number {number}", (20, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 30, 2)
        cv2.imwrite(f"scans/{number:02d}.png", image)
    return "scans"


def read(*args):
    """The exit code of the command."""
    return inferenceModel.main([*map(str, args), "--line"])


def call_at_write(monkeypatch, number, function):
    """Call a function when a result is about to be written, the first being number 1."""
    write, sources = Results.write, []

    def write_or_call(results, source, *args, **options):
        sources.append(source)
        if len(sources) == number:
            function()
        write(results, source, *args, **options)

    monkeypatch.setattr(Results, "write", write_or_call)


def test_cluster_reads_and_complains_as_one_machine(workers, scans, capsys):
    Path(scans, "05.png").write_text("no picture")
    Path(scans, "07.png").write_bytes(b"")
    told = []
    for output, options in (("one.csv", ()), ("two.csv", ("--cluster", workers.scheduler_address))):
        assert read(scans, "missing.png", "--output", output, *options) == 2
        told.append([line for line in capsys.readouterr().err.splitlines() if line.startswith("inferenceModel.py: ")])
    assert told[0] == told[1]
    assert [re.search(r"(\w+)\.png: ", line)[1] for line in told[1]] == ["05", "07", "missing"]
    assert Path("two.csv").read_bytes() == Path("one.csv").read_bytes()
    assert len(Path("two.csv").read_text().splitlines()) == 11


def test_cluster_loses_nothing_with_a_worker(workers, scans, monkeypatch):
    assert read(scans, "--output", "one.csv") == 0
    first = workers.workers[0].pid
    call_at_write(monkeypatch, 3, lambda: os.kill(first, signal.SIGKILL))
    assert read(scans, "--output", "two.csv", "--cluster", workers.scheduler_address) == 0
    assert Path("two.csv").read_bytes() == Path("one.csv").read_bytes()
    assert workers.workers[0].pid != first


def test_cluster_continues_after_ctrl_c(workers, scans, monkeypatch, capsys):
    assert read(scans, "--output", "one.csv") == 0

    def interrupt():
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        call_at_write(patch, 5, interrupt)
        assert read(scans, "--output", "two.csv", "--cluster", workers.scheduler_address) == 130
    assert len(Path("two.csv").read_text().splitlines()) == 5
    capsys.readouterr()
    assert read(scans, "--output", "two.csv", "--cluster", workers.scheduler_address) == 0
    assert "4 of 12 files are in two.csv already" in capsys.readouterr().err
    assert Path("two.csv").read_bytes() == Path("one.csv").read_bytes()


def test_cluster_reads_pages_and_draws_them(workers, tmp_path, monkeypatch):
    monkeypatch.chdir(SAMPLES)
    for name, options in (("one", ()), ("two", ("--cluster", workers.scheduler_address))):
        outputs = "--output", str(tmp_path / name), "--annotate", os.path.relpath(tmp_path / f"{name}_seen")
        assert inferenceModel.main(["page.jpg", "line01.jpg", "--format", "alto", *outputs, *options]) == 0
    for file in ("page.xml", "line01.xml"):
        one, two = (re.sub(r"<\w+DateTime>[^<]+", "", (tmp_path / run / file).read_text()) for run in ("one", "two"))
        assert one == two
        assert "<String " in one
    assert (tmp_path / "two_seen/page.png").read_bytes() == (tmp_path / "one_seen/page.png").read_bytes()


def test_cluster_on_this_machine_is_a_command(scans):
    options = "--cluster", "local", "--threads", "2", "--language", "en"
    done = run_script("inferenceModel.py", scans, "--output", "two.csv", *options, cwd=os.getcwd())
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert read(scans, "--output", "one.csv", "--language", "en") == 0
    assert Path("two.csv").read_bytes() == Path("one.csv").read_bytes()


def test_cluster_gives_up_a_file_that_ends_its_workers(workers, scans, monkeypatch):
    monkeypatch.setattr(workers.scheduler, "allowed_failures", 0)

    def read_or_die(model, name, picture, folder):
        if name.endswith("03.png"):
            os.kill(os.getpid(), signal.SIGKILL)
        return [name], None

    names = [f"{scans}/{number:02d}.png" for number in range(8)]
    with Cluster(workers.scheduler_address, lambda threads: None, {}, 2) as cluster:
        readings = list(cluster.read(read_or_die, [(name, None) for name in names]))
    assert [pages for pages, _ in readings] == [[name] if "03" not in name else [] for name in names]
    (error,) = [error for _, error in readings if error]
    assert str(error).startswith("scans/03.png: ")


def test_cluster_refuses_workers_that_do_not_share_the_folder(workers, scans, monkeypatch):
    monkeypatch.setattr(cluster_module, "os", SimpleNamespace(getcwd=lambda: "/elsewhere", path=os.path))
    with (
        Cluster(workers.scheduler_address, lambda threads: None, {}, 2) as cluster,
        pytest.raises(InputError, match=r"scans/00.png: not found in /elsewhere by a worker"),
    ):
        list(cluster.read(lambda *args, **options: ([], None), [("scans/00.png", None)]))


def test_cluster_refuses_workers_of_another_version(workers, scans, monkeypatch, capsys):
    monkeypatch.setattr(cluster_module, "__version__", "0.9")
    assert read(scans, "--output", "two.csv", "--cluster", workers.scheduler_address) == 2
    assert re.search(r"^inferenceModel.py: tcp://\S+: has mltu \S+, and this command 0\.9; ", capsys.readouterr().err)


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nonsense", "tls://127.0.0.1:1", "x://y:1"])
def test_cluster_without_a_scheduler_is_an_error_of_one_line(address, scans, monkeypatch, capsys):
    monkeypatch.setattr(cluster_module, "WAIT_SECONDS", 0.2)
    assert read(scans, "--cluster", address) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"inferenceModel.py: {address}: no Dask scheduler")
    assert told.count("\n") == 1
