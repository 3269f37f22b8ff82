import os
from collections import namedtuple

import pytest
from filelock import FileLock, Timeout

from mltu.utils import files
from mltu.utils.errors import InputError
from mltu.utils.files import (
    LOCK,
    as_utf8,
    atomic_path,
    make_folder,
    one_at_a_time,
    refuse_inputs,
    shipped,
    write_atomic,
)


@pytest.mark.parametrize(
    ("options", "name"), [({}, "*"), ({"durable": True}, "*"), ({"ending": ".h5"}, "a.csv.part.h5")]
)
def test_atomic_path_takes_its_place_in_the_end(tmp_path, options, name):
    path = tmp_path / "a.csv"
    path.write_text("before")
    with atomic_path(path, **options) as unfinished:
        assert unfinished.match(name)
        unfinished.write_text("after")
        assert path.read_text() == "before"
        assert unfinished.parent == tmp_path
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_atomic_path_leaves_the_file_as_it_was_after_an_error(tmp_path, error):
    path = tmp_path / "a.csv"
    path.write_text("before")
    with pytest.raises(error), atomic_path(path) as unfinished:
        raise error(unfinished.write_text("aft"))
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_atomic_path_names_a_full_disk_whatever_the_error(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(files.shutil, "disk_usage", lambda folder: usage(1 << 30, 1 << 30, 0))
    path = tmp_path / "a.h5"
    with pytest.raises(OSError, match="No space left") as caught, atomic_path(path):
        raise RuntimeError("cannot write dataset")  # as a library may say
    assert caught.value.filename == str(path)
    with pytest.raises(KeyboardInterrupt), atomic_path(path):
        raise KeyboardInterrupt


@pytest.mark.skipif(os.name != "posix", reason="needs a limit of the size of files")
def test_atomic_path_names_the_file_that_could_not_be_written(tmp_path):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            write_atomic(tmp_path / "x", bytes(2000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.filename == str(tmp_path / "x")
    assert not any(tmp_path.iterdir())


def test_write_atomic_writes_bytes_or_raises(tmp_path):
    write_atomic(tmp_path / "a.bin", b"content")
    assert (tmp_path / "a.bin").read_bytes() == b"content"
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "no folder" / "a.bin", b"content")


def test_one_at_a_time_keeps_others_out_of_the_folder_meanwhile(tmp_path):
    with one_at_a_time(tmp_path), pytest.raises(Timeout):
        FileLock(tmp_path / LOCK).acquire(timeout=0)
    with FileLock(tmp_path / LOCK).acquire(timeout=0):
        pass


def test_one_at_a_time_needs_no_lock_where_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr(files.os, "access", lambda path, mode: False)  # whoever runs the tests, root too
    with one_at_a_time(tmp_path):
        assert not (tmp_path / LOCK).exists()


def test_as_utf8_shows_bytes_that_are_not_text():
    assert as_utf8("été\udcff") == "été\\udcff".encode()


def test_refuse_inputs_knows_a_file_by_any_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").touch()
    os.symlink("a.csv", "link.csv")
    for output in ("a.csv", "./a.csv", tmp_path / "a.csv", "link.csv"):
        with pytest.raises(InputError, match="choose another --output"):
            refuse_inputs(output, ["b.csv", "a.csv"])
    refuse_inputs("c.csv", ["b.csv", "a.csv"])


def test_shipped_is_beside_the_scripts_or_in_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert (shipped("Models/pretrained") / "model.onnx").is_file()
    monkeypatch.setattr(files, "__file__", str(tmp_path / "site-packages" / "mltu" / "utils" / "files.py"))
    assert shipped("Models/pretrained") == tmp_path / "site-packages" / "mltu" / "Models" / "pretrained"


def test_make_folder_names_the_option_where_a_file_stands(tmp_path):
    make_folder(tmp_path / "a" / "b", "--report")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"file: cannot be made .*--report"):
        make_folder(tmp_path / "file", "--report")
