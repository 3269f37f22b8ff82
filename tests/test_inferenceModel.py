"""Reading through the class and through the command line."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from helpers import ROOT
from inferenceModel import ImageToWordModel, main
from mltu.datasets import read_table
from mltu.datasets.alto import read_page
from mltu.inferenceModel import set_metadata
from mltu.language_model import main as build_language_model
from mltu.utils.errors import InputError
from mltu.utils.image_utils import paper_color, read_image
from mltu.utils.text_utils import get_cer, get_wer


@pytest.fixture(scope="module")
def run(trained_run):
    """(folder of a model, its validation samples)"""
    return trained_run[0], read_table(trained_run[0] / "val.csv")[0]


class Echo(ImageToWordModel):
    """Says how dark each half of the picture is, so that a picture's way to the network can be followed."""

    def predict(self, image):
        return str([round(float(half.mean())) for half in np.split(self.prepare(image), 2)])


def assert_refused(args, message, capsys):
    """The command line says so in one line, and ends with code 2."""
    try:
        code = main(args)
    except SystemExit as stop:
        code = stop.code
    told = capsys.readouterr().err
    assert code == 2
    assert message in told
    assert told.strip().count("\n") == 0


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
    assert main(["--model", str(folder), "--image", *paths]) == 2
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == [samples[0].image, samples[1].image]
    complaints = err.strip().splitlines()
    assert len(complaints) == 3
    for path, line in zip(paths[1:4], complaints, strict=True):
        assert line.startswith(f"inferenceModel.py: {path}: ")
    assert main(["--model", str(folder), "--image", *paths, "--output", str(tmp_path / "out.csv")]) == 2
    assert capsys.readouterr().out == ""
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
def test_names_that_are_not_text_are_read_and_shown(run, tmp_path):
    folder, samples = run
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    shutil.copy(samples[0].image, odd)
    command = [sys.executable, "inferenceModel.py", "--model", str(folder), "--image", odd, samples[0].image]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert done.returncode == 0
    assert b"\\udcff.png\t" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash tells how each part of a pipe ended")
@pytest.mark.parametrize("reader", ["head -n 1", "true"])  # the latter is gone before anything is written
def test_whoever_reads_the_output_may_stop_early(run, reader):
    folder, samples = run
    command = [sys.executable, "inferenceModel.py", "--model", folder, "--image", *(sample.image for sample in samples)]
    pipe = f"{shlex.join(map(str, command))} | {reader}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipe], cwd=ROOT, capture_output=True, text=True)
    *shown, code = done.stdout.splitlines()
    assert code == "0"
    assert [line.split("\t")[0] for line in shown] == ([samples[0].image] if reader != "true" else [])
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


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
    assert_refused([arg.format(run=run[0]) for arg in args], message, capsys)


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
        (["n", 0, 16, 3], 3, '"ab"', "takes input of shape"),
        (["n", 2**40, 16, 3], 3, '"ab"', "takes input of shape"),
        (["n", 30_000, 30_000, 3], 3, '"ab"', "too large"),
        (["n", 8, 16, 3], 3, "[1, 2]", "does not name its characters"),
        (["n", 8, 16, 3], 3, '{"a": 1, "b": 2}', "does not name its characters"),
    ):
        write(shape, classes, vocab)
        with pytest.raises(InputError, match=message):
            ImageToWordModel(tmp_path)
    for name, value in (
        ("temperature", '"hot"'),
        ("temperature", "-1"),
        ("temperature", "1e-300"),
        ("temperature", "NaN"),
        ("temperature", "true"),
        ("word_exponent", "1e999"),
        ("word_exponent", "[" * 500 + "]" * 500),
    ):
        write(["n", 8, 16, 3], 3, '"ab"', **{name: value})
        with pytest.raises(InputError, match=f"its {name} is"):
            ImageToWordModel(tmp_path)
    write(["n", 8, "w", 1], 3, '"ab"', color='"GRAY"', width_step="32")
    with pytest.raises(InputError, match="its width is None"):
        ImageToWordModel(tmp_path)
    for width, step in (("64", "0.5"), ("64", "65"), ("64", '"x"'), ("0", "8"), ("1e9", "8"), ("9" * 999, "8")):
        write(["n", 8, "w", 1], 3, '"ab"', color='"GRAY"', width_step=step, width=width)
        with pytest.raises(InputError, match="not a usable number"):
            ImageToWordModel(tmp_path)
    write(["n", 8, 16, 3], 3, '"ab"', color='["GRAY"]')
    with pytest.raises(InputError, match="takes input of shape"):
        ImageToWordModel(tmp_path)
    write(["n", 8, 16, 3], 3, '"ab"', preprocessing='{"invert": true}')
    with pytest.raises(InputError, match="other preprocessing"):
        ImageToWordModel(tmp_path)


def test_networks_that_fail_or_give_no_probabilities_are_named(tmp_path):
    from onnx import TensorProto, helper, save

    nodes = {
        "fails on an image": helper.make_node("Reshape", ["x", "shape"], ["y"]),
        "gives no probabilities": helper.make_node("Log", ["minus"], ["y"]),
    }
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [1, 7, 3])
    minus = helper.make_tensor("minus", TensorProto.FLOAT, [1, 4, 3], [-1.0] * 12)
    for message, node in nodes.items():
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8, 16, 3])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "steps", 3])
        graph = helper.make_graph([node], "g", [x], [y], [shape, minus])
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        proto.metadata_props.add(key="vocab", value='"ab"')
        save(proto, tmp_path / "model.onnx")
        with pytest.raises(InputError, match=message):
            ImageToWordModel(tmp_path).predict(np.zeros((8, 16), np.uint8))


def test_tensorflow_is_never_imported(run):
    code = (
        "import sys, inferenceModel; "
        f"code = inferenceModel.main(['--model', {str(run[0])!r}, '--image', {run[1][0].image!r}]); "
        "assert not {'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules); sys.exit(code)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


# --- with the weights that ship -------------------------------------------------------------

SHIPPED = str(ROOT / "Models" / "pretrained")
SAMPLES = ROOT / "samples"


@pytest.fixture(scope="module")
def shipped():
    return ImageToWordModel(SHIPPED)


def test_characters_have_confidences_and_places(shipped):
    image = read_image(SAMPLES / "line01.jpg")
    line = shipped.read(image)
    assert "".join(one.text for one in line.characters) == line.text
    starts = [one.start for one in line.characters]
    assert starts == sorted(starts)
    assert 0 <= starts[0] < 0.1
    assert 0.8 < line.characters[-1].end <= 1
    assert all(0 < one.confidence <= 1 for one in line.characters)
    assert line.confidence == pytest.approx(np.mean([one.confidence for one in line.characters]))
    # white paper on the right moves the places, not the text
    padded = cv2.copyMakeBorder(image, 0, 0, 0, image.shape[1], cv2.BORDER_CONSTANT, value=paper_color(image))
    wide = shipped.read(padded)
    assert wide.characters[-1].end == pytest.approx(line.characters[-1].end / 2, abs=0.05)


def test_light_writing_on_dark_ground_reads_the_same(shipped):
    image = read_image(SAMPLES / "line02.jpg")
    assert shipped.predict(255 - image) == shipped.predict(image)


def test_a_page_is_read_line_by_line(shipped):
    image = read_image(SAMPLES / "page.jpg")
    truth = (SAMPLES / "page.txt").read_text(encoding="utf-8").splitlines()
    page = shipped.predict_page(image)
    assert len(page.lines) == len(truth)
    assert get_cer([line.text for line in page.lines], truth) < 0.35
    assert shipped.predict_page(image, "auto").text == page.text
    assert len(shipped.predict_page(image, "line").lines) == 1
    line = read_image(SAMPLES / "line01.jpg")
    assert shipped.predict_page(line, "auto").text == shipped.predict(line)
    blank = shipped.predict_page(np.full((900, 700), 240, np.uint8))
    assert blank.lines == ()
    assert (blank.width, blank.height) == (700, 900)


def test_formats_by_name_and_by_ending(tmp_path, capsys):
    image = str(SAMPLES / "line01.jpg")
    assert main(["--image", image, "--model", SHIPPED, "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    text = found["lines"][0]["text"]
    assert main(["--image", image, "--model", SHIPPED, "--output", str(tmp_path / "é.csv")]) == 0
    with open(tmp_path / "é.csv", newline="", encoding="utf-8") as file:
        assert [row["reading"] for row in csv.DictReader(file)] == [text]
    pages = [image, str(SAMPLES / "page.jpg")]
    options = ["--format", "alto", "--output", str(tmp_path / "xml"), "--annotate", str(tmp_path / "seen")]
    assert main(["--image", *pages, "--model", SHIPPED, *options]) == 0
    name, lines, _ = read_page(tmp_path / "xml" / "page.xml")
    assert name == "page.jpg"
    assert len(lines) == 7
    assert read_page(tmp_path / "xml" / "line01.xml")[1][0].text == text
    assert read_image(tmp_path / "seen" / "page.png").shape[1] > read_image(SAMPLES / "page.jpg").shape[1]


def test_doubtful_words_are_marked(capsys):
    image = str(SAMPLES / "line01.jpg")
    assert main(["--image", image, "--model", SHIPPED, "--min_confidence", "1"]) == 0
    marked = capsys.readouterr().out.split()
    assert main(["--image", image, "--model", SHIPPED]) == 0
    assert marked == [f"{word}[?]" for word in capsys.readouterr().out.split()]


def test_standard_input_and_pages_of_one_file(tmp_path, capsys, monkeypatch):
    pictures = [PillowImage.open(SAMPLES / name) for name in ("line01.jpg", "line02.jpg")]
    pictures[0].save(tmp_path / "two.tif", save_all=True, append_images=pictures[1:])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=open(tmp_path / "two.tif", "rb")))
    assert main(["--image", "-", "--model", SHIPPED, "--format", "json"]) == 0
    pages = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [(page["source"], page["page"]) for page in pages] == [("-", 1), ("-", 2)]
    assert pages[0]["lines"][0]["text"] != pages[1]["lines"][0]["text"]


def test_a_folder_is_continued_after_a_kill(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(60):
        shutil.copy(SAMPLES / f"line{number % 12 + 1:02d}.jpg", folder / f"{number:02d}.jpg")
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    assert main(["--image", str(folder), "--model", SHIPPED, "--output", str(whole)]) == 0
    command = [sys.executable, "inferenceModel.py", "--image", str(folder), "--model", SHIPPED, "--output", str(cut)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and (not cut.exists() or cut.stat().st_size < 1000):
        time.sleep(0.01)
    process.kill()
    process.wait()
    partial = cut.read_bytes()
    assert len(partial) < len(whole.read_bytes())
    assert main(["--image", str(folder), "--model", SHIPPED, "--output", str(cut)]) == 0
    assert cut.read_bytes() == whole.read_bytes()


def test_beam_search_with_a_language_model_and_words(tmp_path, capsys):
    truth = [row["text"] for row in csv.DictReader(open(SAMPLES / "lines.csv", newline="", encoding="utf-8"))]
    (tmp_path / "text.txt").write_text("\n".join(truth * 5), encoding="utf-8")
    (tmp_path / "words.txt").write_text("\n".join(" ".join(truth).split()), encoding="utf-8")
    assert build_language_model([str(tmp_path / "text.txt"), "--output", str(tmp_path / "own.lm")]) == 0
    capsys.readouterr()
    table = ["--csv", str(SAMPLES / "lines.csv"), "--model", SHIPPED]
    rates = []
    for options in ([], ["--lm", str(tmp_path / "own.lm"), "--lexicon", str(tmp_path / "words.txt")]):
        assert main([*table, *options]) == 0
        rates.append(float(re.search(r"CER ([\d.]+)%", capsys.readouterr().out)[1]))
    assert rates[1] < rates[0] / 2  # of a text that it was built from
    assert main([*table, "--lm", str(tmp_path / "text.txt")]) == 2
    assert "text.txt: " in capsys.readouterr().err


def test_calibration_and_report(tmp_path, capsys):
    shutil.copy(ROOT / "Models" / "pretrained" / "model.onnx", tmp_path / "model.onnx")
    set_metadata(tmp_path / "model.onnx", temperature=7.0)
    table = ["--csv", str(SAMPLES / "lines.csv"), "--model", str(tmp_path)]
    assert main([*table, "--report", str(tmp_path / "before")]) == 0
    assert main([*table, "--calibrate"]) == 0
    assert "Stored in" in capsys.readouterr().out
    assert main([*table, "--report", str(tmp_path / "after")]) == 0
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("before", "after")]
    assert reports[1]["calibration_error"]["characters"] < reports[0]["calibration_error"]["characters"] / 2
    assert reports[0]["cer"] == reports[1]["cer"]
    assert (tmp_path / "after" / "index.html").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--image", "a.png", "--report", "x"], "--report goes with --csv"),
        (["--csv", "a.csv", "--annotate", "x"], "--annotate goes with --image"),
        (["--image", "a.png", "--page", "--line"], "exclude each other"),
        (["--image", "a.png", "--min_confidence", "3"], "--min_confidence: must be 0 to 1"),
        (["--image", "a.png", "--decoder", "greedy", "--lm", "x"], "need --decoder beam"),
        (["--image", "nowhere/*.png"], "no file matches this pattern"),
        (["--image", "a.png", "--lexicon", "none.txt"], "none.txt: "),
    ],
)
def test_wrong_combinations_are_one_line_and_exit_code_2(args, message, capsys):
    assert_refused(["--model", SHIPPED, *args], message, capsys)
