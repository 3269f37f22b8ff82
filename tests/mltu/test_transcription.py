import csv
import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pypdfium2
import pytest
from PIL import Image as PillowImage

from helpers import PRETRAINED, ROOT, SAMPLES
from mltu.datasets.page_xml import read_xml
from mltu.inferenceModel import set_metadata
from mltu.recognizer import LineRecognizer
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


def test_transcribe_tells_what_folders_have_besides_images_without_calling_it_an_error(pretrained, tmp_path, capsys):
    shutil.copy(LINES[0], tmp_path)
    (tmp_path / "notes.odt").write_bytes(b"text")
    assert transcribe(pretrained, [str(tmp_path)]) == 0
    assert capsys.readouterr().err.startswith(f"{tmp_path}: 1 files that are not images are left out")


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


def read_in_process(folder, output, *options, kill_at=None):
    """Read a folder with the command, and kill it as soon as something is true."""
    command = [sys.executable, "inferenceModel.py", "--image", str(folder), "--model", str(PRETRAINED), *options]
    process = subprocess.Popen([*command, "--output", str(output)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while kill_at and process.poll() is None and not kill_at():
        time.sleep(0.005)
    if kill_at:
        process.kill()
    return process.communicate()[1]


@pytest.fixture(scope="module")
def folder_of_lines(tmp_path_factory):
    """A folder with 40 images of lines."""
    folder = tmp_path_factory.mktemp("lines")
    for number in range(40):
        shutil.copy(LINES[number % 12], folder / f"{number:02d}.jpg")
    return folder


def test_transcribe_continues_a_file_after_kills(pretrained, folder_of_lines, tmp_path, capsys):
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    assert transcribe(pretrained, [str(folder_of_lines)], str(whole), "csv") == 0
    for size in (300, 1500):
        read_in_process(folder_of_lines, cut, kill_at=lambda: cut.exists() and cut.stat().st_size > size)  # noqa: B023
    partial = cut.read_bytes()
    assert len(partial) < len(whole.read_bytes())
    capsys.readouterr()
    assert transcribe(pretrained, [str(folder_of_lines)], str(cut), "csv") == 0
    assert cut.read_bytes() == whole.read_bytes()
    kept, total = re.search(r"(\d+) of (\d+) files are in .*cut.csv already", capsys.readouterr().err).groups()
    assert 2 < int(kept) < int(total) == 40


def test_transcribe_continues_a_folder_after_a_kill(pretrained, folder_of_lines, tmp_path):
    xml = tmp_path / "xml"
    read_in_process(folder_of_lines, xml, "--format", "alto", kill_at=lambda: len(list(xml.glob("*.xml"))) > 5)
    before = {path: path.stat().st_mtime_ns for path in xml.glob("*.xml")}
    assert 5 < len(before) < 40
    assert transcribe(pretrained, [str(folder_of_lines)], str(xml), "alto") == 0
    assert len(list(xml.glob("*.xml"))) == 40
    again = [path for path, changed in before.items() if path.stat().st_mtime_ns != changed]
    assert len(again) <= 1  # the one of which the journal was cut off, at most
    assert all(read_xml(path)[0].lines for path in xml.glob("*.xml"))


def test_transcribe_reads_again_what_has_changed_and_what_lacks_its_picture(pretrained, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for line in LINES[:3]:
        shutil.copy(line, folder)
    out = tmp_path / "out.csv"
    assert transcribe(pretrained, [str(folder)], str(out), "csv") == 0
    shutil.copy(LINES[5], folder / "line02.jpg")
    assert transcribe(pretrained, [str(folder)], str(out), "csv") == 0
    assert "2 of 3 files are in" in capsys.readouterr().err
    with open(out, newline="", encoding="utf-8") as file:
        readings = {Path(row["image"]).name: row["reading"] for row in csv.DictReader(file)}
    expected = {
        name: pretrained.read(read_image(folder / name)).text for name in ("line01.jpg", "line02.jpg", "line03.jpg")
    }
    assert readings == expected
    assert transcribe(pretrained, [str(folder)], str(out), "csv", picture_folder=str(tmp_path / "seen")) == 0
    assert len(list((tmp_path / "seen").glob("*.png"))) == 3
    assert len(out.read_text(encoding="utf-8").splitlines()) == 4


def test_transcribe_refuses_to_mix_models_and_layouts(pretrained, tmp_path):
    shutil.copy(PRETRAINED / "model.onnx", tmp_path / "other.onnx")
    set_metadata(tmp_path / "other.onnx", temperature=2.0)
    for output, format_name in (("out.csv", "csv"), ("xml", "alto")):
        output = str(tmp_path / output)
        assert transcribe(pretrained, LINES[:2], output, format_name) == 0
        for model, layout, name in (
            (LineRecognizer(tmp_path / "other.onnx"), "auto", "model"),
            (pretrained, "line", "layout"),
        ):
            with pytest.raises(InputError, match=rf"{name}.*--overwrite"):
                transcribe(model, LINES[:3], output, format_name, layout)
        assert transcribe(pretrained, LINES[:3], output, format_name, "line", overwrite=True) == 0


def test_transcribe_writes_pages_of_files_as_one_searchable_pdf(pretrained, tmp_path):
    PillowImage.open(LINES[0]).save(
        tmp_path / "two.tif", save_all=True, append_images=[PillowImage.open(SAMPLES / "page.jpg")]
    )
    files = [str(tmp_path / "two.tif"), LINES[1]]
    assert transcribe(pretrained, files, str(tmp_path / "book.pdf"), "pdf") == 0
    document = pypdfium2.PdfDocument(tmp_path / "book.pdf")
    texts = [page.get_textpage().get_text_bounded().split() for page in document]
    pages = [pretrained.predict_page(read_image(file), "auto") for file in (LINES[0], SAMPLES / "page.jpg", LINES[1])]
    assert texts[0] == pages[0].text.split()
    assert sorted(texts[1]) == sorted(pages[1].text.split())
    assert texts[2] == pages[2].text.split()


def test_transcribe_file_gives_the_pages_before_an_error(pretrained, monkeypatch):
    def read_pages(name, folder):
        yield read_image(LINES[0])
        raise InputError(f"{name}: page 2 is broken")

    monkeypatch.setattr("mltu.transcription.read_pages", read_pages)
    pages, error = transcribe_file(pretrained, "two.tif", layout="line")
    assert [(page.source, page.page, page.text) for page in pages] == [
        ("two.tif", 1, pretrained.read(read_image(LINES[0])).text)
    ]
    assert str(error) == "two.tif: page 2 is broken"
