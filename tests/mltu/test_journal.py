import os

import pytest

from mltu.journal import Entry, Journal, source_state
from mltu.utils.errors import InputError

SETTINGS = {"model": "a", "lm_weight": 1.0}
ENTRIES = [Entry("in/a.png", [3, 4], [1, 2]), Entry("b\n.png", None, [], {"b.xml": 5})]


def written(output, folder=False, entries=ENTRIES):
    journal = Journal(output, folder, SETTINGS)
    journal.begin(entries[:1])
    for entry in entries[1:]:
        journal.append(entry)
    journal.close()
    return journal


@pytest.mark.parametrize("folder", [False, True])
def test_Journal_reads_what_it_wrote(tmp_path, folder):
    output = tmp_path / "out.csv"
    output.mkdir() if folder else output.touch()
    journal = written(output, folder)
    assert journal.path == (output / ".journal" if folder else tmp_path / ".out.csv.journal")
    again = Journal(output, folder, SETTINGS)
    assert again.read() == ENTRIES
    again.check_settings()
    assert Journal(tmp_path / "other.csv", False, SETTINGS).read() == []


def test_Journal_cut_anywhere_keeps_the_entries_that_are_whole(tmp_path):
    path = written(tmp_path / "out.csv").path
    content = path.read_bytes()
    ends = [end for end in range(len(content)) if content[:end].endswith(b"\n")]
    for end in range(ends[0], len(content)):
        path.write_bytes(content[:end])
        assert (
            Journal(tmp_path / "out.csv", False, SETTINGS).read() == ENTRIES[: sum(end >= place for place in ends) - 1]
        )


def test_Journal_names_the_settings_that_differ(tmp_path):
    written(tmp_path / "out.csv")
    journal = Journal(tmp_path / "out.csv", False, {"model": "b", "lm_weight": 1.0, "lexicon": "c"})
    journal.read()
    with pytest.raises(InputError, match=r"out\.csv: was read with other settings \(lexicon, model\); .*--overwrite"):
        journal.check_settings()


def test_Journal_names_paths_from_its_folder(tmp_path):
    assert Journal(tmp_path / "out.csv", False, {}).name(tmp_path / "in" / "a.png") == os.path.join("in", "a.png")
    assert Journal(tmp_path / "out", True, {}).name(tmp_path / "in" / "a.png") == os.path.join("..", "in", "a.png")


def test_source_state_changes_with_the_file(tmp_path):
    path = tmp_path / "a.png"
    assert source_state(path) is None
    path.write_bytes(b"abc")
    os.utime(path, ns=(5, 7))
    assert source_state(path) == [3, 7]
    os.utime(path, ns=(5, 8))
    assert source_state(path) == [3, 8]
