"""The line finder's training through the command line, on generated pages."""

import csv
import json
import shutil

import keras
import numpy as np
import onnxruntime
import pytest

from helpers import ROOT, write_page
from mltu.configs import read_yaml
from mltu.pages import LineFinder
from mltu.pages.maps import MAPS
from mltu.run_folder import RunFolder
from mltu.tensorflow import monitoring
from mltu.tensorflow.callbacks import StopOnInterrupt
from train_lines import LineFinderConfigs, main

TINY = ["--side", "64", "--epoch_scenes", "6", "--val_scenes", "2", "--batch_size", "2", "--train_epochs", "2"]
TINY += ["--load_in_processes", "no", "--warmup_steps", "2"]


@pytest.fixture(scope="module")
def pages(once):
    """Flags that name folders of generated pages."""

    def write(folder):
        for part, seeds in (("train", range(3)), ("val", range(3, 4))):
            for seed in seeds:
                write_page(folder / part, f"page-{seed}", seed, lines=4)
        return ["--data_path", str(folder / "train"), "--val_path", str(folder / "val")]

    return once("pages", write)


@pytest.fixture(scope="module")
def run(pages, once):
    """The folder of a run that was not interrupted."""

    def train(folder):
        assert main([*pages, *TINY, "--model_path", str(folder)]) == 0
        return folder

    return RunFolder(once("lines_of_pages", train))


def best_weights(folder):
    return keras.models.load_model(folder.weights, compile=False).get_weights()


def test_main_leaves_its_output_files(run):
    for path in (run.configs, run.record, run.train, run.val, run.skipped, run.samples, run.epochs, run.timing):
        assert path.exists(), path
    for path in (run.curves, run.log, run.results, run.weights, run.onnx):
        assert path.stat().st_size > 0, path
    with open(run.epochs, newline="") as file:
        epochs = list(csv.DictReader(file))
    assert [row["epoch"] for row in epochs] == ["1", "2"]
    best = min(epochs, key=lambda row: float(row["val_score"]))
    results = json.loads(run.results.read_text())
    assert results["val_F1"] == pytest.approx(float(best["val_F1"]))
    assert (results["train_pages"], results["val_pages"], results["skipped"]) == (3, 1, 0)
    assert results["ended"] == "all epochs done"


def test_main_exports_a_network_that_takes_pages_of_any_size(run):
    session = onnxruntime.InferenceSession(run.onnx)
    (network_input,) = session.get_inputs()
    maps = session.run(None, {network_input.name: np.full((1, 96, 160, 1), 200, np.float32)})[0]
    assert maps.shape == (1, 48, 80, len(MAPS))
    assert json.loads(session.get_modelmeta().custom_metadata_map["maps"]) == list(MAPS)
    assert run.onnx.stat().st_size < 3_000_000


def test_main_resumed_within_an_epoch_ends_as_if_it_had_not_been_interrupted(run, pages, tmp_path, monkeypatch):
    folder, batches = RunFolder(tmp_path / "killed"), []

    class Killed(Exception):
        pass

    def die(self, batch, logs=None):
        batches.append(batch)
        if len(batches) == 5:  # the second of three in the second epoch
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(StopOnInterrupt, "on_train_batch_end", die)
        with pytest.raises(Killed):
            main([*pages, *TINY, "--model_path", str(folder.path), "--save_minutes", "0.0000001"])
    assert json.loads(folder.state_table.read_text())["batches"] == 2
    assert main(["--resume", str(folder.path)]) == 0
    with open(run.epochs) as whole, open(folder.epochs) as resumed:
        assert whole.read() == resumed.read()
    for ours, theirs in zip(best_weights(run), best_weights(folder), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_main_ends_in_good_order_when_the_minutes_are_over(pages, tmp_path, monkeypatch):
    monkeypatch.setattr(monitoring.StageTimes, "RECENT", 1)
    folder = RunFolder(tmp_path / "short")
    assert main([*pages, *TINY, "--model_path", str(folder.path), "--max_minutes", "0.00001"]) == 0
    results = json.loads(folder.results.read_text())
    assert results["ended"] == "1e-05 minutes over"
    assert results["epochs"] == 1
    assert folder.onnx.exists()


def test_main_export_only_writes_the_network_again(run, tmp_path):
    copied = shutil.copytree(run.path, tmp_path / "copy")
    RunFolder(copied).onnx.unlink()
    assert main(["--export_only", str(copied)]) == 0
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 1)).astype(np.float32)
    maps = [LineFinder(path).maps(image[0, ..., 0]) for path in (run.onnx, RunFolder(copied).onnx)]
    assert np.array_equal(*maps)


def test_main_check_only_draws_scenes_and_lists_unusable_pages(pages, tmp_path, capsys):
    data = shutil.copytree(pages[1], tmp_path / "data")
    (data / "page-1.png").write_bytes(b"no image")
    folder = RunFolder(tmp_path / "run")
    flags = ["--data_path", str(data), *pages[2:], *TINY, "--model_path", str(folder.path)]
    assert main([*flags, "--check_only"]) == 0
    assert folder.samples.stat().st_size > 0
    assert not folder.weights.exists()
    assert "page-1.png" in folder.skipped.read_text()
    assert "Pages: 2 train, 1 val." in capsys.readouterr().out
    assert main(flags) == 2  # the folder holds a run
    assert "--overwrite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "data_path, val_path: must name the folders"),
        (["--data_path", "gone", "--val_path", "gone", "--model_path", "new"], "gone: no such folder"),
        (["--data_path", "a", "--val_path", "a", "--side", "100"], "side: must be a multiple of 32, not 100"),
        (["--data_path", "a", "--val_path", "a", "--max_scale", "0.3"], "min_scale: must be at most max_scale"),
        (["--resume", "Models/x", "--overwrite"], "--resume goes on with a run"),
    ],
)
def test_main_names_wrong_input_in_one_line(flags, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    try:
        code = main(flags)
    except SystemExit as ended:  # of the parser
        code = ended.code
    error = capsys.readouterr().err
    assert code == 2
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_recipe_names_known_settings():
    LineFinderConfigs.check_names_and_types(read_yaml(ROOT / "recipes" / "lines_of_pages.yaml"))
