"""The data pipeline of the package mltu 1.2.5 as its handwriting tutorial sets it up; see pipeline.py, which runs this.

It runs in an environment of its own, where `mltu` is that package.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from pathlib import Path

import cv2

from mltu.annotations.images import CVImage
from mltu.augmentors import RandomBrightness, RandomErodeDilate, RandomSharpen
from mltu.dataProvider import DataProvider
from mltu.preprocessors import ImageReader
from mltu.transformers import ImageResizer, LabelIndexer, LabelPadding


def main() -> None:
    cv2.setNumThreads(1)  # one worker is one thread, on both sides
    options = json.loads(sys.argv[sys.argv.index("--one") + 1])
    with open(options["csv"], newline="", encoding="utf-8") as file:
        rows = [(str(Path(options["csv"]).parent / row["image"]), row["text"]) for row in csv.DictReader(file)]
    vocab = sorted({character for _, text in rows for character in text})
    provider = DataProvider(
        rows,
        skip_validation=True,
        batch_size=options["batch"],
        data_preprocessors=[ImageReader(CVImage)],
        augmentors=[RandomBrightness(), RandomErodeDilate(), RandomSharpen()],
        transformers=[
            ImageResizer(1408, 96, keep_aspect_ratio=True),
            LabelIndexer(vocab),
            LabelPadding(max_word_length=max(len(text) for _, text in rows), padding_value=len(vocab)),
        ],
    )
    rates = []
    for _ in range(options["epochs"]):
        start = time.perf_counter()
        for index in range(len(provider)):
            provider[index]
        rates.append(len(rows) / (time.perf_counter() - start))
    print(json.dumps({"lines_per_second": rates[-1]}))


if __name__ == "__main__":
    main()
