"""The devices that a run trains on. Keras takes seconds to import, so it is imported where it is used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..utils.machine import processor_field

if TYPE_CHECKING:
    import keras

    from .callbacks import Clock, StopOnInterrupt
    from .dataProvider import DataProvider

BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}  # instructions of x86 and ARM


# Passes on what comes in, but for TensorFlow's notes that nothing is wrong and, given an argument, its error that
# there is no GPU. No environment variable silences those that it writes before its log is set up.
NOTES_FILTER = r"""
import re, sys
notes = rb"(\d{4}-\d\d-\d\d [\d:., ]+)?I(\d{4})? |WARNING: All log messages before absl::InitializeLog"
notes += rb"|E\d{4} .*failed call to cuInit" if sys.argv[1:] else b""
for line in sys.stdin.buffer:
    if not re.match(notes, line):
        sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()
"""


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave TensorFlow's notes out of standard error in this block.

    The rest passes another process, so that the last words of one that crashes come through.
    """
    no_gpu = [] if Path("/dev/nvidiactl").exists() else ["no GPU"]
    command = [sys.executable, "-I", "-S", "-c", NOTES_FILTER, *no_gpu]
    sys.stderr.flush()
    with (
        os.fdopen(os.dup(2), "wb") as errors,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=errors, start_new_session=True) as passing,
    ):
        os.dup2(passing.stdin.fileno(), 2)
        passing.stdin.close()
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(errors.fileno(), 2)


class Devices:
    """The devices that a run trains on; this class is one device, for which there is nothing to agree on."""

    is_chief = True  # whether this process writes the files
    saves_within_epochs = True  # whether a run can be resumed in the middle of an epoch
    has_other_workers = False

    def scope(self) -> AbstractContextManager:
        """Where the network is to be built and compiled."""
        return nullcontext()

    def wrap(self, network: keras.Model, shortcut: float = 0.0) -> keras.Model:
        """The model to compile: the network, with what several devices and its second output want around it.

        The loss of a second output has the factor `shortcut`; at 0 there is none.
        """
        from .model_utils import ShortcutModel

        return ShortcutModel(network, shortcut) if shortcut else network

    def prepare(self, model: keras.Model) -> None:
        """Prepare the compiled model, within the scope."""

    def feed(self, provider: DataProvider) -> Any:
        """What `fit` and `evaluate` take the batches of a provider from."""
        return provider.for_keras()

    def clock(self, max_seconds: float, spent: float) -> Clock:
        from .callbacks import Clock

        return Clock(max_seconds, spent)

    def interrupt(self, save: Callable[[], None]) -> StopOnInterrupt:
        from .callbacks import StopOnInterrupt

        return StopOnInterrupt(save)

    def connect(self, model: keras.Model, clock: Clock, interrupt: StopOnInterrupt) -> None:
        """Let a model share clock and interrupt with other workers."""

    def barrier(self) -> None:
        """Wait until all workers have come here, as one that left early would look lost to the others."""


def start_backend() -> dict[str, Any]:
    """Import Keras, without the notes that TensorFlow writes then; name of the backend and its devices."""
    with _quiet():
        import keras

        return {"backend": keras.backend.backend(), "devices": list_devices()}


def list_devices() -> list[str]:
    """The devices of this machine that Keras uses, such as "gpu:0", under any backend."""
    import keras

    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()
    import torch

    return [f"gpu:{number}" for number in range(torch.cuda.device_count())] or ["cpu:0"]


def enable_determinism() -> None:
    """Let TensorFlow compute bit for bit the same each time, if it is the backend; must come before the network."""
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def quickest_precision() -> str:
    """The dtype policy that trains quickest here.

    mixed_float16 with a GPU, mixed_bfloat16 where the CPU has instructions for it (as Linux tells), else float32.
    """
    if any(name.startswith("gpu") for name in list_devices()):
        return "mixed_float16"
    instructions = processor_field("flags", "Features").split()
    return "float32" if BFLOAT16.isdisjoint(instructions) else "mixed_bfloat16"
