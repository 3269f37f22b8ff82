import pytest

from configs import ModelConfigs
from mltu.run_folder import RunFolder
from mltu.tensorflow.model_utils import ShortcutModel
from mltu.tensorflow.summary import describe
from model import train_model


@pytest.mark.parametrize("shortcut", [False, True])
def test_describe_sums_up_a_run_and_keeps_the_layers(tmp_path, shortcut):
    options = {"architecture": "line", "shortcut": shortcut}
    model = train_model((32, None, 1), 5, **options)
    model = ShortcutModel(model, 0.1) if shortcut else model
    configs = ModelConfigs(architecture="line", max_minutes=5, patience=7, augmentors=("none",))
    folder = RunFolder(tmp_path)
    shown = describe(configs, model, {"train": range(57)}, folder, ["cpu:0"])
    assert shown.count("\n") < 10
    assert "takes 32 x any x 1, " in shown
    assert f"{model.count_params():,} weights" in shown
    assert "57 batches of 32 lines; ends after 5 minutes or 7 epochs without progress" in shown
    assert "Augmentation: none" in shown
    assert "cpu:0 in float32" in shown
    assert "Total params" in folder.network.read_text(encoding="utf-8")
