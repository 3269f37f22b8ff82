import csv
import json
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from PIL import Image as PillowImage

from helpers import PRETRAINED, ROOT, SAMPLES
from mltu.datasets.page_xml import read_xml
from mltu.transcription import transcribe, transcribe_file
from mltu.utils.errors import InputError
from mltu.utils.image_utils import read_image

LINES = [str(SAMPLES / f"line{number:02d}.jpg") for number in range(1, 13)]


def test_transcribe_prints_path_tab_text_and_goes_on_after_bad_files(pretrained, tmp_path, capsys):
    (tmp_path / "zero.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no picture")
    bad = [str(tmp_path / "zero.png"), str(tmp_path / "text.png"), "missing.png"]
    files = [LINES[0], *bad, LINES[1]]
    assert transcribe(pretrained, files) == 3
    out, err = capsys.readouterr()
    texts = [pretrained.read(read_image(line)).text for line in LINES[:2]]
    assert out.splitlines() == [f"{line}\t{text}" for line, text in zip(LINES, texts, strict=False)]
    complaints = err.strip().splitlines()
    assert len(complaints) == 3
    for path, line in zip(bad, complaints, strict=True):
        assert f": {path}: " in line
    assert transcribe(pretrained, files, str(tmp_path / "out.csv"), "csv") == 3
    assert capsys.readouterr().out == ""
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        assert [row["image"] for row in csv.DictReader(file)] == LINES[:2]


def test_transcribe_refuses_to_replace_inputs(pretrained, tmp_path):
    image = tmp_path / "line.png"
    PillowImage.open(LINES[0]).save(image)
    content = image.read_bytes()
    with pytest.raises(InputError, match="is an input too"):
        transcribe(pretrained, [str(image)], str(tmp_path / "." / "line.png"))
    with pytest.raises(InputError, match="inputs there would be lost"):
        transcribe(pretrained, [str(image)], picture_folder=str(tmp_path))
    assert image.read_bytes() == content


def test_transcribe_writes_alto_and_pictures(pretrained, tmp_path):
    pages = [LINES[0], str(SAMPLES / "page.jpg")]
    assert transcribe(pretrained, pages, str(tmp_path / "xml"), "alto", picture_folder=str(tmp_path / "seen")) == 0
    (page,) = read_xml(tmp_path / "xml" / "page.xml")
    assert page.image == "page.jpg"
    assert len(page.lines) == 7
    text = pretrained.read(read_image(LINES[0])).text
    assert read_xml(tmp_path / "xml" / "line01.xml")[0].lines[0].text == text
    assert read_image(tmp_path / "seen" / "page.png").shape[1] > read_image(SAMPLES / "page.jpg").shape[1]


def test_transcribe_marks_doubtful_words(pretrained, capsys):
    assert transcribe(pretrained, LINES[:1], min_confidence=1) == 0
    marked = capsys.readouterr().out.split()
    assert transcribe(pretrained, LINES[:1]) == 0
    assert marked == [f"{word}[?]" for word in capsys.readouterr().out.split()]


def test_transcribe_takes_standard_input_and_files_of_several_pages(pretrained, tmp_path, capsys, monkeypatch):
    pictures = [PillowImage.open(line) for line in LINES[:2]]
    pictures[0].save(tmp_path / "two.tif", save_all=True, append_images=pictures[1:])
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=open(tmp_path / "two.tif", "rb")))
    assert transcribe(pretrained, ["-"], format_name="json") == 0
    pages = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [(page["source"], page["page"]) for page in pages] == [("-", 1), ("-", 2)]
    assert pages[0]["lines"][0]["text"] != pages[1]["lines"][0]["text"]


def test_transcribe_continues_a_folder_after_a_kill(pretrained, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(60):
        shutil.copy(LINES[number % 12], folder / f"{number:02d}.jpg")
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    assert transcribe(pretrained, [str(folder)], str(whole), "csv") == 0
    command = [sys.executable, "inferenceModel.py", "--image", str(folder), "--model", str(PRETRAINED)]
    process = subprocess.Popen([*command, "--output", str(cut)], cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and (not cut.exists() or cut.stat().st_size < 1000):
        time.sleep(0.01)
    process.kill()
    process.wait()
    partial = cut.read_bytes()
    assert len(partial) < len(whole.read_bytes())
    assert transcribe(pretrained, [str(folder)], str(cut), "csv") == 0
    assert cut.read_bytes() == whole.read_bytes()


def test_transcribe_file_gives_the_pages_before_an_error(pretrained, monkeypatch):
    def read_pages(name):
        yield read_image(LINES[0])
        raise InputError(f"{name}: page 2 is broken")

    monkeypatch.setattr("mltu.transcription.read_pages", read_pages)
    pages, error = transcribe_file(pretrained, "two.tif", "line", None, 0.0)
    assert [(page.source, page.page, page.text) for page in pages] == [
        ("two.tif", 1, pretrained.read(read_image(LINES[0])).text)
    ]
    assert str(error) == "two.tif: page 2 is broken"
