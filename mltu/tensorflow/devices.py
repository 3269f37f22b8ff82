"""What Keras computes on."""

from __future__ import annotations

import re
from pathlib import Path

import keras


def list_devices() -> list[str]:
    """The devices of this machine that Keras uses, such as "gpu:0", under any backend."""
    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()
    import torch

    return [f"gpu:{number}" for number in range(torch.cuda.device_count())] or ["cpu:0"]


def quickest_precision() -> str:
    """The dtype policy that trains quickest here.

    mixed_float16 with a GPU, mixed_bfloat16 where the CPU has instructions for it (as Linux tells), else float32.
    """
    if any(name.startswith("gpu") for name in list_devices()):
        return "mixed_float16"
    try:
        described = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "float32"
    quick = re.search(r"^(flags|Features)\s*:.*\b(avx512_bf16|amx_bf16|bf16)\b", described, re.MULTILINE)
    return "mixed_bfloat16" if quick else "float32"
