"""How well and how fast lines are read, beside other programs for the job, on the same lines in the same run.

    python benchmarks/peers.py --csv test.tsv
    python benchmarks/peers.py --csv test.tsv --lines 100 --tessdata DIR --language fra

Beside this project, in float32 and in 8 bits: RapidOCR with the recogniser that its package brings, and, where
--tessdata names the folder of its data, Tesseract. Both are installed once into environments of their own
(benchmarks/results/rapidocr, benchmarks/results/tesseract). Each program gets the images as they are stored, one
after the other, and one thread; milliseconds are of processor time. Written to benchmarks/results/peers.csv.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

if __name__ == "__main__":
    from mltu.utils.console import guard_imports

    guard_imports("peers.py")

import argparse
import json
import time

from benchmarks.common import RESULTS, lines_of, measure, package_python, parse, report
from mltu.utils.console import command
from mltu.utils.text_utils import error_rate

MODEL_FILES = ("model.onnx", "model.int8.onnx")
PEERS = {
    "rapidocr": ("rapidocr>=3.10,<4", "onnxruntime"),
    "tesseract": ("tesserocr>=2.8,<3", "Pillow", "opencv-python-headless"),
}


def one(options: dict) -> dict[str, object]:
    """Read the lines with this project, in this process."""
    from inferenceModel import ImageToWordModel
    from mltu.utils.image_utils import read_image

    model = ImageToWordModel(options["model"], threads=options["threads"], force_cpu=True)
    paths = json.loads(Path(options["paths"]).read_text(encoding="utf-8"))
    model.predict(read_image(paths[0]))
    start = time.process_time()
    texts = [model.predict(read_image(path)) for path in paths]
    return {"texts": texts, "ms": 1000 * (time.process_time() - start) / len(paths)}


@command("peers.py")
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--csv", help="table of lines")
    parser.add_argument("--lines", type=int, help="the first so many of them [all]")
    parser.add_argument("--model", default="Models/pretrained", help="[Models/pretrained]")
    parser.add_argument("--tessdata", help="folder of Tesseract's trained data, to read with it too")
    parser.add_argument("--language", default="eng", help="of Tesseract [eng]")
    given = parse(parser, one)
    if not given.csv:
        parser.error("name a table of lines with --csv")
    samples = lines_of(given.csv)[: given.lines]
    truths = [sample.text for sample in samples]
    RESULTS.mkdir(exist_ok=True)
    paths = RESULTS / "peers.json"
    paths.write_text(json.dumps([sample.image for sample in samples]), encoding="utf-8")
    common = {"paths": str(paths), "threads": 1}
    cases = [{"reader": "this project", "model": str(Path(given.model, name).absolute())} for name in MODEL_FILES]
    cases += [{"reader": "rapidocr"}]
    cases += [{"reader": "tesseract", "tessdata": given.tessdata, "language": given.language}] if given.tessdata else []
    rows = []
    for case in cases:
        script, python = __file__, sys.executable
        if case["reader"] in PEERS:
            script = str(Path(__file__).with_name("peer_reader.py"))
            python = package_python(case["reader"], *PEERS[case["reader"]])
        found = measure(script, {**case, **common}, python)
        name = f"{case['reader']}, {Path(case['model']).name}" if "model" in case else case["reader"]
        rates = {"cer": error_rate(found["texts"], truths), "wer": error_rate(found["texts"], truths, str.split)}
        percents = {unit: 100 * rate.rate for unit, rate in rates.items()}
        rows.append({"reader": name, "lines": len(samples), **percents, "cpu_ms": found["ms"]})
    report("peers", rows, "cpu_ms", lambda row: rows[0])


if __name__ == "__main__":
    sys.exit(main())
