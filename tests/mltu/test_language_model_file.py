import io
import tracemalloc
import zipfile

import numpy as np
import pytest

from helpers import sentences
from mltu import language_model_file
from mltu.language_model import CharacterModel
from mltu.utils.errors import InputError


@pytest.fixture(scope="module")
def model():
    return CharacterModel.build(sentences(400, seed=1))


@pytest.fixture
def parts(model):
    """The arrays of a saved model, by name."""
    return dict(np.load(io.BytesIO(model.to_bytes()), allow_pickle=False))


def saved(folder, parts, name="a.lm"):
    path = folder / name
    with open(path, "wb") as file:
        np.savez_compressed(file, **parts)
    return path


def refused(path):
    with pytest.raises(InputError) as caught:
        CharacterModel.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_load_refuses_what_is_not_a_model(tmp_path, model):
    assert "No such file" in refused(tmp_path / "missing.lm")
    refused(tmp_path)
    path = tmp_path / "text.lm"
    for content in (b"", b"plain text", b"PK\x03\x04", b"PK\x01\x02" * 2000):
        path.write_bytes(content)
        assert "python -m mltu.language_model" in refused(path)
    refused(saved(tmp_path, {"weights": np.zeros(3)}))


def test_load_refuses_damaged_files_or_reads_them_unharmed(tmp_path, model):
    rng = np.random.default_rng(0)
    content = model.to_bytes()
    path = tmp_path / "damaged.lm"
    refused_files = read_files = 0
    for _ in range(150):
        damaged = bytearray(content)
        damaged[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(damaged[: rng.integers(1, len(content) + 1)] if rng.random() < 0.3 else damaged)
        try:
            loaded = CharacterModel.load(path)
        except InputError:
            refused_files += 1
        else:
            read_files += 1
            assert loaded.to_bytes() == content
    assert refused_files > 90  # checksums find most damage
    assert read_files > 5  # the archive's dates and the like do not matter


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("version", lambda part: part + 1),
        ("alphabet", lambda part: part[::-1]),
        ("alphabet", lambda part: part[:0]),
        ("alphabet", lambda part: np.append(part[:-1], 0x110000).astype(np.uint32)),
        ("alphabet", lambda part: np.where(part == ord(" "), ord("\n"), part).astype(np.uint8)),
        ("discounts", lambda part: part * np.nan),
        ("discounts", lambda part: part * 0),
        ("discounts", lambda part: part + 3),
        ("discounts", lambda part: part[:-1]),
        ("discounts", lambda part: np.tile(part, 20)),
        ("discounts", lambda part: part.astype(np.float32)),
        ("extensions", lambda part: part * 0 + 255),
        ("older", lambda part: part[:-1]),
        ("older", lambda part: part * 0 + 255),
        ("older", lambda part: part[::-1]),
        ("totals", lambda part: part * 0),
        ("totals", lambda part: part * 0 + 1),
        ("followers", lambda part: part * 0),
        ("followers", lambda part: np.full(len(part), 2**32 - 1, np.uint32)),
        ("symbols", lambda part: part * 0),
        ("symbols", lambda part: np.append(part, part[:1])),
        ("counts", lambda part: part * 0),
        ("counts", lambda part: part.astype(np.int8)),
        ("counts", lambda part: part.reshape(1, -1)),
        ("counts", lambda part: part.astype(object)),
    ],
)
def test_load_refuses_wrong_parts(tmp_path, parts, name, change):
    parts[name] = change(parts[name])
    assert "not a language model" in refused(saved(tmp_path, parts))


def test_load_unpickles_nothing(tmp_path, parts):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "trapped"), "w"))

    parts["alphabet"] = np.array([Trap()], object)
    refused(saved(tmp_path, parts))
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize(("says", "reason"), [(5_000_000, "too long"), (900, "")])
def test_load_refuses_files_that_unpack_to_too_much(tmp_path, monkeypatch, says, reason):
    monkeypatch.setattr(language_model_file, "MAX_ENTRIES", 10_000)
    monkeypatch.setattr(language_model_file, "MAX_BYTES", 100_000)
    size = 5_000_000
    path = tmp_path / "bomb.lm"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in language_model_file.ARRAYS:
            archive.writestr(f"{name}.npy", bytes(size if name == "version" else 1))
    path.write_bytes(path.read_bytes().replace(size.to_bytes(4, "little"), says.to_bytes(4, "little")))
    tracemalloc.start()
    assert reason in refused(path)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_load_refuses_files_of_too_many_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(language_model_file, "MAX_BYTES", 1000)
    path = tmp_path / "large.lm"
    path.write_bytes(bytes(1001))
    assert "more than 1,000 bytes" in refused(path)
