"""Losses, metrics and the network under the other Keras backends, where they are installed."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import pytest

HERE = Path(__file__).parent
FILES = [HERE / "test_losses.py", HERE / "test_metrics.py", HERE.parent.parent / "test_model.py"]


@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_backend(backend):
    if backend == keras.backend.backend():
        pytest.skip("this is the backend of the other tests")
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", *map(str, FILES)],
        env={**os.environ, "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        cwd=HERE.parent.parent.parent,
    )
    assert process.returncode == 0, process.stdout + process.stderr
