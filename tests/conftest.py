"""Fixtures shared by all tests: small images, trained runs, and no time limit for examples of hypothesis."""

import cv2
import numpy as np
import pytest
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
def line_run(tmp_path_factory):
    """The folder of a run of the line network, which is trained as `trained_run` is."""
    return train_tiny(tmp_path_factory.mktemp("line"), "--architecture", "line", "--width_step", "32")[0]


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory):
    """(folder, finished process) of a run of two epochs on 40 generated lines, through the command line."""
    return train_tiny(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def pretrained():
    """The recogniser with the pretrained weights."""
    return LineRecognizer(PRETRAINED)
