import pytest

from helpers import rows
from mltu.run_folder import RunFolder
from mltu.tensorflow.devices import Devices
from mltu.tensorflow.failures import BadLoss, TrainingError, WorkerLost, translated_failures
from mltu.utils.errors import InputError


class Provider:
    """Training in its first epoch, with batches of one line."""

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


def test_translated_failures_name_and_list_the_lines_of_a_bad_loss(tmp_path):
    with pytest.raises(TrainingError, match=r"in epoch 1, batch 2, of epoch1-batch1\.png: .* lower --learning_rate"):
        fail(BadLoss(0, 1), tmp_path)
    assert [row["image"] for row in rows(tmp_path / "bad_batch.csv")] == ["epoch1-batch1.png"]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ResourceExhausted("RESOURCE_EXHAUSTED: OOM when allocating tensor"),
        RuntimeError("CUDA out of memory. Tried to allocate"),
    ],
)
def test_translated_failures_name_the_settings_to_lower_for_want_of_memory(error, tmp_path):
    with pytest.raises(TrainingError, match="out of memory: lower --batch_size"):
        fail(error, tmp_path)


def test_translated_failures_unwrap_the_error_of_a_provider(tmp_path):
    provider = Provider()
    provider.failure = InputError("no sample of batch 0 can be used")
    with pytest.raises(InputError, match="no sample of batch 0"):
        fail(RuntimeError("wrapped by a backend"), tmp_path, provider=provider)


def test_translated_failures_tell_of_a_lost_worker_only_where_there_are_others(tmp_path):
    with pytest.raises(WorkerLost, match=f"--resume {tmp_path} .a peer is gone"):
        fail(Aborted("a peer is gone {{node x}}"), tmp_path, OtherWorkers())
    assert WorkerLost.at_once
    with pytest.raises(Aborted):
        fail(Aborted("a peer is gone"), tmp_path)


@pytest.mark.parametrize("error", [ValueError("a mistake in the program"), InputError("out of memory.png: missing")])
def test_translated_failures_let_other_errors_pass_unchanged(error, tmp_path):
    with pytest.raises(type(error)) as caught:
        fail(error, tmp_path, OtherWorkers())
    assert caught.value is error
