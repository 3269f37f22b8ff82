"""Reading through the class and through the command line."""

import csv
import os
import shlex
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from helpers import ROOT
from inferenceModel import ImageToWordModel, main
from mltu.datasets import read_table
from mltu.utils.errors import InputError
from mltu.utils.image_utils import read_image
from mltu.utils.text_utils import get_cer, get_wer


@pytest.fixture(scope="module")
def run(trained_run):
    """(folder of a model, its validation samples)"""
    return trained_run[0], read_table(trained_run[0] / "val.csv")[0]


class Echo(ImageToWordModel):
    """Says how dark each half of the picture is, so that a picture's way to the network can be followed."""

    def predict_batch(self, images):
        return [str([round(float(half.mean())) for half in np.split(self.prepare(one), 2)]) for one in images]


def test_all_kinds_of_arrays_read_the_same(run, line_image):
    model = Echo(run[0])
    bgr = cv2.cvtColor(line_image, cv2.COLOR_GRAY2BGR)
    bgra = np.dstack([bgr, np.full_like(line_image, 255)])
    variants = [line_image, line_image[..., None], bgr, bgra, line_image.astype(np.uint16) * 257, line_image / 255.0]
    assert {model.predict(variant) for variant in variants} == {model.predict(bgr)}
    see_through = np.dstack([np.zeros_like(bgr), 255 - line_image])
    assert model.predict(see_through) == model.predict(bgr)
    assert model.predict(bgr) != model.predict(bgr // 2)
    with pytest.raises(InputError, match="shape"):
        model.predict(np.zeros(5))


def test_a_line_reads_the_same_alone_and_in_a_batch(run):
    model = ImageToWordModel(run[0])
    images = [read_image(sample.image) for sample in run[1]]
    assert model.predict_batch(images) == [model.predict(image) for image in images]
    assert model.predict_batch([]) == []


def test_lines_of_any_width_read_the_same_alone_and_in_a_batch(line_run):
    model = ImageToWordModel(line_run)
    images = [read_image(sample.image) for sample in read_table(line_run / "train.csv")[0]]
    widths = [model.prepare(image).shape for image in images]
    assert {shape[0::2] for shape in widths} == {(32, 1)}
    assert len(set(widths)) > 1
    assert model.predict_batch(images) == [model.predict(image) for image in images]


def test_characters_may_be_given(run):
    known = ImageToWordModel(run[0]).char_list
    assert ImageToWordModel(model_path=run[0], char_list=list(known)).char_list == list(known)
    with pytest.raises(InputError, match="classes"):
        ImageToWordModel(run[0], char_list="ab")


def test_one_image_prints_its_text(run, capsys):
    folder, samples = run
    assert main(["--model", str(folder), "--image", samples[0].image]) == 0
    assert capsys.readouterr().out == ImageToWordModel(folder).predict(read_image(samples[0].image)) + "\n"


def test_several_images_print_path_tab_text_and_bad_ones_do_not_stop_them(run, tmp_path, capsys):
    folder, samples = run
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    paths = [samples[0].image, str(tmp_path / "zero.png"), str(tmp_path / "text.png"), "missing.png", samples[1].image]
    assert main(["--model", str(folder), "--image", *paths, "--output", str(tmp_path / "out.csv")]) == 2
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == [samples[0].image, samples[1].image]
    complaints = err.strip().splitlines()
    assert len(complaints) == 3
    for path, line in zip(paths[1:4], complaints, strict=True):
        assert line.startswith(f"inferenceModel.py: {path}: ")
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        assert [row["image"] for row in csv.DictReader(file)] == [samples[0].image, samples[1].image]


def test_inputs_are_not_overwritten(run, tmp_path, capsys):
    folder, samples = run
    table = tmp_path / "t.csv"
    table.write_text(f"{samples[0].image},some text\n")
    for args in (["--csv", str(table)], ["--image", str(table)]):
        assert main(["--model", str(folder), *args, "--output", str(tmp_path / "." / "t.csv")]) == 2
        assert "is an input too" in capsys.readouterr().err
    assert table.read_text().endswith("some text\n")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_names_that_are_no_text_and_pipes_that_close(run, tmp_path):
    folder, samples = run
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    shutil.copy(samples[0].image, odd)
    command = [sys.executable, "inferenceModel.py", "--model", str(folder), "--image", odd, samples[0].image]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert done.returncode == 0
    assert b"\\udcff.png\t" in done.stdout
    pipe = f"{shlex.join([*command, *[samples[0].image] * 3])} | head -n 1"
    done = subprocess.run(os.fsencode(pipe), cwd=ROOT, shell=True, capture_output=True)
    assert b"Traceback" not in done.stderr


def test_tables_give_rates_over_all_rows(run, tmp_path, capsys):
    folder, samples = run
    out = tmp_path / "out.csv"
    assert main(["--model", str(folder), "--csv", str(folder / "val.csv"), "--output", str(out)]) == 0
    printed, progress = capsys.readouterr()
    with open(out, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    readings, texts = [row["reading"] for row in rows], [row["text"] for row in rows]
    assert texts == [sample.text for sample in samples]
    assert f"CER {get_cer(readings, texts):.2%} " in printed
    assert f"WER {get_wer(readings, texts):.2%} " in printed
    assert f"{len(samples)} lines" in printed
    assert float(rows[0]["cer"]) == pytest.approx(get_cer(readings[0], texts[0]), abs=1e-6)
    assert "Reading" in progress


def test_tables_with_bad_rows_are_read_all_the_same(run, tmp_path, capsys):
    folder, samples = run
    table = tmp_path / "t.csv"
    table.write_text(f"{samples[0].image},some text\nmissing.png,more\n{samples[0].image},\n")
    assert main(["--model", str(folder), "--csv", str(table)]) == 2
    out, err = capsys.readouterr()
    assert "1 lines" in out
    assert f"{table}:3: no text" in err
    assert "missing.png: no such file" in err
    table.write_text("missing.png,more\n")
    assert main(["--model", str(folder), "--csv", str(table)]) == 2
    assert "not one of its images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--image", "x.png"], "Models/pretrained: no such model; train one with `python train.py`"),
        (["--image", "x.png", "--model", "nowhere"], "nowhere: no such model"),
        (["--model", "{run}", "--csv", "none.csv"], "none.csv: no such file"),
        (["--model", "{run}", "--image", "x.png", "--output", "no/such/o.csv"], "no/such/o.csv: cannot be written"),
        ([], "--image"),
        (["--image", "a.png", "--csv", "b.csv"], "one of the two"),
        (["--imaeg", "a.png"], "did you mean --image"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(args, message, run, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    try:
        code = main([arg.format(run=run[0]) for arg in args])
    except SystemExit as stop:
        code = stop.code
    told = capsys.readouterr().err
    assert code == 2
    assert message in told
    assert told.strip().count("\n") == 0


def test_other_onnx_models_are_refused(tmp_path):
    from onnx import TensorProto, helper, save

    def write(shape, classes, vocab, **metadata):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, classes])
        node = helper.make_node("RandomUniform", [], ["y"], shape=[1, 4, classes])
        graph = helper.make_graph([node], "g", [x], [y])
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        if vocab is not None:
            metadata["vocab"] = vocab
        for key, value in metadata.items():
            proto.metadata_props.add(key=key, value=value)
        save(proto, tmp_path / "model.onnx")

    for shape, classes, vocab, message in (
        (["n", 8, 16, 3], 3, None, "does not name its characters"),
        (["n", 8, 16, 3], 3, "7", "does not name its characters"),
        (["n", 8, 16, 3], 9, '"ab"', "9 classes for 2 characters"),
        (["n", 8, 16, 1], 3, '"ab"', "takes input of shape"),
        (["n", 8, "w", 3], 3, '"ab"', "takes input of shape"),
        (["n", 8], 3, '"ab"', "takes input of shape"),
    ):
        write(shape, classes, vocab)
        with pytest.raises(InputError, match=message):
            ImageToWordModel(tmp_path)
    write(["n", 8, 16, 3], 3, '"ab"', preprocessing='{"invert": true}')
    with pytest.raises(InputError, match="other preprocessing"):
        ImageToWordModel(tmp_path)


def test_tensorflow_is_never_imported(run):
    code = (
        "import sys, inferenceModel; "
        f"code = inferenceModel.main(['--model', {str(run[0])!r}, '--image', {run[1][0].image!r}]); "
        "assert not {'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules); sys.exit(code)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0
