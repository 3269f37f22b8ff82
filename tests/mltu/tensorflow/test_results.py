import pytest

from mltu.run_folder import RunFolder
from mltu.tensorflow.fitting import STOPPED
from mltu.tensorflow.results import next_steps


@pytest.mark.parametrize(("ended", "resumed"), [(STOPPED, True), ("all epochs done", False)])
def test_next_steps_are_commands_to_copy(tmp_path, ended, resumed):
    folder = RunFolder(tmp_path / "my run")
    folder.state.mkdir(parents=True)
    folder.state_table.touch()
    first, *steps = next_steps(ended, folder, "a line.png").splitlines()
    assert first == f"Training ended: {ended}."
    assert steps[0] == f"Read a line:    python inferenceModel.py --model '{folder.path}' 'a line.png'"
    assert f"--csv '{folder.val}' --report '{folder.path / 'report'}'" in steps[1]
    assert steps[2:] == ([f"Train on:       python train.py --resume '{folder.path}'"] if resumed else [])
