"""Reading through the class and through the command line."""

import csv
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

from helpers import PRETRAINED, ROOT, SAMPLES
from inferenceModel import ImageToWordModel, main
from mltu.beam_search import BeamSearch
from mltu.datasets import read_table
from mltu.inferenceModel import set_metadata
from mltu.language_model import main as build_language_model
from mltu.utils.errors import InputError
from mltu.utils.image_utils import read_image


@pytest.fixture(scope="module")
def run(trained_run):
    """(folder of a model, its validation samples)"""
    return trained_run[0], read_table(trained_run[0] / "val.csv")[0]


class Echo(ImageToWordModel):
    """Says how dark each half of the network's input is, to compare the inputs that images become."""

    def predict(self, image):
        return str([round(float(half.mean())) for half in np.split(self.line_input(image), 2)])


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


def test_predict_takes_all_kinds_of_arrays(run, line_image):
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


def test_predict_takes_paths_and_pillow_images(line_image, png, pretrained):
    model = ImageToWordModel(PRETRAINED)
    path, picture = png("line.png"), PillowImage.fromarray(line_image)
    expected = model.predict(line_image)
    assert expected
    assert {model.predict(image) for image in (path, str(path), picture, picture.convert("RGBA"))} == {expected}
    assert model.predict_batch([path, picture]) == [expected] * 2
    assert model.read(path).text == expected
    page = model.predict_page(path, "line")
    assert (page.source, page.lines[0].text) == (str(path), expected)
    with pytest.raises(InputError, match="NoneType is not an image"):
        model.predict(None)


def test_main_takes_files_with_and_without_a_flag(capsys):
    names = [str(SAMPLES / f"line0{number}.jpg") for number in (1, 2, 3)]
    assert main([names[0], "--threads", "1", names[1], "--image", names[2]]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == names


def test_predict_and_predict_batch_give_the_texts_of_read(pretrained):
    model = ImageToWordModel(PRETRAINED)
    images = [read_image(SAMPLES / name) for name in ("line01.jpg", "line09.jpg", "line03.jpg")]
    texts = [pretrained.read(image).text for image in images]
    assert [model.predict(image) for image in images] == texts
    assert model.predict_batch(images) == texts
    assert model.predict_batch([]) == []
    assert model(images[0]) == texts[0]


def test_main_reads_what_it_can_and_ends_with_code_2(run, tmp_path, capsys):
    folder, samples = run
    (tmp_path / "text.png").write_text("no picture")
    bad = str(tmp_path / "text.png")
    assert main(["--model", str(folder), "--image", samples[0].image, bad, samples[1].image]) == 2
    out, err = capsys.readouterr()
    assert [line.split("\t")[0] for line in out.splitlines()] == [samples[0].image, samples[1].image]
    (complaint,) = err.strip().splitlines()
    assert complaint.startswith(f"inferenceModel.py: {bad}: ")


def test_main_does_not_overwrite_inputs(run, tmp_path, capsys):
    folder, samples = run
    table = tmp_path / "t.csv"
    table.write_text(f"{samples[0].image},some text\n")
    for args in (["--csv", str(table)], ["--image", str(table)]):
        assert main(["--model", str(folder), *args, "--output", str(tmp_path / "." / "t.csv")]) == 2
        assert "is an input too" in capsys.readouterr().err
    assert table.read_text().endswith("some text\n")


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_main_prints_names_that_are_not_text(run, tmp_path):
    folder, samples = run
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    shutil.copy(samples[0].image, odd)
    command = [sys.executable, "inferenceModel.py", "--model", str(folder), "--image", odd, samples[0].image]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    assert done.returncode == 0
    assert b"\\udcff.png\t" in done.stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash tells how each part of a pipe ended")
@pytest.mark.parametrize("reader", ["head -n 1", "true"])  # the latter is gone before anything is written
def test_main_ends_silently_when_its_reader_has_seen_enough(run, reader):
    folder, samples = run
    command = [sys.executable, "inferenceModel.py", "--model", folder, "--image", *(sample.image for sample in samples)]
    pipe = f"{shlex.join(map(str, command))} | {reader}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", pipe], cwd=ROOT, capture_output=True, text=True)
    *shown, code = done.stdout.splitlines()
    text = ImageToWordModel(folder).predict(read_image(samples[0].image))
    assert code == "0"
    assert shown == ([f"{samples[0].image}\t{text}"] if reader != "true" else [])
    assert done.stderr == ""


def test_main_ends_with_code_2_for_tables_with_bad_rows(run, tmp_path, capsys):
    folder, samples = run
    table = tmp_path / "t.csv"
    table.write_text(f"{samples[0].image},some text\nmissing.png,more\n{samples[0].image},\n")
    assert main(["--model", str(folder), "--csv", str(table), "--output", str(tmp_path / "out.csv")]) == 2
    out, err = capsys.readouterr()
    assert "1 lines" in out
    assert (tmp_path / "out.csv").exists()
    assert f"inferenceModel.py: {table}:3: no text" in err
    assert "missing.png: no such file" in err
    table.write_text("missing.png,more\n")
    assert main(["--model", str(folder), "--csv", str(table)]) == 2
    assert "not one of its images" in capsys.readouterr().err


def test_main_chooses_the_format_by_name_and_by_ending(tmp_path, capsys):
    image = str(SAMPLES / "line01.jpg")
    assert main(["--image", image, "--model", str(PRETRAINED), "--format", "json"]) == 0
    text = json.loads(capsys.readouterr().out)["lines"][0]["text"]
    assert main(["--image", image, "--model", str(PRETRAINED), "--output", str(tmp_path / "é.csv")]) == 0
    with open(tmp_path / "é.csv", newline="", encoding="utf-8") as file:
        assert [row["reading"] for row in csv.DictReader(file)] == [text]
    assert main(["--image", image, "--model", str(PRETRAINED), "--min_confidence", "1"]) == 0
    assert capsys.readouterr().out.split() == [f"{word}[?]" for word in text.split()]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["x.png"], "x.png: no such file"),
        (["--image", "x.png", "--model", "nowhere"], "nowhere: no such model"),
        (["--model", "{run}", "--csv", "none.csv"], "none.csv: no such file"),
        (["--model", "{run}", "--image", "x.png", "--output", "{run}/model.onnx/o.csv"], "o.csv: cannot be written"),
        ([], "name images, or a table"),
        (["a.png", "--csv", "b.csv"], "one of the two"),
        (["--image", "a.png", "--csv", "b.csv"], "one of the two"),
        (["--imaeg", "a.png"], "did you mean --image"),
    ],
)
def test_main_refuses_wrong_use_in_one_line(args, message, run, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert_refused([arg.format(run=run[0]) for arg in args], message, capsys)


def test_main_never_imports_tensorflow(run):
    code = (
        "import sys, inferenceModel; "
        f"code = inferenceModel.main(['--model', {str(run[0])!r}, '--image', {run[1][0].image!r}]); "
        "assert not {'tensorflow', 'keras', 'torch', 'jax'} & set(sys.modules); sys.exit(code)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True).returncode == 0


def test_main_reads_better_with_a_language_model_and_words(tmp_path, capsys):
    truth = [row["text"] for row in csv.DictReader(open(SAMPLES / "lines.csv", newline="", encoding="utf-8"))]
    (tmp_path / "text.txt").write_text("\n".join(truth * 5), encoding="utf-8")
    (tmp_path / "words.txt").write_text("\n".join(" ".join(truth).split()), encoding="utf-8")
    assert build_language_model([str(tmp_path / "text.txt"), "--output", str(tmp_path / "own.lm")]) == 0
    capsys.readouterr()
    table = ["--csv", str(SAMPLES / "lines.csv"), "--model", str(PRETRAINED)]
    rates = []
    for options in ([], ["--lm", str(tmp_path / "own.lm"), "--lexicon", str(tmp_path / "words.txt")]):
        assert main([*table, *options]) == 0
        rates.append(float(re.search(r"CER ([\d.]+)%", capsys.readouterr().out)[1]))
    assert rates[1] < rates[0] / 2  # the language model was built from this text
    assert main([*table, "--lm", str(tmp_path / "text.txt")]) == 2
    assert "text.txt: " in capsys.readouterr().err


def test_main_reads_english_from_any_folder(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    english = read_table(SAMPLES / "lines.csv")[0][:6]
    rows = [f'"{sample.image}","{sample.text}"' for sample in english]
    (tmp_path / "english.csv").write_text("\n".join(["image,text", *rows]), encoding="utf-8")
    rates = []
    for options in ([], ["--language", "en"]):
        assert main(["--csv", "english.csv", *options]) == 0
        rates.append(float(re.search(r"CER ([\d.]+)%", capsys.readouterr().out)[1]))
    assert rates[1] < 0.85 * rates[0]


def test_model_with_a_language_decodes_with_it():
    model = ImageToWordModel(PRETRAINED, language="en", threads=1)
    assert isinstance(model.decoder, BeamSearch)
    assert ImageToWordModel(PRETRAINED, threads=1).decoder is None
    with pytest.raises(InputError, match="known: en, fr"):
        ImageToWordModel(PRETRAINED, language="xx")
    with pytest.raises(ValueError, match="not both"):
        ImageToWordModel(PRETRAINED, language="en", decoder=model.decoder)


def test_main_calibrates_and_reports(tmp_path, capsys):
    shutil.copy(PRETRAINED / "model.onnx", tmp_path / "model.onnx")
    set_metadata(tmp_path / "model.onnx", temperature=7.0)
    rows = list(csv.reader(open(SAMPLES / "lines.csv", newline="", encoding="utf-8")))[1:]
    with open(tmp_path / "lines.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([SAMPLES / row[0], row[1]] for row in rows * 5)
    table = ["--csv", str(tmp_path / "lines.csv"), "--model", str(tmp_path)]
    assert main([*table, "--report", str(tmp_path / "before")]) == 0
    assert main([*table, "--calibrate"]) == 0
    assert "Stored in" in capsys.readouterr().out
    assert main([*table, "--report", str(tmp_path / "after")]) == 0
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("before", "after")]
    assert reports[1]["calibration_error"]["characters"] < reports[0]["calibration_error"]["characters"] / 2
    assert reports[0]["calibration_error"].keys() == {"characters", "words", "lines"}
    assert reports[0]["cer"] == reports[1]["cer"]
    assert (tmp_path / "after" / "index.html").stat().st_size > 10_000


def test_main_calibrates_with_neither_the_pretrained_model_nor_a_dozen_lines(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    before = (PRETRAINED / "model.onnx").read_bytes()
    table = ["--csv", str(SAMPLES / "lines.csv"), "--calibrate"]
    for options in ([], ["--model", "Models/pretrained"], ["--model", "Models/pretrained/model.onnx"]):
        assert_refused([*table, *options], "name one of your own with --model", capsys)
    assert (PRETRAINED / "model.onnx").read_bytes() == before
    shutil.copy(PRETRAINED / "model.onnx", tmp_path / "model.onnx")
    assert_refused([*table, "--model", str(tmp_path)], "12 lines are too few", capsys)
    assert (tmp_path / "model.onnx").read_bytes() == before


def test_main_does_not_mix_decoders_in_one_file(tmp_path, capsys, monkeypatch):
    (tmp_path / "words.txt").write_text("words")
    read = ["--image", str(SAMPLES / "line01.jpg"), "--model", str(PRETRAINED), "--output", str(tmp_path / "out.csv")]
    assert main(read) == 0
    assert_refused([*read, "--lexicon", str(tmp_path / "words.txt")], "--overwrite", capsys)
    assert main([*read, "--lexicon", str(tmp_path / "words.txt"), "--overwrite"]) == 0
    (tmp_path / "words.txt").write_text("others")
    assert_refused([*read, "--lexicon", str(tmp_path / "words.txt")], "other settings (lexicon)", capsys)
    assert main([*read, "--language", "en", "--overwrite"]) == 0
    assert main([*read, "--language", "en"]) == 0
    capsys.readouterr()
    monkeypatch.setattr("inferenceModel.language_digests", lambda name: {"en/characters.lm": "another version"})
    assert_refused([*read, "--language", "en"], "other settings (language)", capsys)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--image", "a.png", "--report", "x"], "--report goes with --csv"),
        (["--csv", "a.csv", "--annotate", "x"], "--annotate goes with images"),
        (["--image", "a.png", "--page", "--line"], "exclude each other"),
        (["--image", "a.png", "--min_confidence", "3"], "--min_confidence: must be 0 to 1"),
        (["--image", "a.png", "--decoder", "greedy", "--lm", "x"], "need --decoder beam"),
        (["--image", "a.png", "--decoder", "greedy", "--language", "en"], "need --decoder beam"),
        (["--image", "a.png", "--language", "en", "--lm", "x"], "exclude each other"),
        (["--image", "a.png", "--language", "en", "--lm_weight", "nan"], "must be 0 to 100"),
        (["--image", "a.png", "--language", "en", "--lm_weight", "-1"], "must be 0 to 100"),
        (["--image", "a.png", "--lexicon", "x", "--lexicon_cost", "inf"], "must be 0 to 100"),
        (["--image", "a.png", "--lm_weight", "1"], "needs --language"),
        (["--csv", "a.csv", "--output", "r.json"], "written as CSV"),
        (["--image", "a.png", "--language", "xx"], "xx: not a known language; known: en, fr"),
        (["--image", "nowhere/*.png"], "no file matches this pattern"),
        (["--image", "a.png", "--lexicon", "none.txt"], "none.txt: "),
    ],
)
def test_parse_refuses_wrong_combinations_in_one_line(args, message, capsys):
    assert_refused(["--model", str(PRETRAINED), *args], message, capsys)
