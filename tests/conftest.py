"""Fixtures shared by all tests: small images, trained runs, and no time limit for examples of hypothesis."""

import pickle

import cv2
import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings

from helpers import PRETRAINED, train_tiny
from mltu.recognizer import LineRecognizer

settings.register_profile("any machine", deadline=None)  # An example may take long on a busy machine.
settings.load_profile("any machine")


@pytest.fixture
def line_image():
    """A grey line on light paper, darker writing in the middle; uint8, shape (40, 200)."""
    image = np.full((40, 200), 230, np.uint8)
    cv2.putText(image, "writing", (20, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 30, 2)
    return image


@pytest.fixture
def png(tmp_path, line_image):
    """Writes the line image to a path below the test's folder and returns the path."""

    def write(name="line.png", image=line_image):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())
        return path

    return write


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id):
    """Calls a function with a new folder, in the first process of tests that asks for it by a name; others wait.

    All get what it returns.
    """
    root = tmp_path_factory.getbasetemp()
    root = root if worker_id == "master" else root.parent  # which all processes share

    def call(name, function, *args):
        kept = root / f"{name}.pickle"
        with FileLock(root / f"{name}.lock"):
            if not kept.exists():
                kept.write_bytes(pickle.dumps(function(root / name, *args)))
        return pickle.loads(kept.read_bytes())

    return call


@pytest.fixture(scope="session")
def line_run(once):
    """The folder of a run of the line network, which is trained as `trained_run` is."""
    return once("line_run", train_tiny, "--architecture", "line", "--width_step", "32")[0]


@pytest.fixture(scope="session")
def trained_run(once):
    """(folder, finished process) of a run of two epochs on 40 generated lines, through the command line."""
    return once("trained_run", train_tiny)


@pytest.fixture(scope="session")
def pretrained():
    """The recogniser with the pretrained weights."""
    return LineRecognizer(PRETRAINED)
