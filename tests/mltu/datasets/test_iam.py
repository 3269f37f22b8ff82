"""The IAM reader, on a generated tree in the format of the download."""

import shutil

import pytest

from mltu.datasets import read_iam
from mltu.utils.errors import InputError

COMMENT = "#--- {unit}.txt -----------------------#\n#\n# a comment, as in the download\n#\n"
LINES = [
    "a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop",
    "a01-000u-01 err 156 19 395 932 1850 105 Mr.|Gaitskell",
    "a01-003-00 ok 170 10 1 2 3 4 M Ps|tomorrow|.",
    "b02-010-00 ok 170 10 1 2 3 4 one|(two)|,",
]
SENTENCES = [
    "a01-000u-s00-00 0 ok 154 19 408 746 1661 89 A|MOVE|to|stop",
    "a01-000u-s00-01 0 err 156 19 395 932 1850 105 Mr.|Gaitskell",
    "a01-003-s01-00 1 ok 170 10 1 2 3 4 M Ps|tomorrow|.",
    "b02-010-s00-00 0 ok 170 10 1 2 3 4 one|(two)|,",
]
WORDS = [
    "a01-000u-00-00 ok 154 408 768 27 51 AT A",
    "a01-000u-00-01 err 154 507 766 213 48 NN MOVE",
    "a01-003-00-00 ok 154 1 2 3 4 NPTS M Ps",
    "b02-010-00-00 ok 154 1 2 3 4 CD one",
]
ROWS = {"lines": LINES, "sentences": SENTENCES, "words": WORDS}
TEXTS = {
    "lines": ["A MOVE to stop", "Mr. Gaitskell", "M Ps tomorrow .", "one (two) ,"],
    "sentences": ["A MOVE to stop", "Mr. Gaitskell", "M Ps tomorrow .", "one (two) ,"],
    "words": ["A", "MOVE", "M Ps", "one"],
}
FORMS = "a01-000u 000 2 prt 7 5 52 36\na01-003 001 3 prt 8 6 61 55\nb02-010 000 3 all 8 8 59 59\n"


@pytest.fixture
def iam(tmp_path, png):
    """A complete download in tmp_path/IAM."""
    root = tmp_path / "IAM"
    for unit, rows in ROWS.items():
        for row in rows:
            name = row.split(" ")[0]
            form = "-".join(name.split("-")[:2])
            png(f"IAM/{unit}/{name[:3]}/{form}/{name}.png")
        (root / "ascii").mkdir(exist_ok=True)
        (root / "ascii" / f"{unit}.txt").write_text(COMMENT.format(unit=unit) + "\n".join(rows) + "\n")
    (root / "ascii" / "forms.txt").write_text(COMMENT.format(unit="forms") + FORMS)
    return root


@pytest.mark.parametrize("unit", ["sentences", "lines", "words"])
def test_read_iam_reads_every_unit(iam, unit):
    samples, skipped = read_iam(iam, unit, keep_err=True)
    assert [sample.text for sample in samples] == TEXTS[unit]
    assert [sample.writer for sample in samples] == ["000", "000", "001", "000"]
    assert [sample.form for sample in samples] == ["a01-000u", "a01-000u", "a01-003", "b02-010"]
    assert samples[0].image.endswith(ROWS[unit][0].split(" ")[0] + ".png")
    assert skipped == []


@pytest.mark.parametrize("unit", ["sentences", "lines", "words"])
def test_read_iam_err_rows_are_dropped_unless_kept(iam, unit):
    samples, skipped = read_iam(iam, unit)
    assert len(samples) == 3
    assert [entry.source for entry in skipped] == [f"{iam / 'ascii' / unit}.txt:6"]
    assert "--keep_err yes" in skipped[0].reason


def move_ascii_up(root):
    for path in (root / "ascii").iterdir():
        path.rename(root / path.name)


def flatten(root):
    for path in list((root / "lines").rglob("*.png")):
        path.rename(root / "lines" / path.name)


def without_words_around(root):
    """Only the folder of lines, unpacked twice: lines/lines/a01."""
    (root / "lines").rename(root / "unpacked")
    (root / "lines").mkdir()
    (root / "unpacked").rename(root / "lines" / "lines")


def into_subfolder(root):
    inner = root / "iam"
    inner.mkdir()
    for name in ("ascii", "lines", "sentences", "words"):
        (root / name).rename(inner / name)


def images_at_the_top(root):
    for path in list((root / "lines").rglob("*.png")):
        path.rename(root / path.name)


def beside_the_folder(root):
    """Words inside the folder that is named, lines beside it."""
    (root / "lines").rename(root.parent / "lines")


def flat_around_the_folder(root):
    for path in list((root / "lines").rglob("*.png")):
        path.rename(root.parent / path.name)


def linked(root):
    """On another disk, with a link that leads in a circle."""
    (root / "lines").rename(root.parent / "elsewhere")
    (root / "lines").symlink_to(root.parent / "elsewhere", target_is_directory=True)
    (root.parent / "elsewhere" / "circle").symlink_to(root, target_is_directory=True)


LAYOUTS = [
    move_ascii_up,
    flatten,
    without_words_around,
    into_subfolder,
    images_at_the_top,
    beside_the_folder,
    flat_around_the_folder,
    linked,
]


@pytest.mark.parametrize("change", LAYOUTS, ids=lambda change: change.__name__)
def test_read_iam_other_layouts(iam, change):
    change(iam)
    samples, _ = read_iam(iam, "lines", keep_err=True)
    assert [sample.text for sample in samples] == TEXTS["lines"]
    assert samples[0].writer == "000"


def test_read_iam_copies_elsewhere_do_not_stand_in(iam):
    shutil.copytree(iam / "lines", iam / "a_backup")
    for sample in read_iam(iam, "lines", True)[0]:
        assert "a_backup" not in sample.image


@pytest.mark.parametrize("inner", ["lines", "ascii"])
def test_read_iam_a_folder_inside_the_download_may_be_named(iam, inner):
    assert len(read_iam(iam / inner, "lines", keep_err=True)[0]) == 4


def test_read_iam_windows_line_ends_marks_and_old_encodings(iam):
    path = iam / "ascii" / "lines.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert [sample.text for sample in read_iam(iam, "lines", True)[0]] == TEXTS["lines"]
    path.write_bytes(LINES[0].replace("MOVE", "café").encode("latin-1"))
    assert read_iam(iam, "lines")[0][0].text == "A café to stop"


def test_read_iam_bad_rows_and_missing_images_are_listed(iam):
    path = iam / "ascii" / "lines.txt"
    rows = ["a01-000u-00 ok 154 19 408", "a01-000u-00 maybe 1 2 3 4 5 6 text", "a01-000u-00 ok 1 2 3 4 5 6 |"]
    path.write_text("\n".join(rows + LINES))
    (iam / "lines" / "b02" / "b02-010" / "b02-010-00.png").unlink()
    samples, skipped = read_iam(iam, "lines", keep_err=True)
    assert len(samples) == 3
    reasons = {entry.source: entry.reason for entry in skipped}
    assert "malformed" in reasons[f"{path}:1"]
    assert "malformed" in reasons[f"{path}:2"]
    assert reasons[f"{path}:3"] == "no text"
    assert "no image: b02-010-00.png" in reasons[f"{path}:7"]


def test_read_iam_without_forms_the_writer_is_unknown(iam):
    (iam / "ascii" / "forms.txt").unlink()
    assert {sample.writer for sample in read_iam(iam, "lines")[0]} == {""}


def test_read_iam_what_is_missing_is_named_with_the_remedy(iam, tmp_path):
    def message(root, unit="lines"):
        with pytest.raises(InputError) as error:
            read_iam(root, unit)
        assert "\n" not in str(error.value)
        return str(error.value)

    assert "no such folder" in message(tmp_path / "nowhere")
    empty = tmp_path / "deep" / "empty"
    empty.mkdir(parents=True)
    for text in (message(tmp_path / "nowhere"), message(empty)):
        assert "--dataset synthetic" in text
        assert "Register" in text
    assert "looked for lines.txt" in message(empty)
    shutil.rmtree(iam / "lines")
    shutil.rmtree(iam / "words")
    shutil.rmtree(iam / "sentences")
    assert "no image;" in message(iam)
    assert "no unit 'pages'" in message(iam, "pages")


def test_read_iam_nothing_usable_is_named(iam):
    (iam / "ascii" / "lines.txt").write_text("# only comments\nx y z\n")
    with pytest.raises(InputError, match="none of its 1 rows can be used; the first"):
        read_iam(iam, "lines")
