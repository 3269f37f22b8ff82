"""The whole pipeline through the command line, on generated lines."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from importlib import resources

import cv2
import h5py
import keras
import numpy as np
import pytest
import yaml
from PIL import Image as PillowImage

from configs import ModelConfigs
from helpers import LINE_RECIPE, ROOT, TINY_RUN, rows, run_script
from mltu.annotations.images import Image
from mltu.datasets import PUBLISHED_SPLITS, read_table
from mltu.inferenceModel import INT8, OnnxInferenceModel
from mltu.line_input import PREPROCESSING, LineInput
from mltu.run_folder import RunFolder, reserved
from mltu.tensorflow import export, model_utils, recurrent  # noqa: F401 - register the layers of saved models
from mltu.tensorflow.devices import Devices
from mltu.tensorflow.fine_tuning import load_initial_weights
from mltu.transformers import ImageResizer
from mltu.utils.text_utils import ctc_decoder
from train import build, main, parse


def test_main_leaves_all_output_files(trained_run):
    folder, process = trained_run
    run = RunFolder(folder)
    for path in {*run.products, run.samples} - {run.test, run.bad_batch, run.failed_onnx, run.int8}:
        assert path.stat().st_size > 0, path
    history = rows(folder / "training.csv")
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert all(float(row[name]) >= 0 for row in history for name in ("CER", "WER", "val_CER", "val_WER", "loss"))
    results = json.loads((folder / "results.json").read_text())
    assert results["epochs"] == 2
    best = min(history, key=lambda row: float(row["val_score"]))
    assert results["val_CER"] == pytest.approx(float(best["val_CER"]))
    assert results["best_epoch"] == int(best["epoch"])
    assert "val_CER" in process.stdout
    assert "Total params" in (folder / "network.txt").read_text(encoding="utf-8")
    assert "Total params" not in process.stdout
    assert "Nothing is read yet" in process.stdout
    assert f"python inferenceModel.py --model {folder} {folder.parent}" in process.stdout
    assert not re.search(r"^(I0000|WARNING: All log messages)", process.stderr, re.MULTILINE)
    assert (folder / "readings.txt").read_text(encoding="utf-8").count("true ") == 8
    assert "Traceback" not in process.stderr


def test_main_records_how_the_run_was_made_and_where_its_time_went(trained_run):
    folder, process = trained_run
    (entry,) = json.loads((folder / "run.json").read_text())
    assert "--samples" in entry["command"]
    assert entry["packages"]["keras"] == keras.__version__
    assert (entry["git"] is None) == (not (ROOT / ".git").exists())
    times = rows(folder / "timing.csv")
    train, _ = read_table(folder / "train.csv")
    assert [(row["epoch"], row["lines"]) for row in times] == [("1", str(len(train))), ("2", str(len(train)))]
    assert all(float(row[name]) > 0 for row in times for name in ("training", "validation", "read", "augment"))
    assert "is the bottleneck" not in process.stdout  # which five batches do not tell
    assert "0 s left" in process.stdout


def test_main_gives_tensorboard_validation_lines_as_pictures(trained_run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(trained_run[0] / "logs" / "readings")).Reload()
    pictures = events.Tensors("validation line 1")
    assert [picture.step for picture in pictures] == [0, 1]
    width, height, png = pictures[0].tensor_proto.string_val
    assert cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).shape == (int(height), int(width), 3)


def test_main_writes_a_split_that_separates_writers(trained_run):
    folder, _ = trained_run
    train, _ = read_table(folder / "train.csv")
    val, _ = read_table(folder / "val.csv")
    assert len(train) + len(val) == 40
    assert not {sample.writer for sample in train} & {sample.writer for sample in val}
    configs = ModelConfigs.load(folder / "configs.yaml")
    assert configs.vocab == "".join(sorted({c for sample in train + val for c in sample.text}))
    assert configs.max_text_length == max(len(sample.text) for sample in train + val)


def test_main_exports_onnx_that_reads_what_keras_reads(trained_run):
    folder, _ = trained_run
    configs = ModelConfigs.load(folder / "configs.yaml")
    model = keras.models.load_model(folder / "model.keras", compile=False)
    onnx_model = OnnxInferenceModel(folder)
    resizer = ImageResizer(configs.width, configs.height)
    val, _ = read_table(folder / "val.csv")
    images = np.stack([resizer(Image(sample.image).numpy(), "")[0] for sample in val]).astype(np.float32)
    ours = model.predict(images, verbose=0)
    theirs = onnx_model.model.run(None, {"input": images})[0]
    assert theirs == pytest.approx(ours, abs=1e-4)
    assert ctc_decoder(theirs, configs.vocab) == ctc_decoder(ours, configs.vocab)
    metadata = onnx_model.metadata
    assert (metadata["vocab"], metadata["height"], metadata["width"]) == (configs.vocab, 32, 128)
    assert metadata["preprocessing"] == PREPROCESSING


def test_main_trains_and_exports_the_line_network(line_run):
    configs = ModelConfigs.load(line_run / "configs.yaml")
    metadata = OnnxInferenceModel(line_run).metadata
    assert (configs.architecture, metadata["color"], metadata["width_step"]) == ("line", "GRAY", 32)
    assert len(rows(line_run / "training.csv")) == 2


def test_main_exports_again(line_run):
    before = (line_run / "model.onnx").stat().st_mtime_ns
    (line_run / INT8).write_bytes(b"an 8-bit copy of earlier weights")
    again = run_script("train.py", "--export_only", line_run, code=0)  # in a process that has built no network
    assert "same texts as Keras" in again.stdout
    assert (line_run / "model.onnx").stat().st_mtime_ns > before
    assert not (line_run / INT8).exists()


def test_main_puts_a_bad_export_aside_loudly(trained_run, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(trained_run[0], tmp_path / "run")
    monkeypatch.setattr(export, "MAX_DIFFERENCE", -1.0)
    assert main(["--export_only", str(folder)]) == 1
    assert "EXPORT FAILED" in capsys.readouterr().err
    assert not (folder / "model.onnx").exists()
    assert (folder / "model.failed.onnx").exists()


def test_main_takes_settings_of_an_earlier_run_to_a_new_folder(trained_run, tmp_path, capsys):
    folder, _ = trained_run
    target = tmp_path / "second"
    assert main(["--config", str(folder / "configs.yaml"), "--model_path", str(target), "--check_only"]) == 0
    first, second = (yaml.safe_load((run / "configs.yaml").read_text()) for run in (folder, target))
    assert {name for name in first if first[name] != second[name]} == {"model_path"}
    assert (target / "val.csv").read_text() == (folder / "val.csv").read_text()
    assert not (target / "model.keras").exists()
    assert "Nothing was trained" in capsys.readouterr().out


def test_parse_drops_settings_that_follow_from_other_data(trained_run, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("image,text\na.png,ab\nb.png,ba\n")
    args = ["--config", str(trained_run[0] / "configs.yaml"), "--dataset", "table", "--data_path", str(table)]
    _, configs = parse(args)
    assert (configs.vocab, configs.max_text_length, configs.height) == ("", 0, 32)
    assert parse([*args[:2], "--batch_size", "4"])[1].vocab != ""
    assert parse([*args[:2], "--dataset", "iam"])[1].data_path == "Datasets/IAM_Sentences"
    half = tmp_path / "half.yaml"
    half.write_text("dataset: table\n")
    assert parse(["--config", str(half), "--data_path", str(table)])[1].data_path == str(table)
    half.write_text("data_path: /my/iam\n")
    assert parse(["--config", str(half), "--dataset", "iam"])[1].data_path == "/my/iam"


def test_main_overwrites_no_earlier_run_by_accident(trained_run, capsys):
    folder, _ = trained_run
    before = (folder / "model.keras").stat().st_mtime_ns
    assert main(["--dataset", "synthetic", "--model_path", str(folder)]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert (folder / "model.keras").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("split", "parts"),
    [
        ("random", {"train": 12, "val": 4}),  # a quarter of the four writers, without the err rows
        ("aachen", {"train": 5, "val": 5, "test": 5}),
        ("official", {"train": 5, "val": 10, "test": 5}),
    ],
)
def test_main_reads_iam_from_the_download_to_the_lists(split, parts, tmp_path, png):
    name = "aachen" if split == "random" else split
    lists = [file for files in PUBLISHED_SPLITS[name].values() for file in files]
    folder = resources.files("mltu.datasets") / "iam_splits"
    forms = [(folder / f"{file}.txt").read_text().split()[0] for file in lists] + ["zzz-000"]
    rows_ = []
    for form in forms:
        for line, mark in enumerate(["ok"] * 4 + ["err"]):
            rows_.append(f"{form}-{line:02} {mark} 154 19 408 746 1661 89 a|b c|{line}")
            png(f"IAM/lines/{form[:3]}/{form}/{form}-{line:02}.png")
    (tmp_path / "IAM" / "ascii").mkdir()
    (tmp_path / "IAM" / "ascii" / "lines.txt").write_text("# lines\n" + "\n".join(rows_))
    (tmp_path / "IAM" / "ascii" / "forms.txt").write_text("".join(f"{f} w{i} 1\n" for i, f in enumerate(forms)))
    target = tmp_path / "run"
    args = ["--unit", "lines", "--split", split, "--data_path", str(tmp_path / "IAM"), "--train_fraction", "0.75"]
    assert main([*args, *TINY_RUN[:4], "--model_path", str(target), "--check_only"]) == 0
    assert {part: len(rows(target / f"{part}.csv")) for part in parts} == parts
    assert (target / "test.csv").exists() == ("test" in parts)
    assert rows(target / "val.csv")[0]["text"].startswith("a b c ")
    writers = [{row["writer"] for row in rows(target / f"{part}.csv")} for part in parts]
    assert sum(map(len, writers)) == len(set().union(*writers))


def test_main_lists_broken_lines_and_trains_on_the_others(tmp_path, png, line_image, capsys):
    table = [(png(f"good/{i}.png"), "ab" if i % 2 else "ba") for i in range(40)]
    whole = table[0][0].read_bytes()
    for name, content in (("cut.png", whole[:200]), ("empty.png", b""), ("text.png", b"no picture")):
        (tmp_path / name).write_bytes(content)
        table.append((tmp_path / name, "ab"))
    (tmp_path / "folder.png").mkdir()
    table += [(tmp_path / "folder.png", "ab"), (tmp_path / "missing.png", "ab"), (png("none.png"), "")]
    table += [(png("foreign.png"), "a\u20bf"), (png("long.png"), "ab" * 5000), (png("double.png"), "a" * 9)]
    color = PillowImage.fromarray(cv2.cvtColor(line_image, cv2.COLOR_GRAY2RGB))
    unusual = {"palette.png": color.convert("P"), "cmyk.jpg": color.convert("CMYK")}
    unusual["deep.png"] = PillowImage.fromarray(line_image.astype(np.uint16) * 257)
    for name, picture in unusual.items():
        picture.save(tmp_path / name)
        table.append((tmp_path / name, "ab"))
    with open(tmp_path / "t.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "text"), *table])
    target = tmp_path / "run"
    args = ["--dataset", "table", "--data_path", str(tmp_path / "t.csv"), "--vocab", "ab", "--train_epochs", "1"]
    assert main([*args, *TINY_RUN, "--model_path", str(target)]) == 0
    skipped = {row["source"].rsplit(os.sep)[-1]: row["reason"] for row in rows(target / "skipped.csv")}
    expected = {
        "cut.png": "the image is damaged",
        "empty.png": "the file is empty",
        "text.png": "not an image",
        "folder.png": "is a folder",
        "missing.png": "no such file",
        "foreign.png": "not in the vocabulary",
        "t.csv:47": "no text",
        "long.png": "10000 time steps",
        "double.png": "the text needs 17 time steps and the network has 16",
    }
    assert skipped.keys() == expected.keys()
    assert [name for name, reason in expected.items() if reason not in skipped[name]] == []
    assert f"{len(expected)} skipped" in capsys.readouterr().out
    used = {os.path.basename(row["image"]) for row in rows(target / "train.csv") + rows(target / "val.csv")}
    assert used == {*unusual, *(f"{i}.png" for i in range(40))}


def test_main_ends_at_a_loss_of_nan_and_names_the_lines(tmp_path, png, monkeypatch, capsys):
    from mltu.tensorflow import losses

    good = losses._tensorflow_ctc

    def bad_for_z(labels, *others):  # z is the last of the vocabulary
        bad = keras.ops.any(labels == 2, axis=1)
        return keras.ops.where(bad, np.nan, good(labels, *others))

    monkeypatch.setattr(losses, "_tensorflow_ctc", bad_for_z)
    table = tmp_path / "t.csv"
    texts = ["ab", "ba"] * 4 + ["az"]
    table.write_text("image,text\n" + "".join(f"{png(f'{i}.png')},{text}\n" for i, text in enumerate(texts)))
    (tmp_path / "val.csv").write_text(f"image,text\n{png('val.png')},ab\n")
    target = tmp_path / "run"
    args = ["--dataset", "table", "--data_path", str(table), "--val_path", str(tmp_path / "val.csv")]
    args += [*TINY_RUN, "--batch_size", "3", "--model_path", str(target)]
    assert main(args) == 1
    message = capsys.readouterr().err.splitlines()[-1]
    assert "the loss became NaN or infinite in epoch 1, batch" in message
    named = [row["image"] for row in rows(target / "bad_batch.csv")]
    assert str(tmp_path / "8.png") in named
    assert len(named) == 3
    assert all(name in message for name in named)


def test_main_draws_samples_and_suggests_a_learning_rate(trained_run, tmp_path, capsys):
    flags = ["--config", str(trained_run[0] / "configs.yaml"), "--model_path", str(tmp_path / "a")]
    assert main([*flags, "--show_samples"]) == 0
    seen = cv2.imread(str(tmp_path / "a" / "samples.png"))
    assert seen.shape[1] >= 4 * 128
    assert seen.std() > 5
    assert main([*flags, "--find_lr"]) == 0
    assert "Suggestion: --learning_rate " in capsys.readouterr().out
    tried = [float(row["learning_rate"]) for row in rows(tmp_path / "a" / "find_lr.csv")]
    assert tried == sorted(tried)
    assert tried[0] == pytest.approx(1e-6)
    assert cv2.imread(str(tmp_path / "a" / "find_lr.png")) is not None
    written = {path.name for path in (tmp_path / "a").iterdir()} - {".run.lock"}
    assert written == {"find_lr.csv", "find_lr.png", "samples.png"}


def test_main_keeps_and_exports_the_weights_on_ctrl_c(tmp_path):
    folder = tmp_path / "run"
    command = [sys.executable, "-u", str(ROOT / "train.py"), *TINY_RUN, "--dataset", "synthetic", "--samples", "64"]
    command += ["--data_path", str(tmp_path / "data"), "--model_path", str(folder), "--patience", "1000"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, text=True, encoding="utf-8", **pipes) as run:
        deadline = time.monotonic() + 300
        while not (folder / "model.keras").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        run.send_signal(signal.SIGINT)
        output = run.communicate(timeout=300)[0]
    assert run.returncode == 0, output
    assert "Traceback" not in output
    assert "Stopping after this batch" in output
    assert (folder / "model.onnx").exists()
    assert json.loads((folder / "results.json").read_text())["ended"] == "stopped by Ctrl-C"


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Flags of a run with all that recipes use: a mixed dataset, shortcut, averaged weights."""
    folder = tmp_path_factory.mktemp("recipe")
    other = folder / "other.yaml"
    other.write_text(f"dataset: synthetic\nsamples: 9\nseed: 5\nmax_chars: 6\ndata_path: {folder / 'other'}\n")
    mixed = ["--samples", "24", "--epoch_lines", "16", "--mix", str(other), "--mix_weights", "0.5,0.5"]
    return [*LINE_RECIPE, *mixed, "--data_path", str(folder / "data")]


SMALL_TRAIN = "tests/small_train.py"


def weights_of(folder):
    """All that Keras saves at the end of a run: name -> array, of network, optimiser and best model."""
    found = {}
    (last,) = (folder / "state").glob("*.weights.h5")
    with h5py.File(last) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    best = keras.models.load_model(folder / "model.keras").get_weights()
    return found | {f"best {number}": weights for number, weights in enumerate(best)}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is for POSIX systems")
def test_main_resumes_a_run_killed_again_and_again_to_the_same_end(recipe, tmp_path):
    import resource

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    flags = [*recipe, "--train_epochs", "4"]
    run_script(SMALL_TRAIN, *flags, "--model_path", whole, code=0)
    # saved after each batch, so that it dies within epochs, between weights and state, and before the best are replaced
    flags += ["--save_minutes", "1e-6", "--model_path", str(killed)]
    reached = []
    for waits in np.random.default_rng(3).integers(7, 16, 3):
        begun = ["--resume", killed] if reached else flags
        run_script(SMALL_TRAIN, "killed", "flush", waits, *begun, code=-signal.SIGKILL)
        state = json.loads((killed / "state" / "state.json").read_text())
        reached.append((len(state["epochs"]), state["batches"]))
    assert reached == sorted(set(reached))
    assert any(batches for _, batches in reached)

    def small_files():  # no file may grow beyond this, as on a full disk
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    full = run_script(SMALL_TRAIN, "--resume", killed, preexec_fn=small_files, code=2)
    assert next(line for line in full.stderr.splitlines() if line.startswith("train.py: ")).endswith("File too large")
    assert "Traceback" not in full.stderr
    run_script(SMALL_TRAIN, "--resume", killed, code=0)
    assert rows(whole / "training.csv") == rows(killed / "training.csv")
    first, second = weights_of(whole), weights_of(killed)
    assert first.keys() == second.keys()
    assert [name for name in first if not np.array_equal(first[name], second[name])] == []
    assert not list(killed.rglob("*.part*"))


def test_main_starts_from_the_weights_of_another_run_and_ends_in_time(recipe, tmp_path, line_run, capsys):
    flags = [*recipe, "--train_epochs", "500", "--max_minutes", "0.02"]
    other = ["--architecture", "reference", "--init_from", str(line_run), "--model_path", str(tmp_path / "a")]
    assert main([*flags, *other]) == 2
    assert "was trained with another architecture" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()
    assert main([*flags, "--model_path", str(tmp_path / "b")]) == 0
    results = json.loads((tmp_path / "b" / "results.json").read_text())
    assert results["ended"] == "0.02 minutes over"
    assert results["train_lines"] == 33 - results["val_lines"]
    configs = ModelConfigs.load(tmp_path / "b" / "configs.yaml")
    configs.init_from = str(tmp_path / "b")
    network = build(configs, LineInput.from_configs(configs), Devices())
    load_initial_weights(network, configs.vocab, configs.init_from, configs.initial().vocab)
    best = keras.models.load_model(tmp_path / "b" / "model.keras").get_weights()
    for kept, loaded in zip(best, network.reader.get_weights(), strict=True):
        assert np.array_equal(kept, loaded)


def test_main_refuses_what_cannot_be_resumed(trained_run, tmp_path, capsys):
    assert main(["--resume", str(tmp_path)]) == 2
    folder = shutil.copytree(trained_run[0], tmp_path / "run")  # which no other process of tests uses
    with reserved(folder):
        assert main(["--resume", str(folder)]) == 2
    assert "another run is using this folder" in capsys.readouterr().err
    assert main(["--resume", str(folder), "--height", "64"]) == 2
    assert "keeps the settings" in capsys.readouterr().err


def test_main_overfit_batch_learns_one_batch(tmp_path, capsys):
    args = ["--dataset", "synthetic", "--samples", "12", "--max_chars", "4", "--height", "32", "--width", "96"]
    args += ["--batch_size", "4", "--learning_rate", "0.002", "--data_path", str(tmp_path / "data")]
    assert main([*args, "--overfit_batch", "--model_path", str(tmp_path / "run")]) == 0
    assert "the set-up works" in capsys.readouterr().out
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--hieght", "64"], "did you mean --height"),
        (["--height", "tall"], "height: must be a whole number"),
        (["--dataset", "imagenet"], "dataset: must be one of iam, table, alto, page, synthetic"),
        (["--data_path", "nowhere", "--model_path", "{tmp}/m"], "nowhere: no such folder"),
        (["--dataset", "table", "--data_path", "no.csv", "--model_path", "{tmp}/m"], "no.csv: no such file"),
        (["--dataset", "synthetic", "--fonts", "nofonts", "--model_path", "{tmp}/m"], "nofonts: no such folder"),
        (["--config", "none.yaml"], "none.yaml: the configuration cannot be read"),
        (["--export_only", "{tmp}"], "cannot be read"),
        (["--check_only", "--overwrite"], "does not go with"),
        (["--dataset", "table", "--data_path", "x" * 300, "--model_path", "{tmp}/m"], "cannot be read"),
        (["--model_path", "x" * 300], "too long"),
        (["--dataset", "synthetic", "--data_path", "{tmp}/file", "--model_path", "{tmp}/m"], "cannot be put there"),
        (["--model_path", "{tmp}/file/run"], "cannot be used for a run"),
        (
            ["--dataset", "synthetic", "--activation", "reluu", "--samples", "3", "--model_path", "{tmp}/m"],
            "did you mean relu",
        ),
    ],
)
def test_main_reports_wrong_input_in_one_line_with_exit_code_2(args, message, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.chdir(tmp_path)
    try:
        code = main([arg.format(tmp=tmp_path) for arg in args])
    except SystemExit as stop:
        code = stop.code
    told = [line for line in capsys.readouterr().err.splitlines() if "Writing lines" not in line]
    assert code == 2
    assert message in "\n".join(told)
    assert len([line for line in told if line.strip()]) == 1
