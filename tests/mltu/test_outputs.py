import csv
import json
import os
from pathlib import Path

import pytest

from helpers import box, line_reading
from mltu.formats import CSV_HEADER, FORMATS
from mltu.inputs import STDIN
from mltu.outputs import Results, format_for, page_path, page_targets
from mltu.readings import PageReading
from mltu.utils.errors import InputError

FORMATS_OF_FILES = ("csv", "json", "text")
SOURCES = ["scans/a.png", 'b, "two".tif', "ü.pdf"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """The folder of the test, with the sources; it is the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in (*SOURCES, "new.png", "newer.png", "in/a.tif", "in/a.png", "in/b.tif", "in/deep/a.pdf"):
        touch(name)
    return tmp_path


def touch(name):
    """Make or change a file."""
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" + (path.read_bytes() if path.exists() else b""))


def listed(folder):
    """The files in a folder and below, without those that are hidden."""
    paths = (path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith("."))
    return sorted(path.relative_to(folder).as_posix() for path in paths)


def line(text, top=0):
    """A line whose words have confidences of their own: the first character of a word says how sure it is."""
    confidences = [0.2 if letter == "?" else 1.0 for letter in text]
    return line_reading(text, box(0, top, 200, top + 20), 0.75, confidences)


def pages(source, count=2):
    """Pages of two lines each."""
    return [
        PageReading(source, n, 300, 100, (line(f'page {n}, a "quoted" word'), line(f"and ?nother {n}", 50)))
        for n in range(1, count + 1)
    ]


def small_pages(source):
    """Two pages of next to nothing."""
    return [PageReading(source, n, 9, 9, (line(text),)) for n, text in ((1, '"'), (2, ""))]


def write_all(output, format_name, sources=SOURCES, read=pages, **options):
    """A run that reads what is due; returns the sources that it read."""
    shown = []
    with Results(output and str(output), format_name, sources, shown.append, **options) as results:
        todo = [source for source in sources if source not in results.done]
        for source in todo:
            results.write(source, read(source))
    assert bool(shown) == (output is None)
    return todo if output else "".join(shown)


# --- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "name", "format_name"),
    [
        ("out.csv", None, "csv"),
        ("out.CSV", None, "csv"),
        ("out.json", None, "json"),
        ("out.jsonl", None, "json"),
        ("out.xml", None, "alto"),
        ("out.txt", None, "text"),
        ("folder", None, "text"),
        (None, None, "text"),
        ("out.csv", "json", "json"),
        ("out.xml", "page", "page"),
        (None, "alto", "alto"),
    ],
)
def test_format_for_is_the_one_named_or_that_of_the_ending(output, name, format_name):
    assert format_for(output, name) == format_name
    assert format_name in FORMATS


@pytest.mark.parametrize("output", ["out.docx", "out.cvs", "a.txt/out.csv.bak"])
def test_format_for_refuses_unknown_endings(output):
    with pytest.raises(InputError, match=r"no format has the ending \.\w+; choose \.txt, \.csv.* or add --format"):
        format_for(output, None)
    assert format_for(output, "csv") == "csv"


def test_page_targets_are_in_folders_as_the_sources(tmp_path):
    sources = [str(tmp_path / name) for name in ("in/a.png", "in/b/c.tif", "in/b/d/c.tif")]
    targets = page_targets(sources, "out", ".xml")
    assert [targets[source] for source in sources] == [
        Path("out", "a.xml"),
        Path("out", "b", "c.xml"),
        Path("out", "b", "d", "c.xml"),
    ]


def test_page_targets_of_one_folder_need_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert page_targets(["in/a.png", str(tmp_path / "in" / "b.png")], "out", ".xml") == {
        "in/a.png": Path("out/a.xml"),
        str(tmp_path / "in" / "b.png"): Path("out/b.xml"),
    }
    assert page_targets(["../x/a.png"], "out", ".xml") == {"../x/a.png": Path("out/a.xml")}
    assert page_targets([], "out", ".xml") == {}


def test_page_targets_of_the_same_stem_keep_their_endings():
    targets = page_targets(["in/a.png", "in/a.jpg", "in/b.png"], "out", ".xml")
    assert {str(path) for path in targets.values()} == {
        os.path.join("out", name) for name in ("a.png.xml", "a.jpg.xml", "b.xml")
    }


def test_page_targets_have_one_for_standard_input():
    assert page_targets([STDIN], "out", ".xml") == {STDIN: Path("out/stdin.xml")}
    targets = page_targets([STDIN, "in/stdin.png"], "out", ".xml")
    assert targets == {STDIN: Path("out/stdin.xml"), "in/stdin.png": Path("out/stdin.png.xml")}


# --- the screen and files -------------------------------------------------------------------


def test_Results_in_csv_have_a_row_for_each_line(tmp_path):
    write_all(tmp_path / "out.csv", "csv")
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == CSV_HEADER
    expected = [
        [source, str(page.page), str(number), line.text, "0.7500"]
        for source in SOURCES
        for page in pages(source)
        for number, line in enumerate(page.lines, start=1)
    ]
    assert [row[:5] for row in rows] == expected


def test_Results_in_json_have_an_object_for_each_page(tmp_path):
    write_all(tmp_path / "out.jsonl", "json", min_confidence=0.5)
    found = [json.loads(row) for row in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(page["source"], page["page"]) for page in found] == [(source, n) for source in SOURCES for n in (1, 2)]
    assert [line["text"] for line in found[1]["lines"]] == [line.text for line in pages("x")[1].lines]
    assert [word["doubtful"] for word in found[0]["lines"][1]["words"]] == [False, True, False]


def test_Results_text_of_several_files_says_which_each_line_is_of(tmp_path):
    write_all(tmp_path / "out.txt", "text", min_confidence=0.5)
    rows = [row.split("\t") for row in (tmp_path / "out.txt").read_text(encoding="utf-8").splitlines()]
    assert [row[0] for row in rows] == [source for source in SOURCES for _ in range(4)]
    assert [row[1] for row in rows[:2]] == ['page 1, a "quoted" word', "and ?nother[?] 1"]


def test_Results_text_of_one_file_is_the_text(tmp_path):
    for todo in (SOURCES[:1], []):
        assert write_all(tmp_path / "out.txt", "text", SOURCES[:1]) == todo
        text = (tmp_path / "out.txt").read_text(encoding="utf-8")
        assert text.splitlines() == [line.text for page in pages("") for line in page.lines]


@pytest.mark.parametrize("sources", [SOURCES, SOURCES[:1]])
@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
def test_Results_the_screen_shows_what_a_file_would_hold(tmp_path, format_name, sources):
    write_all(tmp_path / "out", format_name, sources)
    shown = write_all(None, format_name, sources)
    assert shown.encode() == (tmp_path / "out").read_bytes()
    assert shown.startswith(FORMATS[format_name].header)


@pytest.mark.parametrize("format_name", ["alto", "page"])
def test_Results_the_screen_shows_documents_too(format_name):
    assert write_all(None, format_name).count("<?xml") == 2 * len(SOURCES)


# --- continuing -----------------------------------------------------------------------------


@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
def test_Results_a_file_cut_anywhere_is_continued_to_the_same_end(tmp_path, format_name):
    path = tmp_path / "out"
    assert write_all(path, format_name, read=small_pages) == SOURCES
    whole = path.read_bytes()
    kept = set()
    for end in range(len(whole) + 1):
        path.write_bytes(whole[:end])
        todo = write_all(path, format_name, read=small_pages)
        assert path.read_bytes() == whole, end
        assert todo == SOURCES[len(SOURCES) - len(todo) :]
        kept.add(len(SOURCES) - len(todo))
    assert kept == {0, 1, 2, 3}  # finished files were not read again


@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
def test_Results_a_run_without_anything_to_read_is_the_same_as_none(tmp_path, format_name):
    write_all(tmp_path / "whole", format_name)
    with Results(str(tmp_path / "out"), format_name, SOURCES, print):
        pass
    write_all(tmp_path / "out", format_name)
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
def test_Results_other_sources_are_added_to_a_file(tmp_path, format_name):
    write_all(tmp_path / "whole", format_name)
    write_all(tmp_path / "out", format_name, SOURCES[:2])
    assert write_all(tmp_path / "out", format_name, [SOURCES[2], "new.png"]) == [SOURCES[2], "new.png"]
    assert (tmp_path / "out").read_bytes().startswith((tmp_path / "whole").read_bytes())


@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
def test_Results_a_cut_row_of_a_source_that_is_not_read_again_goes(tmp_path, format_name):
    path = tmp_path / "out"
    write_all(path, format_name, SOURCES[:2])
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    with Results(str(path), format_name, ["new.png", "newer.png"], print) as results:
        assert not {"new.png", "newer.png"} & results.done
    write_all(
        tmp_path / "first", format_name, [*SOURCES[:1], "none.png"], lambda name: pages(name, 2 * (name in SOURCES))
    )
    assert path.read_bytes() == (tmp_path / "first").read_bytes()
    assert whole.startswith(path.read_bytes())


OTHERS = {
    "a table": b"path,text\r\na.png,some text\r\n",
    "a letter": b"Dear Sir,\nthank you.\n",
    "a word": b"Dear",
    "a large object": b'{"name": "x", "version": 3}',
    "a list": b"[1, 2]\n",
    "a number": b"7\n",
    "no text": bytes(range(256)) + b"\n",
    "no text and no line": b"\x89PNG\r",
    "an empty line": b"\n",
}


@pytest.mark.parametrize("what", OTHERS)
@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
def test_Results_another_programs_file_is_refused_and_left(tmp_path, format_name, what):
    path = tmp_path / "out"
    path.write_bytes(OTHERS[what])
    with pytest.raises(InputError, match="holds something else") as error:
        Results(str(path), format_name, SOURCES, print)
    assert str(error.value).startswith(f"{path}: ")
    assert path.read_bytes() == OTHERS[what]


@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
def test_Results_results_in_another_format_are_refused_and_left(tmp_path, format_name):
    path = tmp_path / "out"
    for other in {"csv", "json", "text"} - {format_name}:
        path.unlink(missing_ok=True)
        write_all(path, other)
        before = path.read_bytes()
        with pytest.raises(InputError, match=r"other settings \(.*format"):
            Results(str(path), format_name, SOURCES, print)
        assert path.read_bytes() == before


@pytest.mark.parametrize("format_name", ["text", "csv", "alto"])
def test_Results_an_input_is_no_output(png, tmp_path, format_name):
    path = png()
    before = path.read_bytes()
    (tmp_path / "link.png").symlink_to(path)
    for output in (path, tmp_path / "link.png", tmp_path / "." / "line.png"):
        for sources in ([str(path)], [str(path), "b.png"]):
            with pytest.raises(InputError, match="is an input too"):
                Results(str(output), format_name, sources, print)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("name", "format_name"), [("out.csv", "csv"), ("out.hocr", "hocr"), ("folder", "alto")])
def test_Results_make_the_folders_of_their_output(tmp_path, name, format_name):
    write_all(tmp_path / "new" / "deep" / name, format_name)
    assert (tmp_path / "new" / "deep" / name).exists()


def test_Results_outputs_that_cannot_be_written_are_named(tmp_path):
    (tmp_path / "file").write_text("x")
    for output, format_name in (
        (tmp_path / "file" / "out.csv", "csv"),
        (tmp_path, "csv"),
        (tmp_path / "file", "alto"),
        (tmp_path / "file" / "below", "alto"),
    ):
        with pytest.raises(InputError, match="cannot be written") as error:
            Results(str(output), format_name, SOURCES, print)
        assert str(error.value).startswith(f"{output}: ")
    assert (tmp_path / "file").read_text() == "x"


# --- folders --------------------------------------------------------------------------------


@pytest.mark.parametrize(("format_name", "words"), [("alto", "<alto"), ("page", "<PcGts")])
def test_Results_a_folder_has_a_file_for_each_page(tmp_path, format_name, words):
    sources = ["in/a.tif", "in/a.png", "in/deep/a.pdf"]
    folder = tmp_path / "new" / "out"
    assert write_all(folder, format_name, sources) == sources
    files = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}
    assert set(files) - {".journal"} == {
        *("a.tif.xml", "a.tif_2.xml", "a.png.xml", "a.png_2.xml"),
        *(os.path.join("deep", name) for name in ("a.xml", "a_2.xml")),
    }
    assert all(words in text for name, text in files.items() if name != ".journal")
    assert "page 1," in files["a.png.xml"] or 'CONTENT="1,"' in files["a.png.xml"]
    assert "page 2," in files["a.png_2.xml"] or 'CONTENT="2,"' in files["a.png_2.xml"]


def test_Results_a_source_is_done_when_its_first_page_is_there(tmp_path):
    sources = ["in/a.tif", "in/b.tif"]
    assert write_all(tmp_path, "alto", sources) == sources
    assert write_all(tmp_path, "alto", sources) == []
    (tmp_path / "a.xml").rename(tmp_path / "a.xml.part")  # as a run leaves it that is stopped at the last page
    (tmp_path / "b_2.xml").write_text("changed by hand")
    assert write_all(tmp_path, "alto", sources) == sources[:1]
    assert (tmp_path / "b_2.xml").read_text() == "changed by hand"


def test_Results_the_first_page_is_written_last(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr("mltu.outputs.write_atomic", lambda path, content: written.append(path.name))
    with Results(str(tmp_path), "alto", ["in/a.tif", "in/b.tif"], print) as results:
        results.write("in/a.tif", pages("in/a.tif", 3))
    assert sorted(written) == ["a.xml", "a_2.xml", "a_3.xml"]
    assert written[-1] == "a.xml"


def test_Results_one_page_may_have_a_file(tmp_path):
    write_all(tmp_path / "new" / "out.xml", "alto", ["in/a.tif"])
    assert listed(tmp_path / "new") == ["out.xml", "out_2.xml"]
    # a name without an ending is a folder's, and so is that of a folder
    write_all(tmp_path / "out", "alto", ["in/a.tif"])
    (tmp_path / "out.2").mkdir()
    write_all(tmp_path / "out.2", "alto", ["in/a.tif"])
    assert listed(tmp_path / "out") == listed(tmp_path / "out.2") == ["a.xml", "a_2.xml"]


# --- what has changed -----------------------------------------------------------------------


@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
def test_Results_of_a_changed_source_are_replaced(tmp_path, format_name):
    path = tmp_path / "out"
    write_all(path, format_name)
    touch(SOURCES[0])
    with Results(str(path), format_name, SOURCES, print) as results:
        assert (results.done, results.changed) == ({*SOURCES[1:]}, {SOURCES[0]})
    assert write_all(path, format_name, read=lambda source: pages(source, 1)) == SOURCES[:1]
    expected = tmp_path / "expected"
    order = [*SOURCES[1:], SOURCES[0]]
    write_all(expected, format_name, order, lambda source: pages(source, 1 + (source != SOURCES[0])))
    assert path.read_bytes() == expected.read_bytes()


@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
@pytest.mark.parametrize("other", [{"model": "b"}, {"model": "a", "lm": "c"}, {}])
def test_Results_with_other_settings_are_refused_and_left(tmp_path, format_name, other):
    path = tmp_path / "out"
    write_all(path, format_name, SOURCES[:2], settings={"model": "a"})
    before = path.read_bytes()
    with pytest.raises(InputError, match=r"other settings \((model|lm)\).*--overwrite"):
        write_all(path, format_name, settings=other)
    assert path.read_bytes() == before
    assert write_all(path, format_name, settings={"model": "a"}) == SOURCES[2:]
    assert write_all(path, format_name, settings=other, overwrite=True) == SOURCES
    assert write_all(path, format_name, settings=other) == []


@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
def test_Results_without_a_journal_or_changed_by_hand_are_refused_and_left(tmp_path, format_name):
    path, journal = tmp_path / "out", tmp_path / ".out.journal"
    write_all(path, format_name)
    whole, record = path.read_bytes(), journal.read_bytes()
    edited = whole.replace(b"quoted", b"edited")
    for content, entries in ((whole, b""), (edited, record), (edited[:-9], record), (whole + b"more", record)):
        path.write_bytes(content)
        journal.write_bytes(entries)
        with pytest.raises(InputError, match="--overwrite"):
            write_all(path, format_name)
        assert path.read_bytes() == content
    assert write_all(path, format_name, overwrite=True) == SOURCES
    assert path.read_bytes() == whole


def test_Results_that_were_deleted_are_written_anew(tmp_path):
    for name, format_name in (("out.csv", "csv"), ("out.xml", "alto"), ("folder", "alto")):
        path = tmp_path / name
        write_all(path, format_name, SOURCES[:1], settings={"model": "a"})
        for file in [*tmp_path.glob("out*"), *path.glob("*.xml")]:
            file.unlink()
        assert write_all(path, format_name, SOURCES[:1], settings={"model": "b"}) == SOURCES[:1]


@pytest.mark.parametrize("format_name", [*FORMATS_OF_FILES, "alto"])
def test_Results_that_are_not_complete_are_read_again(tmp_path, format_name):
    path = tmp_path / "out"
    with Results(str(path), format_name, SOURCES, print) as results:
        for source in SOURCES:
            results.write(source, pages(source), complete=source != SOURCES[1])
    assert write_all(path, format_name) == SOURCES[1:2]
    assert write_all(path, format_name) == []
    assert write_all(path, format_name, redo=SOURCES[:1]) == SOURCES[:1]


@pytest.mark.parametrize("format_name", FORMATS_OF_FILES)
def test_Results_of_names_with_control_characters_or_no_utf8_are_continued(tmp_path, format_name):
    sources = [
        "a\tb.png",
        "c\nd.png",
        "e\r.png",
        "caf\udce9.png",
        "last.png",
    ]  # as Python names a file with the byte E9
    for source in sources:
        touch(source)
    path = tmp_path / "out"
    write_all(path, format_name, sources)
    whole = path.read_bytes()
    assert write_all(path, format_name, sources) == []
    for end in range(len(FORMATS[format_name].header), len(whole), 197):
        path.write_bytes(whole[:end])
        write_all(path, format_name, sources)
        assert path.read_bytes() == whole
    rows = [row.split("\t") for row in whole.decode("utf-8").splitlines()]
    if format_name == "text":
        names = ["a\\tb.png", "c\\nd.png", "e\\r.png", "caf\\udce9.png", "last.png"]
        assert [row[0] for row in rows[::4]] == names


def test_Results_move_with_their_sources(tmp_path, monkeypatch):
    write_all("out.csv", "csv")
    other = tmp_path.with_name(tmp_path.name + "_moved")
    tmp_path.rename(other)
    monkeypatch.chdir(other)
    assert write_all("out.csv", "csv") == []
    monkeypatch.chdir(other / "scans")
    assert write_all("../out.csv", "csv", ["a.png"]) == []  # the same file by another name


def test_Results_of_two_runs_at_once_do_not_mix(tmp_path):
    with Results("out.csv", "csv", SOURCES, print) as first, Results("out.csv", "csv", SOURCES, print) as second:
        second.write(SOURCES[0], pages(SOURCES[0]))
        with pytest.raises(InputError, match="another run is writing"):
            first.write(SOURCES[0], pages(SOURCES[0]))
    assert write_all("out.csv", "csv") == SOURCES[1:]


# --- folders of which something has changed -------------------------------------------------


def test_Results_in_a_folder_are_replaced_where_the_source_has_changed(tmp_path):
    sources = ["in/a.tif", "in/b.tif"]
    write_all("out", "alto", sources)
    touch("in/a.tif")
    assert write_all("out", "alto", sources, lambda source: pages(source, 1)) == ["in/a.tif"]
    assert listed("out") == ["a.xml", "b.xml", "b_2.xml"]  # without the page that no longer exists
    with pytest.raises(InputError, match=r"other settings \(model\)"):
        write_all("out", "alto", sources, settings={"model": "b"})
    assert write_all("out", "alto", ["in/b.tif"], settings={"model": "b"}, overwrite=True) == ["in/b.tif"]
    assert listed("out") == ["b.xml", "b_2.xml"]  # nothing of the other model


@pytest.mark.parametrize(
    "damaged",
    [b"", b"[]\n", b'{}\n{"source": 1}\n', b'{}\n{"source": "", "state": null, "rows": [], "files": {"../a": 1}}\n'],
)
def test_Results_in_a_folder_replace_no_file_of_others(tmp_path, damaged):
    Path("out").mkdir()
    Path("out/a.xml").write_text("corrected by hand")
    Path("out/.journal").write_bytes(damaged)
    with pytest.raises(InputError, match="--overwrite"):
        write_all("out", "alto", ["in/a.tif"])
    assert Path("out/a.xml").read_text() == "corrected by hand"
    assert write_all("out", "alto", ["in/a.tif"], overwrite=True) == ["in/a.tif"]
    assert "corrected" not in Path("out/a.xml").read_text()


def test_Results_in_a_folder_keep_corrections_by_hand(tmp_path):
    write_all("out", "alto", ["in/a.tif"])
    Path("out/a.xml").write_text("corrected by hand")
    assert write_all("out", "alto", ["in/a.tif"]) == []
    touch("in/a.tif")
    with pytest.raises(InputError, match=r"a\.xml: .*changed since"):
        write_all("out", "alto", ["in/a.tif"])
    assert Path("out/a.xml").read_text() == "corrected by hand"


def test_Results_in_a_folder_keep_their_names_when_sources_are_added(tmp_path):
    write_all("out", "alto", ["in/a.tif"])
    assert write_all("out", "alto", ["in/a.tif", "in/a.png", "in/deep/a.pdf"]) == ["in/a.png", "in/deep/a.pdf"]
    assert listed("out") == ["a.png.xml", "a.png_2.xml", "a.xml", "a_2.xml", "deep/a.xml", "deep/a_2.xml"]
    with pytest.raises(InputError, match=r"a\.xml: holds something else"):
        write_all("out", "alto", ["scans/a.png"])


def test_page_targets_of_a_page_and_of_a_source_do_not_meet():
    sources = ["in/a.tif", "in/a_2.png", "in/b.tif_2.png", "in/b.tif", "in/c_x.png", "in/c.png"]
    targets = page_targets(sources, "out", ".xml")
    files = [page_path(path, page).name for path in targets.values() for page in (1, 2)]
    assert len({*files}) == len(files)
    assert targets["in/c_x.png"] == Path("out/c_x.xml")


# --- documents ------------------------------------------------------------------------------


def test_Results_in_hocr_are_a_document_of_each_source_or_of_all(tmp_path):
    assert write_all("out", "hocr") == SOURCES
    assert listed("out") == ['b, "two".hocr', "scans/a.hocr", "ü.hocr"]
    assert Path("out/ü.hocr").read_text(encoding="utf-8").count('"ocr_page"') == 2
    assert write_all("out", "hocr") == []
    assert write_all("book.hocr", "hocr") == SOURCES
    assert Path("book.hocr").read_text(encoding="utf-8").count('"ocr_page"') == 6
    assert write_all("book.hocr", "hocr") == []
    touch(SOURCES[1])
    assert write_all("book.hocr", "hocr") == SOURCES
    assert write_all("book.hocr", "hocr", SOURCES[:2]) == SOURCES[:2]


def test_Results_in_one_document_are_written_whole_or_not_at_all(tmp_path):
    def read(source):
        if source == SOURCES[1]:
            raise KeyboardInterrupt
        return pages(source)

    with pytest.raises(KeyboardInterrupt):
        write_all("book.hocr", "hocr", read=read)
    assert not Path("book.hocr").exists()
    assert write_all("book.hocr", "hocr") == SOURCES


def test_Results_in_pdf_are_not_for_the_screen():
    with pytest.raises(InputError, match="--output"):
        Results(None, "pdf", SOURCES, print)
