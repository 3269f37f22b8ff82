"""Tables of lines, the IAM database's lists, and lists of parts."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, partial
from pathlib import Path

from mltu.datasets import Sample, list_split, read_iam, read_table, write_table
from mltu.utils.errors import InputError
from mltu.utils.image_utils import read_image

from .base import OUTSIDE, SECRET, Attacks, Input, Target
from .images import plain_images

FILE_TOKENS = (b"../secret.png", b"..\\secret.png", b"a.png", b"/etc/hostname")
ROW_TOKENS = (*FILE_TOKENS, b'""', b"\r\n", b"|", b";", b"sep=,", b"\xff\xfe", b" ok ", b" err ", b"#")


@cache
def table_files() -> list[Input]:
    return [
        Input("a.csv", b'image,text,writer\na.png,"Dear ""Anna"", x",me\nb/c.png,second,you\n'),
        Input("a.csv", "a.png,één\r\nb/c.png,zwei\r\n".encode()),
        Input("a.tsv", b'file\ttext\tform\na.png\t"Go!" she said\tf1\n'),
        Input("a.txt", b"a.png\tx\nb/c.png\ty\n"),
        Input("a.csv", b'sep=;\r\nimage ; text\r\na.png ; "Dear ""Anna""; x"\r\nb\\c.png;second\r\n'),
    ]


@cache
def table_attacks() -> Attacks:
    contents = {f"outside{number}": f"a.png,x\n{name},y\n".encode() for number, name in enumerate(OUTSIDE)}
    contents |= {
        "field": b"a.png," + b"x" * 200_000,
        "quote": b'a.png,"x\n' + b"b.png,y\n" * 20_000,
        "columns": b"a.png,x" + b",y" * 200_000 + b"\n" + b"a.png,x\n" * 10,
        "header": b"image,text\n",
        "names": b"image,image,text,text\na.png,b/c.png,x,y\n",
        "returns": b"a.png,x\ra.png,y\r",
        "nul": b"a.png,x\0y\n",
        "quotes2": b'a.png,"x""' * 20_000,
        "quotes3": b'","' * 100_000,
        "pairs": b'a.png,"' + b'""' * 60_000 + b"x,y\n" + b'"a",' * 60_000,
        "separator": b"sep=\n" + b";" * 100_000,
        "lines": b'a.png,"' + b"\n" * 100_000 + b'"\n',
        "utf16": "a.png,x\n".encode("utf-16"),
        "breaks": "a.png\u2028,x\n,\x1b[31m\x85\n".encode(),
        "rows": b"a.png,x\n" * 100_000,
        "marks": b"\xef\xbb\xbf" * 1000 + b"a.png,x\n",
        "combining": b"a.png,a" + "\u0301".encode() * 50_000,
    }
    tables = {f"{title}:a.csv": content for title, content in contents.items()}
    quotes = b"a.png\t" + b'"' * 100_000 + b"\n"
    return tables | {"quotes:a.tsv": quotes, "outside:a.tsv": f"{SECRET}.png\tx\n".encode()}


def read_and_write_table(path: Path) -> list[str]:
    samples, skipped = read_table(path)
    for sample in samples[:20]:
        if not Path(sample.image).is_absolute():  # absolute paths are the user's, who may name any file
            with suppress(InputError):
                read_image(sample.image)
    write_table("again.csv", samples)
    read_table("again.csv")
    Path("again.csv").unlink()
    return [entry.reason for entry in skipped]


IAM_ROWS = (
    b"#--- sentences.txt ---#\na01-000u-s00-00 0 ok 154 19 408 746 1661 89 A|MOVE|to|stop\n"
    b"a01-000u-s00-01 0 err 156 19 395 932 1850 105 nominating|any|more|Labour\n"
    b"a01-000x-s00-00 0 ok 154 19 408 746 1661 89 A | MOVE, to \n"
)
FORM_ROWS = b"#--- forms.txt ---#\na01-000u 000 2 prt 7 5 52 36\na01-000x 001 2 prt 7 5 52 36\n"
IAM_TABLE, IAM_FORMS = "db/ascii/sentences.txt", "db/ascii/forms.txt"


@cache
def iam_files() -> list[Input]:
    return [Input(IAM_TABLE, IAM_ROWS), Input(IAM_FORMS, FORM_ROWS)]


def iam_companions() -> list[Input]:
    folders = ("db/sentences/a01/a01-000u/a01-000u-s00-00.png", "db/sentences/a01/a01-000x/a01-000x-s00-00.png")
    return [*iam_files(), *plain_images(*folders)]


@cache
def iam_attacks() -> Attacks:
    row = b"%b 0 ok 154 19 408 746 1661 89 text\n"
    contents = {
        "empty": b"",
        "bars": row.replace(b"text", b"|" * 100) % b"a01-000u-s00-00",
        "long": row.replace(b"text", b"x|" * 500_000) % b"a01-000u-s00-00",
        "spaces": b" " * 1_000_000,
        "returns": b"\r" * 1000 + IAM_ROWS.replace(b"\n", b"\r"),
        "breaks": b"\x1b[31m\x85\xe2\x80\xa8\x0b\n" * 100,
        "comments": b"#" * 100_000,
        "utf16": IAM_ROWS.decode().encode("utf-16"),
        "rows": b"x\n" * 200_000,
    }
    contents |= {f"outside{number}": IAM_ROWS + row % name.encode() for number, name in enumerate(OUTSIDE)}
    attacks = {f"{title}:{IAM_TABLE}": content for title, content in contents.items()}
    writers = b"a01-000u " + b"x" * 100_000 + b"\n"
    return attacks | {f"writers:{IAM_FORMS}": writers, f"binary:{IAM_FORMS}": bytes(range(256)) * 100}


def read_database(path: Path) -> list[str]:
    _, skipped = read_iam("db", "sentences")
    return [entry.reason for entry in skipped]


@cache
def list_files() -> list[Input]:
    return [Input("train.txt", b"w1\na01-000u\n"), Input("train.txt", "\ufeffw1\r\n\r\né\r\n".encode())]


@cache
def list_attacks() -> Attacks:
    contents = {
        "empty": b"",
        "spaces": b" \n\t\n\x0b",
        "both": b"w1\nw2\n",
        "other": b"w3\n",
        "utf16": "w1\n".encode("utf-16"),
        "nul": b"w1\0\n",
        "breaks": "w1\u2028w\x85w\x1c".encode(),
        "long": b"w" * 1_000_000,
        "many": b"".join(b"%d\n" % number for number in range(100_000)) + b"w1\n",
        "control": b"w2\x1b[31m\nw1\n",
    }
    return {f"{title}:train.txt": content for title, content in contents.items()}


def read_list(path: Path) -> None:
    samples = [Sample("a.png", "x", "w1", "a01-000u"), Sample("b.png", "y", "w2")]
    list_split(samples, {"train": path, "val": "val.txt"})


TABLE = Target(read_and_write_table, table_files, table_attacks, ROW_TOKENS, partial(plain_images, "a.png", "b/c.png"))
IAM = Target(read_database, iam_files, iam_attacks, ROW_TOKENS, iam_companions)
LIST_TOKENS = (b"w1", b"w2", b"a01-000u", b"a.png")
LISTS = Target(read_list, list_files, list_attacks, LIST_TOKENS, partial(list, [Input("val.txt", b"w2")]))
