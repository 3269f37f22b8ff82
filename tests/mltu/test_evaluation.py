import os
import sys

import numpy as np
import pytest

from helpers import evaluated_line, rows
from mltu.datasets import Sample, read_table
from mltu.evaluation import Evaluation, evaluate, evaluate_table, results_file
from mltu.recognizer import LineRecognizer
from mltu.utils.errors import InputError
from mltu.utils.image_utils import read_image
from mltu.utils.text_utils import get_cer, get_wer


@pytest.fixture(scope="module")
def model(trained_run):
    return LineRecognizer(trained_run[0])


@pytest.fixture(scope="module")
def samples(trained_run):
    return read_table(trained_run[0] / "val.csv")[0]


def test_evaluate_reads_in_order_and_gives_errors_in_their_place(model, samples):
    broken = Sample("missing.png", "text", "")
    found = list(evaluate(model, [samples[0], broken, samples[1]]))
    assert [found[0].image, found[2].image] == [samples[0].image, samples[1].image]
    assert found[0].reading.text == model.read(read_image(samples[0].image)).text
    assert (found[0].text, found[0].writer) == (samples[0].text, samples[0].writer)
    assert isinstance(found[1], InputError)
    assert "missing.png: no such file" in str(found[1])


def test_evaluate_table_gives_rates_over_all_rows(model, samples, trained_run, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)  # where progress bars are shown
    out = tmp_path / "out.csv"
    evaluation = evaluate_table(model, str(trained_run[0] / "val.csv"), str(out))
    found = rows(out)
    readings, texts = [row["reading"] for row in found], [row["text"] for row in found]
    assert texts == [sample.text for sample in samples]
    assert [row["image"] for row in found] == [sample.image for sample in samples]
    assert readings == [line.reading.text for line in evaluation.lines]
    assert evaluation.failed == 0
    summary = evaluation.summary()
    assert f"CER {get_cer(readings, texts):.2%} " in summary
    assert f"WER {get_wer(readings, texts):.2%} " in summary
    assert f"{len(samples)} lines" in summary
    values = get_cer(readings[0], texts[0]), get_wer(readings[0], texts[0]), evaluation.lines[0].reading.confidence
    assert [float(found[0][name]) for name in ("cer", "wer", "confidence")] == pytest.approx(values, abs=1e-4)
    assert capsys.readouterr().err.count("Reading: 100%") == 1


def test_evaluate_table_reads_the_rest_of_tables_with_bad_rows(model, samples, tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text(f"{samples[0].image},some text\nmissing.png,more\n{samples[0].image},\n")
    evaluation = evaluate_table(model, str(table))
    assert (len(evaluation.lines), evaluation.failed) == (1, 2)
    assert evaluation.summary().splitlines()[-1].startswith("1 lines, ")
    told = capsys.readouterr().err
    assert f"{table}:3: no text" in told
    assert "missing.png: no such file" in told


def test_evaluate_table_refuses_to_replace_its_table_or_an_image(model, samples, tmp_path):
    table = tmp_path / "t.csv"
    table.write_text(f"{samples[0].image},some text\n")
    for output in (tmp_path / "." / "t.csv", samples[0].image):
        with pytest.raises(InputError, match="is an input too"):
            evaluate_table(model, str(table), str(output))
    assert table.read_text().endswith("some text\n")


def test_summary_pools_errors_over_the_lines():
    lines = [evaluated_line("abcd efgh", "abcd efgx"), evaluated_line("a", "b")]
    first, second, third = Evaluation(lines, 0, 0.5).summary().splitlines()
    assert first.startswith("CER 20.00% (2 of 10 characters; 95 % interval ")
    assert second.startswith("WER 66.67% (2 of 3 words; 95 % interval ")
    assert third == "2 lines, 4.0 per second"


def test_results_file_flushes_each_row_and_names_what_cannot_be_written(tmp_path):
    path = tmp_path / "out.csv"
    with results_file(str(path), ("a", "b"), []) as append:
        append(("é", np.float64(1)))
        assert path.read_text(encoding="utf-8") == "a,b\né,1.0\n"
        append(("\udcff", 2))
    assert path.read_text(encoding="utf-8").splitlines()[-1] == "\\udcff,2"
    with results_file(None, ("a", "b"), []) as append:
        append((1, 2))
    with pytest.raises(InputError, match="cannot be written"):
        results_file(str(path / "o.csv"), ("a",), []).__enter__()


def test_results_file_makes_its_folder_and_replaces_earlier_results_only(tmp_path):
    path = tmp_path / "new" / "out.csv"
    for value in (1, 2):
        with results_file(str(path), ("a", "b"), []) as append:
            append((value, value))
    assert path.read_text().splitlines() == ["a,b", "2,2"]
    path.write_text("mine\n")
    with pytest.raises(InputError, match="holds something else"):
        results_file(str(path), ("a", "b"), []).__enter__()
    assert path.read_text() == "mine\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_results_file_is_named_where_the_disk_is_full():
    with pytest.raises(OSError, match="No space") as caught, results_file("/dev/full", ("a",), []):
        pass
    assert caught.value.filename == "/dev/full"
