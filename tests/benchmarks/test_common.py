import keras
import numpy as np
import pytest
from keras import layers

from benchmarks import common
from helpers import rows
from mltu.tensorflow.callbacks import Model2onnx
from mltu.utils.errors import CommandError


def test_onnx_flops_are_those_of_the_formulas(tmp_path):
    inputs = layers.Input((8, None, 1))
    x = layers.Conv2D(4, (3, 5), strides=2, padding="same")(inputs)
    x = keras.ops.max(x, axis=1)
    x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(x)
    x = layers.Dense(7)(x)
    Model2onnx.model2onnx(keras.Model(inputs, x), tmp_path / "m.onnx")
    convolution = 2 * (4 * 10) * 4 * (3 * 5 * 1)
    lstm = 2 * 10 * 2 * (4 * 6) * (4 + 6)
    dense = 2 * 10 * 12 * 7
    assert common.onnx_flops(tmp_path / "m.onnx", 8, 20) == convolution + lstm + dense


def test_gemm_rate_counts_the_operations_of_the_fastest_product(monkeypatch):
    # when it starts, and for each product: whether there is time, before and after it
    moments = iter([0, *(0, 1, 3), *(3, 3, 3.5), *(4, 4, 6), 10])
    monkeypatch.setattr("time.perf_counter", lambda: next(moments))
    assert common.gemm_rate(1, size=64, seconds=10) == 2 * 64**3 / 0.5


def test_rounds_take_turns_and_give_medians():
    seen = []

    def run(case):
        seen.append(case["name"])
        return {"value": float(len(seen))}

    measured = common.rounds([{"name": "a"}, {"name": "b"}], run, 3)
    assert seen == ["a", "b"] * 3
    assert measured == [{"name": "a", "value": 3.0}, {"name": "b", "value": 4.0}]


def test_report_prints_and_writes_a_table_with_ratios(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    measured = [{"name": "a", "speed": 2.0}, {"name": "b", "speed": 5.0}]
    common.report("test", measured, "speed", lambda row: measured[0])
    assert [row["ratio"] for row in rows(tmp_path / "results" / "test.csv")] == ["1.0", "2.5"]
    assert "2.5" in capsys.readouterr().out


def test_measure_says_why_a_measurement_failed(tmp_path, capsys):
    script = tmp_path / "s.py"
    script.write_text(
        "import sys, json; o = json.loads(sys.argv[2]); print('x'); print(json.dumps({'v': 1 / o['by']}))"
    )
    assert common.measure(str(script), {"threads": 1, "by": 4}) == {"v": 0.25}
    with pytest.raises(CommandError, match=r's.py \{"threads": 1, "by": 0\} failed'):
        common.measure(str(script), {"threads": 1, "by": 0})
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_measure_runs_every_benchmark(line_run, tmp_path):
    """The part of each that runs in a process of its own, on the test's small model."""
    shared = {"threads": 1, "csv": str(line_run / "val.csv")}
    found = common.measure("benchmarks/reading.py", {**shared, "model": str(line_run), "lines": 2})
    assert found["lines_per_second"] > 0
    assert 0 < found["median_ms"] <= found["p95_ms"]
    assert found["share_of_gemm"] > 0  # both rates are timed apart, so on a busy machine it may exceed 1
    assert found["memory_mb"] > 10
    options = {**shared, "network": "line", "cache": True, "loader": "processes", "workers": 2, "batch": 2, "epochs": 2}
    assert common.measure("benchmarks/pipeline.py", options)["lines_per_second"] > 0
    options = {"threads": 1, "network": "line", "shortcut": 0.1, "precision": "mixed_bfloat16", "batch": 1, "steps": 1}
    found = common.measure("benchmarks/training.py", options)
    assert found["lines_per_second"] == pytest.approx(1 / found["step_s"])
    assert np.isfinite(found["step_s"])
