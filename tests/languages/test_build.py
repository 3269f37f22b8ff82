import runpy

import pytest

from helpers import ROOT
from mltu.utils.errors import InputError

BUILD = runpy.run_path(str(ROOT / "languages" / "build.py"))
VOCAB = "".join(map(chr, range(32, 127))) + "é"


def test_read_texts_writes_as_the_recogniser_does(tmp_path):
    (tmp_path / "a.txt").write_text("“It’s” – he said…\n\nl\u2060'été  ici\nпривет\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text("image,text\na.png,A line\n", encoding="utf-8")
    texts = BUILD["read_texts"]([str(tmp_path / "a.txt"), str(tmp_path / "b.csv")], VOCAB, [])
    assert texts == ['"It\'s" - he said...', "l'été ici", "A line"]


def test_read_texts_leaves_out_lines_of_validation(tmp_path):
    (tmp_path / "a.txt").write_text("The old house was empty.\nAnother one.\n", encoding="utf-8")
    assert BUILD["read_texts"]([str(tmp_path / "a.txt")], VOCAB, ["old house"]) == ["Another one."]
    with pytest.raises(InputError, match="no line is left"):
        BUILD["read_texts"]([str(tmp_path / "a.txt")], VOCAB, ["."])


def test_parse_refuses_names_that_lead_elsewhere(capsys):
    for name in ("../x", "a/b", ""):
        with pytest.raises(SystemExit):
            BUILD["parse"]([name, "--text", "a.txt", "--csv", "a.csv"])
        assert "letters, digits and hyphens" in capsys.readouterr().err
