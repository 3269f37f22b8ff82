"""What goes wrong in training, in one line for the person at the keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..datasets import write_table
from ..run_folder import RunFolder
from ..utils.errors import CommandError

if TYPE_CHECKING:
    from .dataProvider import DataProvider
    from .devices import Devices

# what TensorFlow, PyTorch and JAX say
OUT_OF_MEMORY = re.compile("RESOURCE_EXHAUSTED|OOM when allocating|out of memory", re.IGNORECASE)


class TrainingError(CommandError):
    """Training or export went wrong; the message says how."""

    exit_code = 1


class WorkerLost(TrainingError):
    """Another worker of the same training no longer answers."""

    at_once = True  # the usual end would wait for the other worker and print errors


class BadLoss(Exception):
    """Raised after a batch whose loss is NaN or infinite; the message names epoch and batch."""

    def __init__(self, epoch: int, batch: int) -> None:
        super().__init__(f"the loss became NaN or infinite in epoch {epoch + 1}, batch {batch + 1}")
        self.batch = batch


@contextmanager
def translated_failures(folder: RunFolder, devices: Devices) -> Iterator[list[DataProvider]]:
    """Turn what backends raise within the `with` block into one line each; a batch with a bad loss is listed.

    Yields:
        A list for the providers of all data, that of the training lines first, as soon as there are some.

    Raises:
        TrainingError: the loss became NaN or infinite, or there is too little memory.
        WorkerLost: another worker was lost.
        InputError: no line of a batch can be read any more.
    """
    providers: list[DataProvider] = []
    try:
        yield providers
    except BadLoss as error:
        lines = providers[0].get_batch_annotations(error.batch)
        if devices.is_chief:
            write_table(folder.bad_batch, lines)
        kept = f"; --export_only {folder.path} exports the best weights before it" if folder.weights.exists() else ""
        raise TrainingError(
            f"{error}, of {', '.join(str(line[0]) for line in lines)}: look at these lines, lower --learning_rate, "
            f"or use --precision float32{kept}"
        ) from None
    except CommandError:
        raise
    except Exception as error:
        failure = next((provider.failure for provider in providers if provider.failure), None)
        if failure:  # which TensorFlow hides in an error of its own
            raise failure from None
        if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)):
            raise TrainingError("out of memory: lower --batch_size, --width or --cache_mb") from None
        if devices.has_other_workers and type(error).__module__.startswith("tensorflow."):
            reason = " ".join(re.sub(r"{{.*?}}", "", str(error)).split())[:150]
            raise WorkerLost(
                f"another worker was lost; start all workers again with --resume {folder.path} ({reason})"
            ) from None
        raise
