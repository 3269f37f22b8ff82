import json
import os

import pytest

from mltu.annotations.images import CVImage
from mltu.dataProvider import DataProvider
from mltu.datasets import Sample
from mltu.loading import checked
from mltu.loading.checked import CheckedLines
from mltu.preprocessors import ImageReader
from mltu.transformers import ImageResizer, LabelIndexer
from mltu.utils.errors import InputError


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The user's cache folder, where two lines are enough to be kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setattr(checked, "MIN_LINES", 2)
    return tmp_path / "cache" / "handwriting-to-text" / "checked"


@pytest.fixture
def lines(png):
    return [Sample(str(png(f"{number}.png")), "ab") for number in range(3)]


def steps(vocab="ab", width=64):
    return [ImageReader(CVImage), ImageResizer(width, 32), LabelIndexer(vocab)]


def check(samples, recheck=False, **settings):
    """Validate samples; returns (how many were tried, dropped samples)."""
    tried = []

    class Reader(ImageReader):
        def __call__(self, path, label):
            tried.append(path)
            return super().__call__(path, label)

    _, *transformers = steps(**settings)
    provider = DataProvider(samples, [Reader(CVImage)], transformers=transformers)
    known = CheckedLines(steps(**settings), recheck)
    dropped = provider.validate(known)
    known.save()
    assert known.found == len(samples) - len(tried)
    return len(tried), [entry.source for entry in dropped]


def test_lines_are_tried_once(lines):
    assert check(lines) == (3, [])
    assert check(lines) == (0, [])
    assert check(lines[::-1]) == (0, [])
    assert check(lines, recheck=True) == (3, [])
    assert check(lines) == (0, [])


def test_changed_lines_are_tried_again(lines, png):
    check(lines)
    os.utime(lines[0].image, (1, 1))
    open(lines[1].image, "ab").write(b"x")
    assert check(lines) == (2, [])
    assert check([lines[0]._replace(text="ba"), *lines[1:]]) == (1, [])
    more = [*lines, Sample(str(png("more.png")), "b")]
    assert check(more)[0] == 2  # the new one, and that whose text is as it was before
    assert check(more, width=96) == (4, [])
    assert check(more, vocab="abc") == (4, [])


def test_lines_that_cannot_be_used_are_tried_each_time(lines):
    open(lines[0].image, "w").write("no image")
    gone = Sample("gone.png", "ab")
    for tried in (4, 2):
        assert check([*lines, gone]) == (tried, [lines[0].image, "gone.png"])


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"x": 1}', b"\xff\x00", b"[" * 100_000, None])
def test_a_damaged_file_is_an_empty_one(lines, cache, content):
    check(lines)
    (file,) = cache.iterdir()
    if content is None:
        content = json.dumps({key: [-1, "a"] for key in json.loads(file.read_text())}).encode()
    file.write_bytes(content)
    assert check(lines) == (3, [])
    assert check(lines) == (0, [])


def test_few_files_are_kept_and_none_for_few_lines(lines, cache, monkeypatch):
    check(lines[:1])
    assert not cache.exists()
    monkeypatch.setattr(checked, "MAX_FILES", 2)
    for width in (32, 64, 96):
        check(lines, width=width)
    assert len(list(cache.iterdir())) == 2
    assert check(lines, width=96) == (0, [])


def test_what_cannot_be_kept_is_checked_anew(lines, cache, monkeypatch):
    for unknown in ([lambda data, label: (data, label)], []):
        CheckedLines([*steps(), *unknown]).save()
    cache.parent.mkdir(parents=True)
    cache.write_text("a file in place of the folder")
    assert check(lines) == (3, [])
    assert check(lines) == (3, [])


def test_validate_fails_if_nothing_is_left(lines):
    with pytest.raises(InputError, match="none of 1 samples"):
        check([Sample("gone.png", "ab")])
