import errno
import os
import shutil
import threading
import time
from types import SimpleNamespace

import pytest

from mltu.utils.errors import InputError
from mltu.utils.files import as_utf8, one_at_a_time, refuse_inputs, whole_file, write_whole


@pytest.mark.parametrize("durable", [False, True])
def test_whole_file_replaces_the_old_one_at_the_end(tmp_path, durable):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with whole_file(path, durable, ending=".png") as unfinished:
        unfinished.write_text("new")
        assert unfinished.name == "a.txt.part.png"
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt()])
def test_whole_file_leaves_the_old_one_after_an_error(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write():
        with whole_file(path) as unfinished:
            unfinished.write_text("half")
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_whole_file_names_a_full_disk_whatever_the_library_says(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match="No space left") as error, whole_file(tmp_path / "a.h5"):
        raise RuntimeError("HDF5 error")
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(tmp_path / "a.h5"))


def test_write_whole_writes_all_bytes(tmp_path):
    write_whole(str(tmp_path / "a"), b"\x00\xff")
    assert (tmp_path / "a").read_bytes() == b"\x00\xff"
    with pytest.raises(OSError, match="No such file"):
        write_whole(tmp_path / "none" / "a", b"")


def test_one_at_a_time_lets_the_second_wait(tmp_path):
    steps = []

    def work(name):
        with one_at_a_time(tmp_path):
            steps.append(f"{name} begins")
            time.sleep(0.1)
            steps.append(f"{name} ends")

    threads = [threading.Thread(target=work, args=[name]) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = steps[0][0]
    second = "ab".replace(first, "")
    assert steps == [f"{first} begins", f"{first} ends", f"{second} begins", f"{second} ends"]


def test_one_at_a_time_needs_no_lock_in_a_read_only_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda folder, mode: False)
    with one_at_a_time(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_as_utf8_keeps_undecodable_names_visible():
    assert as_utf8("Zoë") == b"Zo\xc3\xab"
    assert as_utf8(os.fsdecode(b"a\xff")) == b"a\\udcff"


def test_refuse_inputs_sees_through_links(tmp_path):
    (tmp_path / "in.png").write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "in.png")
    refuse_inputs(tmp_path / "out.txt", [tmp_path / "in.png"])
    with pytest.raises(InputError, match="is an input too"):
        refuse_inputs(tmp_path / "link", [str(tmp_path / "in.png")])
