import json
import signal
import socket
from concurrent.futures import ThreadPoolExecutor

import keras
import pytest

from helpers import LINE_RECIPE, run_script
from mltu.datasets import read_table
from mltu.tensorflow.distribute import read_cluster, start
from mltu.utils.errors import InputError

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute")

# 24 training lines in batches of 23, so that at the end of an epoch one device has none; all that recipes use, but
# dropout, whose random numbers each device draws for itself
RUN = [*LINE_RECIPE, "--samples", "27", "--dropout", "0", "--batch_size", "23", "--train_epochs", "3"]


TRAIN = "tests/small_train.py"


def assert_same_epochs(folder, other):
    """Two runs have the same losses and rates in every epoch."""
    found, expected = epochs(folder), epochs(other)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == pytest.approx(values, rel=1e-4), name


def epochs(folder):
    rows = [line.split(",") for line in (folder / "training.csv").read_text().splitlines()]
    return {name: [float(row[column]) for row in rows[1:]] for column, name in enumerate(rows[0])}


@pytest.fixture(scope="module")
def mirrored(once):
    """A run on two CPU devices: (folder, flags of the same run elsewhere)."""

    def train(folder):
        flags = [*RUN, "--data_path", str(folder / "data")]
        run_script(TRAIN, *flags, "--distribute", "mirrored", "--model_path", folder / "run", code=0)
        return folder / "run", flags

    return once("mirrored", train)


def test_mirrored_devices_learn_what_one_does(mirrored, tmp_path):
    folder, flags = mirrored
    assert len(read_table(folder / "train.csv")[0]) % 23 == 1
    run_script(TRAIN, *flags, "--model_path", tmp_path / "run", code=0)
    assert_same_epochs(folder, tmp_path / "run")
    assert (folder / "model.onnx").exists()


def free_ports(count):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def work_together(*commands):
    """Run a Python command line for each worker of a cluster; returns the finished processes."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(len(commands))]

    def run(index):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        return run_script(*commands[index], timeout=400, TF_CONFIG=json.dumps(config))

    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(run, range(len(commands))))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is for POSIX systems")
def test_multi_worker_run_ends_with_a_worker_and_goes_on_with_all(mirrored, tmp_path):
    folder, flags = mirrored
    run = tmp_path / "run"
    flags = [*flags, "--distribute", "multi_worker", "--model_path", run]
    chief, other = work_together([TRAIN, *flags], [TRAIN, "killed", "step", 3, *flags])
    assert (chief.returncode, other.returncode) == (1, -signal.SIGKILL), chief
    said = [line for line in chief.stderr.splitlines() if line.startswith("train.py: ")]
    assert len(said) == 1
    assert f"another worker was lost; start all workers again with --resume {run}" in said[0]
    assert "Traceback" not in chief.stderr
    assert len(epochs(run)["epoch"]) == 1  # it died in the second
    finished = work_together(*[[TRAIN, "--resume", run]] * 2)
    assert [process.returncode for process in finished] == [0, 0], finished
    assert "saved to" in finished[0].stdout
    assert "saved to" not in finished[1].stdout  # only one writes files
    assert_same_epochs(run, folder)
    assert (run / "model.onnx").exists()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "not set"),
        ("{", "TF_CONFIG: "),
        ("[]", "TF_CONFIG: "),
        ("[" * 100_000, "TF_CONFIG: "),
        ({"cluster": {"worker": ["a:1"]}}, "'task' is missing"),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}, "has no task"),
        ({"cluster": {"worker": ["a:1"]}, "task": {"type": "ps", "index": 0}}, "has no task"),
        ({"cluster": {"worker": ["a"]}, "task": {"type": "worker", "index": 0}}, "host:port"),
        ({"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}, "one address"),
        ({"cluster": {"worker": ["a:1"], "ps": ["b:1"]}, "task": {"type": "worker", "index": 0}}, "workers only"),
    ],
)
def test_read_cluster_refuses_impossible_clusters_in_one_line(config, message, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if config is not None:
        monkeypatch.setenv("TF_CONFIG", config if isinstance(config, str) else json.dumps(config))
    with pytest.raises(InputError, match=message) as error:
        read_cluster()
    assert str(error.value).startswith("TF_CONFIG: ")
    assert "\n" not in str(error.value)


def test_read_cluster_puts_a_chief_before_the_workers(monkeypatch):
    cluster = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}
    for task, index in ((("chief", 0), 0), (("worker", 1), 2)):
        config = {"cluster": cluster, "task": dict(zip(("type", "index"), task, strict=True))}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        assert read_cluster() == (index, 3)


def test_start_refuses_other_backends(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(InputError, match="needs KERAS_BACKEND=tensorflow"):
        start("mirrored", 0)
