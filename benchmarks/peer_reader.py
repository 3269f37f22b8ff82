"""Reads line images with another recogniser, in an environment of its own; called by peers.py.

Needs that recogniser's packages alone, so it imports nothing of the project.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2


def rapidocr(options: dict) -> Callable[[str], str]:
    from rapidocr import RapidOCR

    threads = {"EngineConfig.onnxruntime.intra_op_num_threads": options["threads"]}
    engine = RapidOCR(params={**threads, "Global.log_level": "error"})

    def read(path: str) -> str:
        found = engine(cv2.imread(path), use_det=False, use_cls=False, use_rec=True)
        return " ".join(found.txts or ())

    return read


def tesseract(options: dict) -> Callable[[str], str]:
    from PIL import Image
    from tesserocr import PSM, PyTessBaseAPI

    api = PyTessBaseAPI(path=options["tessdata"], lang=options["language"], psm=PSM.SINGLE_LINE)

    def read(path: str) -> str:
        with Image.open(path) as image:
            api.SetImage(image.convert("L"))
        return " ".join(api.GetUTF8Text().split())

    return read


def main() -> None:
    options = json.loads(sys.argv[sys.argv.index("--one") + 1])
    read = {"rapidocr": rapidocr, "tesseract": tesseract}[options["reader"]](options)
    paths = json.loads(Path(options["paths"]).read_text(encoding="utf-8"))
    read(paths[0])  # what is loaded with the first line is not counted
    start = time.process_time()
    texts = [read(path) for path in paths]
    print(json.dumps({"texts": texts, "ms": 1000 * (time.process_time() - start) / len(paths)}))


if __name__ == "__main__":
    main()
