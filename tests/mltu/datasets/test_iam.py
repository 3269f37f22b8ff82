"""The IAM reader, on a generated tree in the format of the download."""

import re
import shutil

import pytest

from mltu.datasets import read_iam
from mltu.utils.errors import InputError

COMMENT = "#--- {unit}.txt -----------------------#\n#\n# a comment, as in the download\n#\n"
TEXTS = {
    "lines": ["A MOVE to stop", "Mr. Gaitskell", "M Ps tomorrow .", "one (two) ,"],
    "sentences": ["A MOVE to stop", "Mr. Gaitskell", "M Ps tomorrow .", "one (two) ,"],
    "words": ["A", "MOVE", "M Ps", "one"],
}
WRITERS = ["000", "000", "001", "000"]
LINES = [
    "a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop",
    "a01-000u-01 err 156 19 395 932 1850 105 Mr.|Gaitskell",
    "a01-003-00 ok 170 10 1 2 3 4 M Ps|tomorrow|.",
    "b02-010-00 ok 170 10 1 2 3 4 one|(two)|,",
]
ROWS = {
    "lines": LINES,
    "sentences": [re.sub(r"(-\d\d) (?=ok|err)", r"-s00\1 0 ", row) for row in LINES],
    "words": [
        "a01-000u-00-00 ok 154 408 768 27 51 AT A",
        "a01-000u-00-01 err 154 507 766 213 48 NN MOVE",
        "a01-003-00-00 ok 154 1 2 3 4 NPTS M Ps",
        "b02-010-00-00 ok 154 1 2 3 4 CD one",
    ],
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


@pytest.mark.parametrize("unit", ROWS)
def test_read_iam_reads_every_unit_without_err_rows_unless_kept(iam, unit):
    samples, skipped = read_iam(iam, unit, keep_err=True)
    assert [sample.text for sample in samples] == TEXTS[unit]
    assert [sample.writer for sample in samples] == WRITERS
    assert [sample.form for sample in samples] == ["a01-000u", "a01-000u", "a01-003", "b02-010"]
    assert samples[0].image.endswith(ROWS[unit][0].split(" ")[0] + ".png")
    assert skipped == []
    assert read_iam(iam, unit)[0] == [samples[0], *samples[2:]]
    (err,) = read_iam(iam, unit)[1]
    assert err.source == f"{iam / 'ascii' / unit}.txt:6"
    assert "--keep_err yes" in err.reason


LAYOUTS = {  # (what is moved, to where) in the folder of the download
    "tables above": ("ascii/*", "."),
    "flat": ("lines/*/*/*.png", "lines"),
    "unpacked twice": ("lines/*", "lines/lines"),
    "in a subfolder": ("*", "iam"),
    "images at the top": ("lines/*/*/*.png", "."),
    "beside the folder": ("lines", ".."),
    "flat around the folder": ("lines/*/*/*.png", ".."),
}


@pytest.mark.parametrize(("moved", "target"), LAYOUTS.values(), ids=LAYOUTS)
def test_read_iam_takes_other_layouts(iam, moved, target):
    paths = list(iam.glob(moved))
    (iam / target).mkdir(exist_ok=True)
    for path in paths:
        path.rename(iam / target / path.name)
    samples, _ = read_iam(iam, "lines", keep_err=True)
    assert [(sample.text, sample.writer) for sample in samples] == list(zip(TEXTS["lines"], WRITERS, strict=True))


def test_read_iam_follows_a_link_to_another_disk_with_a_circle(iam, tmp_path):
    (iam / "lines").rename(tmp_path / "elsewhere")
    (iam / "lines").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "elsewhere" / "circle").symlink_to(iam, target_is_directory=True)
    assert [sample.text for sample in read_iam(iam, "lines", keep_err=True)[0]] == TEXTS["lines"]


def test_read_iam_takes_no_copies_elsewhere(iam):
    shutil.copytree(iam / "lines", iam / "a_backup")
    for sample in read_iam(iam, "lines", True)[0]:
        assert "a_backup" not in sample.image


@pytest.mark.parametrize("inner", ["lines", "ascii"])
def test_read_iam_takes_a_folder_inside_the_download(iam, inner):
    assert len(read_iam(iam / inner, "lines", keep_err=True)[0]) == 4


def test_read_iam_takes_windows_line_ends_marks_and_old_encodings(iam):
    path = iam / "ascii" / "lines.txt"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert [sample.text for sample in read_iam(iam, "lines", True)[0]] == TEXTS["lines"]
    path.write_bytes(LINES[0].replace("MOVE", "café").encode("latin-1"))
    assert read_iam(iam, "lines")[0][0].text == "A café to stop"


def test_read_iam_lists_bad_rows_and_missing_images(iam):
    path = iam / "ascii" / "lines.txt"
    rows = ["a01-000u-00 ok 154 19 408", "a01-000u-00 maybe 1 2 3 4 5 6 text", "a01-000u-00 ok 1 2 3 4 5 6 |"]
    path.write_text("\n".join(rows + LINES))
    (iam / "lines" / "b02" / "b02-010" / "b02-010-00.png").unlink()
    samples, skipped = read_iam(iam, "lines", keep_err=True)
    assert len(samples) == 3
    assert [entry.source for entry in skipped] == [f"{path}:{number}" for number in (1, 2, 3, 7)]
    for entry, reason in zip(skipped, ("malformed", "malformed", "no text", "no image: b02-010-00.png"), strict=True):
        assert reason in entry.reason


def test_read_iam_knows_no_writer_without_forms(iam):
    (iam / "ascii" / "forms.txt").unlink()
    assert {sample.writer for sample in read_iam(iam, "lines")[0]} == {""}


def test_read_iam_names_what_is_missing_with_the_remedy(iam, tmp_path):
    def message(root, unit="lines"):
        with pytest.raises(InputError) as error:
            read_iam(root, unit)
        assert "\n" not in str(error.value)
        return str(error.value)

    empty = tmp_path / "deep" / "empty"
    empty.mkdir(parents=True)
    for root, reason in ((tmp_path / "nowhere", "no such folder"), (empty, "looked for lines.txt")):
        for part in (reason, "--dataset synthetic", "Register"):
            assert part in message(root)
    assert "no unit 'pages'" in message(iam, "pages")
    (iam / "ascii" / "lines.txt").write_text("# only comments\nx y z\n")
    assert "none of its 1 rows can be used; the first" in message(iam)
    for unit in ROWS:
        shutil.rmtree(iam / unit)
    assert "no image;" in message(iam, "sentences")
