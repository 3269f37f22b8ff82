"""Read handwritten lines with an exported model.

    python inferenceModel.py --image line.png                  prints the text
    python inferenceModel.py --image a.png b.jpg               prints path, tab, text for each
    python inferenceModel.py --csv val.csv --output read.csv   reads `image,text` rows, prints CER and WER
    python inferenceModel.py --model Models/... --image ...    with a model of your own

Exit codes: 0 all read, 2 wrong input (what can be read is read nevertheless), 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from mltu.configs import ArgumentParser
from mltu.datasets.table import read_table
from mltu.inferenceModel import OnnxInferenceModel
from mltu.transformers import LINE_PREPROCESSING, ImageResizer, LineResizer
from mltu.utils.errors import InputError
from mltu.utils.image_utils import read_image, to_bgr, to_gray
from mltu.utils.text_utils import ctc_decoder, error_rate, get_cer, get_wer

PRETRAINED = "Models/pretrained"


class ImageToWordModel(OnnxInferenceModel):
    """Reads images of single lines.

    Args:
        model_path: folder of a run, or an .onnx file.
        char_list: the characters in the order of the classes; by default the model's own.
        options: see :class:`mltu.inferenceModel.OnnxInferenceModel`.

    Raises:
        InputError: no such model, or it is no line reader of this project.

    Example:
        >>> model = ImageToWordModel("Models/pretrained")  # doctest: +SKIP
        >>> model.predict(cv2.imread("line.png"))  # doctest: +SKIP
        'A line of handwriting'
    """

    def __init__(
        self, model_path: str | Path = PRETRAINED, char_list: str | Sequence[str] | None = None, **options: Any
    ) -> None:
        super().__init__(model_path, **options)
        self.char_list = self.metadata.get("vocab") if char_list is None else char_list
        if not self.char_list or not isinstance(self.char_list, (str, list, tuple)):
            raise InputError(f"{self.model_path}: the model does not name its characters; export it with train.py")
        shape, classes = self.input_shapes[0], self.output_shapes[0][-1]
        self.color = self.metadata.get("color", "BGR")
        width_step = self.metadata.get("width_step")  # of networks that take any width
        channels = {"BGR": 3, "GRAY": 1}.get(self.color)
        sides = shape[1:2] if width_step else shape[1:3]
        if len(shape) != 4 or not all(isinstance(side, int) for side in sides) or shape[3] != channels:
            raise InputError(
                f"{self.model_path}: takes input of shape {shape}, not (batch, height, width, {channels}) as a "
                f"{self.color} line reader"
            )
        if classes != len(self.char_list) + 1:
            raise InputError(
                f"{self.model_path}: has {classes} classes for {len(self.char_list)} characters and the blank"
            )
        if self.metadata.get("preprocessing", LINE_PREPROCESSING) != LINE_PREPROCESSING:
            raise InputError(f"{self.model_path}: was trained with other preprocessing; export it with this version")
        # 8-bit models read each line alone, so the lines share the cores, not the work on a line; see write_int8
        self.one_by_one = bool(self.metadata.get("one_by_one"))
        if self.one_by_one:
            at_once = self.threads or os.cpu_count() or 1
            super().__init__(model_path, **{**options, "threads": 1})
            self.threads = at_once
        self.resizer: LineResizer | ImageResizer
        if width_step:
            self.resizer = LineResizer(shape[1], self.metadata["width"], width_step)
        else:
            self.resizer = ImageResizer(shape[2], shape[1], keep_aspect_ratio=True)

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """An image as the network takes it: float32, shape (height, width, channels), values 0 to 255."""
        image = to_gray(image) if self.color == "GRAY" else to_bgr(image)
        return self.resizer(image, None)[0].astype(np.float32)

    def predict(self, image: np.ndarray) -> str:
        """Read one line.

        Args:
            image: grey (H, W), BGR (H, W, 3) or BGRA (H, W, 4); 8-bit, 16-bit or float.

        Returns:
            The text.

        Raises:
            InputError: not an image.
        """
        return self._read(self.prepare(image)[None])[0]

    def predict_batch(self, images: Sequence[np.ndarray]) -> list[str]:
        """Read several lines at once; each as :meth:`predict` takes it, and each reads as it does alone."""
        with ThreadPoolExecutor(self.threads or os.cpu_count()) as pool:
            if self.one_by_one:
                return list(pool.map(self.predict, images))
            prepared = list(pool.map(self.prepare, images))
        texts = [""] * len(prepared)
        for width in {image.shape[1] for image in prepared}:
            chosen = [i for i, image in enumerate(prepared) if image.shape[1] == width]
            for i, text in zip(chosen, self._read(np.stack([prepared[i] for i in chosen])), strict=True):
                texts[i] = text
        return texts

    def _read(self, batch: np.ndarray) -> list[str]:
        predictions = self.model.run(self.output_names[:1], {self.input_names[0]: batch})[0]
        return ctc_decoder(predictions, self.char_list)


def complain(message: object) -> None:
    """One line on standard error, above a progress bar if there is one."""
    tqdm.write(f"inferenceModel.py: {message}", file=sys.stderr)


@contextmanager
def results_file(path: str | None, header: Sequence[str], inputs: Sequence[str]) -> Iterator[Any]:
    """A function that appends a row to a CSV file, flushed at once; without a path it does nothing.

    Raises:
        InputError: the file cannot be written, or is one of the inputs.
    """
    if path is None:
        yield lambda row: None
        return
    if os.path.realpath(path) in map(os.path.realpath, inputs):
        raise InputError(f"{path}: is an input too, and would be lost; choose another --output")
    try:
        file = open(path, "w", newline="", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from None
    with file:
        writer = csv.writer(file)

        def append(row: Sequence) -> None:
            writer.writerow(row)
            file.flush()

        append(header)
        yield append


def read_images(model: ImageToWordModel, paths: Sequence[str], output: str | None = None) -> int:
    """Print the text of each image; returns how many could not be read."""
    failed = 0
    with results_file(output, ("image", "reading"), paths) as append:
        for path in paths:
            try:
                text = model.predict(read_image(path))
            except InputError as error:
                complain(error)
                failed += 1
                continue
            print(text if len(paths) == 1 else f"{path}\t{text}", flush=True)
            append((path, text))
    return failed


def read_csv(model: ImageToWordModel, path: str, output: str | None = None) -> int:
    """Read the images of a table, print CER and WER over all rows; returns how many rows could not be read.

    CER and WER are edits summed over all rows, divided by the true characters or words summed over them;
    the interval is a bootstrap over the lines.
    """
    samples, skipped = read_table(path)
    for one in skipped:
        complain(f"{one.source}: {one.reason}")
    readings, truths = [], []
    failed = len(skipped)
    start = time.monotonic()
    inputs = [path, *(sample.image for sample in samples)]
    with results_file(output, ("image", "text", "reading", "cer", "wer"), inputs) as append:
        for sample in tqdm(samples, desc="Reading", unit="line"):
            try:
                reading = model.predict(read_image(sample.image))
            except InputError as error:
                complain(error)
                failed += 1
                continue
            readings.append(reading)
            truths.append(sample.text)
            rates = (f"{rate(reading, sample.text):.6f}" for rate in (get_cer, get_wer))
            append((sample.image, sample.text, reading, *rates))
    if not readings:
        complain(f"{path}: not one of its images could be read")
        return failed
    seconds = time.monotonic() - start
    for name, unit, tokens in (("CER", "characters", list), ("WER", "words", str.split)):
        found = error_rate(readings, truths, tokens)
        print(
            f"{name} {found.rate:.2%} ({found.errors} of {found.total} {unit}; "
            f"95 % interval {found.low:.2%} to {found.high:.2%})"
        )
    print(f"{len(readings)} lines, {len(readings) / seconds:.1f} a second")
    return failed


def parse(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--image", nargs="+", metavar="FILE", help="images of one line each")
    parser.add_argument("--csv", metavar="FILE", help="CSV or TSV table of images and their true texts")
    parser.add_argument("--model", metavar="DIR", default=PRETRAINED, help=f"folder of a run [{PRETRAINED}]")
    parser.add_argument("--output", metavar="FILE", help="write a CSV row for each line")
    given = parser.parse_args(args)
    if bool(given.image) == bool(given.csv):
        parser.error("name images with --image, or a table with --csv (one of the two)")
    return given


def main(args: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        given = parse(args)
        model = ImageToWordModel(given.model)
        if given.image:
            failed = read_images(model, given.image, given.output)
        else:
            failed = read_csv(model, given.csv, given.output)
    except InputError as error:
        complain(error)
        return 2
    except BrokenPipeError:  # whoever reads our output has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        complain(f"{error.filename or 'writing'}: {error.strerror or error}")
        return 2
    except KeyboardInterrupt:
        complain("stopped")
        return 130
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
