import zipfile

import cv2
import numpy as np
import pytest

from mltu.datasets import read_table
from mltu.datasets.archive import is_archive, unpack_table
from mltu.utils.errors import InputError

PNG = cv2.imencode(".png", np.full((20, 40), 200, np.uint8))[1].tobytes()


def pack(path, **files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return path


def test_unpack_table_gives_a_table_whose_images_are_there(tmp_path):
    path = pack(tmp_path / "a.zip", lines_csv="image,text\na.png,one\nsub/b.png,two\n", a_png=PNG, sub__b_png=PNG)
    assert is_archive(path)
    table = unpack_table(path, tmp_path / "unpacked")
    assert [sample.text for sample in read_table(table)[0]] == ["one", "two"]
    assert unpack_table(path, tmp_path / "unpacked") == table  # the same content once more
    other = pack(tmp_path / "b.zip", lines_csv="image,text\na.png,three\n", a_png=PNG)
    assert unpack_table(other, tmp_path / "unpacked").parent != table.parent


def test_unpack_table_writes_within_its_folder_only_and_only_images(tmp_path):
    path = pack(tmp_path / "a.zip", lines_csv="image,text\nx.png,one\n", tool_py="print()", **{"..__..__evil_png": PNG})
    table = unpack_table(path, tmp_path / "unpacked" / "here")
    written = {found.relative_to(tmp_path) for found in tmp_path.rglob("*") if found.suffix in (".png", ".py")}
    assert all(found.parts[:2] == ("unpacked", "here") for found in written)
    assert not list(table.parent.rglob("*.py"))


@pytest.mark.parametrize(
    ("files", "problem"),
    [({"a_png": PNG}, "no table"), ({"a_csv": "", "b_tsv": ""}, "2 tables")],
)
def test_unpack_table_wants_one_table(tmp_path, files, problem):
    with pytest.raises(InputError, match=problem):
        unpack_table(pack(tmp_path / "a.zip", **files), tmp_path / "unpacked")


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"no zip",
        lambda content: content[:-30],
        lambda content: content.replace(b"image,text", b"image;text"),  # the checksum is another's
        lambda content: content.replace(b"PK\x01\x02\x14\x03\x14\0\0", b"PK\x01\x02\x14\x03\x14\0\1"),  # encrypted
    ],
)
def test_unpack_table_refuses_damaged_files(tmp_path, damage):
    path = pack(tmp_path / "a.zip", lines_csv="image,text\na.png,one\n", a_png=PNG)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="not a ZIP file that can be unpacked"):
        unpack_table(path, tmp_path / "unpacked")


def test_unpack_table_refuses_bursting_and_missing_files(tmp_path, monkeypatch):
    path = pack(tmp_path / "a.zip", lines_csv="image,text\na.png,one\n", a_png=PNG)
    monkeypatch.setattr("mltu.datasets.archive.MAX_UNPACKED", 10)
    with pytest.raises(InputError, match="when unpacked"):
        unpack_table(path, tmp_path / "unpacked")
    with pytest.raises(InputError, match="nowhere"):
        unpack_table(tmp_path / "nowhere.zip", tmp_path)
