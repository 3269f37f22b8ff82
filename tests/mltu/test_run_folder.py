import json

import pytest

from mltu.datasets import Sample
from mltu.run_folder import RunFolder, git_state, lines_digest
from mltu.utils.errors import InputError


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "below" / "run")


def assert_refused(folder, message, **options):
    with pytest.raises(InputError, match=message):
        folder.opened(**options).__enter__()


def test_opened_leaves_nothing_but_folders_that_were_there_before(folder, tmp_path):
    with folder.opened() as saved:
        assert saved == {}
        assert folder.path.is_dir()
    assert list(tmp_path.iterdir()) == []  # not even the folder around it
    with pytest.raises(RuntimeError), folder.opened():
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    folder.path.mkdir(parents=True)
    with folder.opened():
        pass
    assert folder.path.is_dir()


@pytest.mark.parametrize("name", ["logs", "state"])
def test_opened_refuses_folders_that_a_run_would_replace(folder, name):
    kept = folder.path / name / "of the user.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("x")
    assert_refused(folder, "holds an earlier run")
    assert kept.exists()


def test_check_lines_knows_names_and_texts(folder):
    samples = [Sample("here/a.png", "text")]
    folder.check_lines({"data": lines_digest(samples)}, [Sample("there/a.png", "text", "writer")])
    with pytest.raises(InputError, match="no longer those that the run began with"):
        folder.check_lines({"data": lines_digest(samples)}, [Sample("here/a.png", "other")])


def test_opened_keeps_what_was_written_and_refuses_to_overwrite_it(folder):
    for product in folder.products:
        with folder.opened():
            product.write_text("x")
        assert_refused(folder, "holds an earlier run; choose another --model_path, or add --overwrite")
        with folder.opened(overwrite=True):
            assert product.exists()  # until the new run begins
        product.unlink()


def test_opened_keeps_other_runs_out(folder):
    with folder.opened():
        assert_refused(folder, "another run is using this folder")
    with folder.opened():
        pass  # free again


def test_opened_without_writing_neither_makes_nor_reserves_the_folder(folder):
    with folder.opened(writes=False) as saved:
        assert saved == {}
        assert not folder.path.exists()


def test_opened_refuses_a_path_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert_refused(RunFolder(tmp_path / "file" / "run"), "cannot be used for a run; .*file is not a folder")


def test_resuming_brings_the_saved_state(folder):
    state = dict.fromkeys(RunFolder.STATE_KEYS, 1) | {"counters": {}}
    folder.state.mkdir(parents=True)
    folder.state_table.write_text(json.dumps(state))
    with folder.opened(resume=True) as saved:
        assert saved == state


def test_resuming_a_run_that_saved_nothing_yet_begins_anew(folder, capsys):
    folder.path.mkdir(parents=True)
    folder.train.write_text("image,text\n")
    with folder.opened(resume=True) as saved:
        assert saved == {}
    assert "stopped before anything was saved" in capsys.readouterr().out


@pytest.mark.parametrize("listed", [False, True])
def test_resuming_weights_without_a_state_is_refused(folder, listed):
    folder.path.mkdir(parents=True)
    folder.weights.write_bytes(b"trained for days")
    if listed:  # a run that ended, whose state somebody removed
        folder.train.write_text("image,text\n")
        folder.results.write_text("{}")
    assert_refused(folder, "no state to resume from; .* --init_from", resume=True)
    assert folder.weights.read_bytes() == b"trained for days"
    assert {path.name for path in folder.path.iterdir()} <= {"model.keras", "train.csv", "results.json"}  # no lock


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"counters": {}}', "[" * 100_000, "\udcff"])
def test_read_state_refuses_what_is_not_one(folder, content):
    folder.state.mkdir(parents=True)
    folder.state_table.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"state\.json: the state of the run cannot be read"):
        folder.read_state()


def test_add_record_appends(folder):
    folder.path.mkdir(parents=True)
    for number in (1, 2):
        folder.add_record(folder.path, part=number)
    entries = json.loads(folder.record.read_text())
    assert [entry["part"] for entry in entries] == [1, 2]
    assert entries[0]["packages"]["numpy"]


def test_git_state_of_a_folder_without_a_repository_is_none(tmp_path):
    assert git_state(tmp_path) is None
