from pathlib import Path

from mltu.utils.machine import processor_field

CPUINFO = """processor\t: 0
model name\t: Some processor: fast
flags\t\t: fpu avx512_bf16

processor\t: 1
flags\t\t: none
"""


def test_processor_field_reads_the_first_processor(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda path, encoding: CPUINFO)
    assert processor_field("flags", "Features") == "fpu avx512_bf16"
    assert processor_field("model name") == "Some processor: fast"
    assert processor_field("Features") == ""


def test_processor_field_is_empty_where_linux_is_not(monkeypatch):
    def missing(path, encoding):
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", missing)
    assert processor_field("flags") == ""
