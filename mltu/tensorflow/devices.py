"""What Keras computes on."""

from __future__ import annotations

import keras

from ..utils.machine import processor_field

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # instructions of x86 and ARM


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
    instructions = processor_field("flags", "Features").split()
    return "float32" if BFLOAT16.isdisjoint(instructions) else "mixed_bfloat16"
