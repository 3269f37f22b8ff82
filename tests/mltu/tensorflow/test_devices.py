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
