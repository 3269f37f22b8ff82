import os
import subprocess
import sys
from pathlib import Path

import pytest

from mltu.tensorflow import devices


def test_list_devices_finds_one():
    assert devices.list_devices()
    assert all(name.startswith(("cpu:", "gpu:")) for name in devices.list_devices())


@pytest.mark.parametrize(
    ("names", "described", "policy"),
    [
        (["gpu:0"], "flags : fpu amx_bf16", "mixed_float16"),
        (["cpu:0"], "processor : 0\nflags\t\t: fpu avx512f avx512_bf16 lahf_lm\n", "mixed_bfloat16"),
        (["cpu:0"], "processor : 0\nFeatures\t: fp asimd bf16\n", "mixed_bfloat16"),
        (["cpu:0"], "model name : bf16\nflags\t\t: fpu avx512f avx512_bf16x\n", "float32"),
        (["cpu:0"], None, "float32"),
    ],
)
def test_quickest_precision_follows_the_machine(names, described, policy, monkeypatch):
    def read_text(path, encoding):
        if described is None:
            raise FileNotFoundError(path)
        return described

    monkeypatch.setattr(devices, "list_devices", lambda: names)
    monkeypatch.setattr(Path, "read_text", read_text)
    assert devices.quickest_precision() == policy


def test_notes_of_tensorflow_are_left_out_and_errors_are_not():
    lines = [
        "I0000 00:00:1795604646.462487   12708 cudart_stub.cc:31] Could not find cuda drivers",
        "2025-01-01 10:00:00.123456: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.",
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
        "E0000 00:00:1795604721.27   12708 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error",
        "E0000 00:00:1795604721.27   12708 cuda_dnn.cc:1] something else",
        "F0000 00:00:1795604721.27   12708 cpu.cc:1] was compiled to use AVX instructions",
        "Traceback (most recent call last):",
    ]

    def passed(*args):
        command = [sys.executable, "-c", devices.NOTES_FILTER, *args]
        text = "\n".join(lines)
        return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout.splitlines()

    assert passed() == lines[3:]
    assert passed("no GPU") == lines[4:]


def test_start_backend_leaves_standard_error_as_it_was(capfd):
    assert devices.start_backend()["devices"]
    os.write(2, b"I0000 00:00:1 1 x.cc:1] later\n")
    assert capfd.readouterr().err.endswith("later\n")
