import shutil
from pathlib import Path

import numpy as np
import pytest

from mltu.datasets import generate_lines, random_split, read_table
from mltu.datasets.synthetic import lines
from mltu.utils.errors import InputError
from mltu.utils.image_utils import read_image


def test_generate_lines_reads_again_and_continues(tmp_path):
    samples, skipped = generate_lines(tmp_path, 12, seed=7, max_chars=20)
    assert skipped == []
    assert len({sample.image for sample in samples}) == 12
    assert {sample.writer for sample in samples} == {"hand0", "hand1"}
    assert all(0 < len(sample.text) <= 20 for sample in samples)
    pictures = {sample.image: Path(sample.image).read_bytes() for sample in samples}
    Path(samples[3].image).unlink()
    more, _ = generate_lines(tmp_path, 16, seed=7, max_chars=20, workers=2)
    assert more[:12] == samples
    assert {path: Path(path).read_bytes() for path in pictures} == pictures
    assert read_table(Path(samples[0].image).parent / "lines.csv")[0] == more
    other, _ = generate_lines(tmp_path, 4, seed=8, max_chars=20)
    assert Path(other[0].image).parent != Path(samples[0].image).parent
    train, val = random_split(more, 0.5)
    assert not {sample.writer for sample in train} & {sample.writer for sample in val}


def test_generate_lines_never_takes_a_picture_for_another_text(tmp_path, monkeypatch):
    before, _ = generate_lines(tmp_path, 3, seed=7)
    monkeypatch.setattr(lines, "english_sentences", lambda count, seed: [f"other {i}" for i in range(count)])
    after, _ = generate_lines(tmp_path, 3, seed=7)
    assert not {sample.image for sample in before} & {sample.image for sample in after}
    assert [sample.text for sample in after] == ["other 0", "other 1", "other 2"]


def test_generate_lines_writes_the_users_sentences(tmp_path):
    (tmp_path / "text.txt").write_text("first sentence\n\nsecond one\nça ne va pas\n", encoding="utf-8")
    samples, skipped = generate_lines(tmp_path / "out", 5, text_file=tmp_path / "text.txt")
    assert {sample.text for sample in samples} == {"first sentence", "second one"}
    assert len(samples) == 5
    assert "ça ne va pas" in skipped[0].source
    assert "--fonts" in skipped[0].reason


def test_generate_lines_uses_fonts_only_for_characters_that_they_have(tmp_path, font_folder):
    (tmp_path / "t.txt").write_text("abba bab\ncede ab\nxyz\n")
    samples, skipped = generate_lines(tmp_path / "out", 12, text_file=tmp_path / "t.txt", fonts=font_folder)
    by_text = {text: {s.writer for s in samples if s.text == text} for text in ("abba bab", "cede ab")}
    assert by_text == {"abba bab": {"ae", "ab"}, "cede ab": {"ae"}}
    assert [entry.source.endswith("xyz") for entry in skipped] == [True]
    for sample in samples:
        image = read_image(sample.image, "GRAY")
        assert image.min() < np.median(image) - 50


def test_generate_lines_skips_fonts(tmp_path, font_folder):
    (tmp_path / "t.txt").write_text("abba bab\n", encoding="utf-8")
    options = {"text_file": tmp_path / "t.txt", "fonts": font_folder}
    samples, skipped = generate_lines(tmp_path / "out", 12, **options, skip_fonts=["AE-Regular", "other"])
    assert {sample.writer for sample in samples} == {"ab"}
    assert [entry.source for entry in skipped] == ["skip_fonts: other"]
    with pytest.raises(InputError, match="all are to be skipped"):
        generate_lines(tmp_path / "out", 2, **options, skip_fonts=["ab", "ae"])


def test_generate_lines_makes_quotes_plain(tmp_path):
    (tmp_path / "t.txt").write_text("“It’s ‘so’”\n", encoding="utf-8")
    samples, _ = generate_lines(tmp_path / "out", 1, text_file=tmp_path / "t.txt", plain_quotes=True)
    assert samples[0].text == "\"It's 'so'\""


def test_generate_lines_lists_fonts_that_cannot_be_opened(tmp_path, font_folder):
    shutil.copytree(font_folder, tmp_path / "fonts")
    (tmp_path / "fonts" / "bad.otf").write_bytes(b"no font")
    (tmp_path / "t.txt").write_text("abba\n")
    samples, skipped = generate_lines(tmp_path / "out", 4, text_file=tmp_path / "t.txt", fonts=tmp_path / "fonts")
    assert len(samples) == 4
    assert [(Path(entry.source).name, "not a font" in entry.reason) for entry in skipped] == [("bad.otf", True)]


def test_generate_lines_names_what_cannot_be_used(tmp_path):
    (tmp_path / "fonts").mkdir()
    (tmp_path / "fonts" / "a.ttf").write_bytes(b"no font")
    (tmp_path / "cyrillic.txt").write_text("привет", encoding="utf-8")
    (tmp_path / "file").write_text("")
    for folder, count, options, message in (
        ("out", 3, {"fonts": tmp_path / "fonts"}, "not a font"),
        ("out", 3, {"text_file": tmp_path / "cyrillic.txt"}, "no sentence can be drawn"),
        ("file", 3, {}, "cannot be put there"),
        ("out", 0, {}, "at least one"),
    ):
        with pytest.raises(InputError, match=message):
            generate_lines(tmp_path / folder, count, **options)
