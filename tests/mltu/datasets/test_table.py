import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.datasets import Sample, Skipped, read_table, without_contradictions, write_table
from mltu.datasets.base import normalize_text
from mltu.utils.errors import InputError

texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30).filter(normalize_text)


paths = st.text("abcü-", min_size=1).map(lambda name: f"/x/{name}.png")


@given(st.lists(st.tuples(paths, texts, st.text("w12")), min_size=1))
def test_write_table_and_read_table_are_inverse(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("t") / "lines.csv"
    write_table(path, rows)
    samples, skipped = read_table(path)
    assert all(entry.kept for entry in skipped)
    assert samples == [Sample(image, normalize_text(text), writer) for image, text, writer in rows]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'image,text,writer\nx.png,"Hello, ""you""",w\n'),
        ("a.csv", 'x.png,"Hello, ""you""",w\n'),
        ("a.csv", '\ufeffWriter,Label,File\nw,"Hello, ""you""",x.png\n'),
        ("a.csv", '0,1,writer\r\n\r\nx.png,"Hello, ""you""",w\r\n'),
        ("a.tsv", 'file\twriter\ttext\nx.png\tw\tHello, "you"\n'),
        ("a.tsv", 'x.png\t"Hello, ""you"""\tw\n'),
        ("a.txt", 'x.png\tHello,  "you" \tw\n'),
        ("a.csv", 'image;text;writer\nx.png;"Hello, ""you""";w\n'),
        ("a.csv", '\ufeffimage;text;writer\r\nx.png;Hello, "you";w\r\n'),
        ("a.csv", 'x.png;Hello, "you";w\n'),
        ("a.csv", 'image\ttext\twriter\nx.png\tHello, "you"\tw\n'),
        ("a.csv", 'image , text , writer\nx.png , "Hello, ""you""" , w\n'),
        ("a.csv", '"image" ; "text" ; "writer"\n"x.png" ;\t"Hello, ""you""" ; "w"\n'),
        ("a.csv", 'sep=;\nimage;text;writer\nx.png;Hello, "you";w\n'),
        ("a.tsv", 'SEP=\t\nx.png\tHello, "you"\tw\n'),
        ("a.tsv", 'image;text;writer\nx.png;"Hello, ""you""";w\n'),
        ("a.csv", 'image;text;writer;\nx.png;Hello, "you";w;\n'),
        ("a.csv", 'i\u200bmage,text,writer\nx.png,"Hello, ""you""",w\n'),
    ],
)
def test_read_table_forms_of_the_same_table(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    samples, skipped = read_table(tmp_path / name)
    assert samples == [Sample(str(tmp_path / "x.png"), 'Hello, "you"', "w")]
    assert skipped == []


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("quotes round every text.tsv", 'image\ttext\nx.png\t"one"\ny.png\t"two"\n', ["one", "two"]),
        ("quotes.tsv", 'x.png\t"Go!" she said\ny.png\t"Go!"\nz.png\t5" wide\n', ['"Go!" she said', '"Go!"', '5" wide']),
        (
            "quotes.csv",
            'x.png,"Go!" she said\ny.png,5" wide\nz.png,say "so"\n',
            ['"Go!" she said', '5" wide', 'say "so"'],
        ),
        ("nothing to others.csv", "image,text\na.png,NA\nb.png,null\nc.png,1e5\n", ["NA", "null", "1e5"]),
    ],
)
def test_read_table_tells_quotes_and_words_that_are_text(tmp_path, name, content, expected):
    (tmp_path / name).write_text(content)
    assert [sample.text for sample in read_table(tmp_path / name)[0]] == expected


@pytest.mark.parametrize("image", ["img\\line.png", "img\\\u200bline.png", "./img/line.png", ".\\img\\line.png"])
def test_read_table_finds_pictures_whose_paths_windows_wrote(tmp_path, png, image):
    png("img/line.png")
    (tmp_path / "a.csv").write_text(f"image,text\n{image},a\n", encoding="utf-8")
    (sample,), _ = read_table(tmp_path / "a.csv")
    assert os.path.samefile(sample.image, tmp_path / "img" / "line.png")


def test_read_table_tells_what_nobody_can_see(tmp_path):
    rows = ["a.png,Please\u200b se\u00adnd\ufeff", "b.png,plain", "c.png,exam\u00ad", "d.png,\u200b", "e.png,a\x07b"]
    rows.append("f.png,\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645")  # Persian, where the joiner can be seen
    path = tmp_path / "a.csv"
    path.write_text("\n".join(["image,text", *rows]), encoding="utf-8")
    samples, skipped = read_table(path)
    assert [sample.text for sample in samples] == ["Please send", "plain", "exam-", "ab", rows[-1].split(",")[1]]
    assert [(entry.source, entry.kept) for entry in skipped] == [
        (f"{path}:2", True),
        (f"{path}:5", False),
        (f"{path}:6", True),
    ]
    assert skipped[0].reason.endswith(": U+00AD, U+200B, U+FEFF")


def test_read_table_paths_are_found_beside_the_table_and_from_here(tmp_path, png, monkeypatch):
    png("data/here.png")
    png("there.png")
    (tmp_path / "data" / "a.csv").write_text("here.png,a\nthere.png,b\n")
    monkeypatch.chdir(tmp_path)
    samples, _ = read_table("data/a.csv")
    assert [sample.image.replace("\\", "/") for sample in samples] == ["data/here.png", "there.png"]


def test_read_table_paths_are_found_from_the_folders_around(tmp_path, png, monkeypatch):
    png("project/Datasets/a.png")
    (tmp_path / "project" / "Models" / "run").mkdir(parents=True)
    table = tmp_path / "project" / "Models" / "run" / "val.csv"
    table.write_text("Datasets/a.png,text\n" + "x" * 300 + ",long\n")
    monkeypatch.chdir(tmp_path)
    samples, _ = read_table(table)
    assert samples[0].image == str(tmp_path / "project" / "Datasets" / "a.png")
    assert samples[1].text == "long"


@pytest.mark.parametrize("image", ["../secret.png", "..\\secret.png", "a/../../secret.png", "./..//secret.png", ".."])
def test_read_table_relative_paths_that_lead_out_are_refused(tmp_path, png, image, monkeypatch):
    png("secret.png")
    png("data/a.png")
    (tmp_path / "data" / "lines.csv").write_text(f"a.png,a\n{image},b\n")
    for folder, table in ((tmp_path / "data", "lines.csv"), (tmp_path, "data/lines.csv")):
        monkeypatch.chdir(folder)
        samples, skipped = read_table(table)
        assert [sample.text for sample in samples] == ["a"]
        assert [entry.reason for entry in skipped] == [f"{image}: leads out by ..; write the whole path"]


def test_write_table_writes_paths_beside_it_relative_and_others_whole(tmp_path, png, monkeypatch):
    png("data/a.png")
    (tmp_path / "data" / "lines.csv").write_text("a.png,a\n")
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path / "run")
    samples, _ = read_table("../data/lines.csv")
    assert samples[0].image.replace("\\", "/") == "../data/a.png"
    write_table("train.csv", samples)
    again, skipped = read_table("train.csv")
    assert again == [samples[0]._replace(image=str(tmp_path / "data" / "a.png"))]
    assert skipped == []


def test_read_table_not_every_file_can_be_named_from_the_root(tmp_path):
    (tmp_path / "lines.csv").write_text(f"{tmp_path.relative_to(tmp_path.anchor)}/lines.csv,a\n")
    samples, _ = read_table(tmp_path / "lines.csv")
    assert not os.path.exists(samples[0].image)


def test_read_table_texts_are_not_cut_at_commas(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('image,text\na.png,Dear Anna, hello\nb.png,"Dear Anna, hello"\n')
    samples, skipped = read_table(path)
    assert [sample.text for sample in samples] == ["Dear Anna, hello"]
    assert skipped[0].source == f"{path}:2"
    assert "quotes" in skipped[0].reason
    path.write_text('image,text,writer\na.png,Dear Anna, hello\nb.png,"Dear Anna, hello", me\nc.png, spaced, me\n')
    samples, skipped = read_table(path)
    assert [(sample.text, sample.writer) for sample in samples] == [("Dear Anna, hello", "me"), ("spaced", "me")]
    assert [entry.source for entry in skipped] == [f"{path}:2"]


def test_read_table_rows_without_text_or_image_are_listed(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("image,text\na.png,yes\nb.png,  \n,lost\nc.png\n\n")
    samples, skipped = read_table(path)
    assert [sample.text for sample in samples] == ["yes"]
    assert [(entry.source, entry.reason) for entry in skipped] == [
        (f"{path}:3", "no text"),
        (f"{path}:4", "no image"),
        (f"{path}:5", "no text"),
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no row"),
        (b"image,text\n", "no row"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "UTF-8"),
        (b'a.png,"' + b"x" * 200_000 + b'"', "not a CSV"),
        (b"../a.png,x\n", "leads out by .."),
        (b'a.png,"Hello\nb.png,ok\nc.png,fine\n', "not a CSV"),
    ],
)
def test_read_table_what_is_no_table_is_named(tmp_path, content, message):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_table(tmp_path / "a.csv")
    assert str(error.value).startswith(str(tmp_path / "a.csv"))


def test_read_table_missing_tables_and_folders_are_named(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(InputError, match="folder"):
        read_table(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read_table(tmp_path / "a\0b.csv")


def test_read_table_texts_are_normalised():
    assert normalize_text(" a\u00a0 e\u0301\t") == "a é"


def test_without_contradictions_drops_images_with_several_texts():
    samples = [Sample("a", "one"), Sample("b", "two"), Sample("a", "other"), Sample("b", "two")]
    kept, left = without_contradictions(samples)
    assert kept == [samples[1], samples[3]]
    assert left == [Skipped("a", "named with different texts")] * 2


def test_read_table_refuses_two_columns_of_one_name(tmp_path):
    (tmp_path / "t.csv").write_text("image,text,Text\na.png,one,two\n")
    with pytest.raises(InputError, match="2 columns named text"):
        read_table(tmp_path / "t.csv")
