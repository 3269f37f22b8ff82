import csv

import pytest

from mltu.run_folder import RunFolder
from mltu.tensorflow.devices import Devices
from mltu.tensorflow.failures import BadLoss, TrainingError, WorkerLost, translated_failures
from mltu.utils.errors import InputError


class Provider:
    """In its first epoch, with batches of one line."""

    failure = None
    epoch = 1

    def get_batch_annotations(self, batch):
        return [(f"epoch{self.epoch}-batch{batch}.png", "text", "writer", "form")]


class OtherWorkers(Devices):
    has_other_workers = True


class ResourceExhausted(Exception):
    pass


Aborted = type("AbortedError", (Exception,), {"__module__": "tensorflow.python.framework.errors_impl"})


def fail(error, folder, devices=None, provider=None):
    with translated_failures(RunFolder(folder), devices or Devices()) as providers:
        providers.append(provider or Provider())
        raise error


def test_bad_loss_names_the_lines_of_its_batch_and_lists_them(tmp_path):
    with pytest.raises(TrainingError, match=r"in epoch 1, batch 2, of epoch1-batch1\.png: .* lower --learning_rate"):
        fail(BadLoss(0, 1), tmp_path)
    with open(tmp_path / "bad_batch.csv", newline="") as file:
        assert [row["image"] for row in csv.DictReader(file)] == ["epoch1-batch1.png"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ResourceExhausted("RESOURCE_EXHAUSTED: OOM when allocating tensor"),
        RuntimeError("CUDA out of memory. Tried to allocate"),
    ],
)
def test_lack_of_memory_names_the_settings_to_lower(error, tmp_path):
    with pytest.raises(TrainingError, match="out of memory: lower --batch_size"):
        fail(error, tmp_path)


def test_failure_of_a_provider_comes_out_of_what_wraps_it(tmp_path):
    provider = Provider()
    provider.failure = InputError("no sample of batch 0 can be used")
    with pytest.raises(InputError, match="no sample of batch 0"):
        fail(RuntimeError("wrapped by a backend"), tmp_path, provider=provider)


def test_lost_worker_is_told_only_where_there_are_others(tmp_path):
    with pytest.raises(WorkerLost, match=f"--resume {tmp_path} .a peer is gone"):
        fail(Aborted("a peer is gone {{node x}}"), tmp_path, OtherWorkers())
    assert WorkerLost.at_once
    with pytest.raises(Aborted):
        fail(Aborted("a peer is gone"), tmp_path)


@pytest.mark.parametrize("error", [ValueError("a mistake in the program"), InputError("out of memory.png: missing")])
def test_other_errors_pass_unchanged(error, tmp_path):
    with pytest.raises(type(error)) as caught:
        fail(error, tmp_path, OtherWorkers())
    assert caught.value is error
