"""Read handwriting with an exported model.

    python inferenceModel.py --image line.png                        prints the text
    python inferenceModel.py --image page.jpg --format json          boxes, confidences, alternatives
    python inferenceModel.py --image scans/ --output read.csv        a folder; stopped, it goes on where it was
    python inferenceModel.py --image "scans/*.pdf" --format alto --output xml/ --annotate seen/
    python inferenceModel.py --image page.jpg --decoder beam --lm en.lm --lexicon words.txt
    python inferenceModel.py --csv val.csv --report report/          CER and WER of image,text rows

Exit codes: 0 all read, 2 wrong input (what can be read is read nevertheless), 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from mltu.annotate import annotate
from mltu.beam_search import BEAM_WIDTH, LM_WEIGHT, BeamSearch
from mltu.calibration import calibrate, softmax
from mltu.configs import ArgumentParser, brief
from mltu.ctc import align, character_boundaries, greedy_decode, peak_steps
from mltu.datasets.base import Sample
from mltu.datasets.table import read_table
from mltu.error_analysis import Evaluated
from mltu.formats import FORMATS
from mltu.inferenceModel import OnnxInferenceModel
from mltu.inputs import list_files, read_pages
from mltu.language_model import CharacterModel
from mltu.lexicon import LEXICON_COST, Lexicon
from mltu.outputs import Results, format_for, page_path, page_targets
from mltu.pages import TextLine, cut_line, find_lines, slope_of
from mltu.readings import Character, LineReading, PageReading
from mltu.report import write_report
from mltu.transformers import LINE_PREPROCESSING, ImageResizer, LineResizer
from mltu.utils.errors import InputError
from mltu.utils.files import print_utf8, refuse_inputs
from mltu.utils.image_utils import MAX_SIDE, dark_on_light, read_image, to_bgr, to_gray, write_png
from mltu.utils.parallel import map_ahead
from mltu.utils.text_utils import error_rate, get_cer, get_wer

PRETRAINED = "Models/pretrained"
TINY = 1e-12  # stands for a probability of zero
BATCH = 8  # lines of one width that the network takes together
ALTERNATIVES = 3  # of a character that are told
LEAST_ALTERNATIVE = 0.01  # probability of one
PAGE_HEIGHT = 160  # pixels; lower images are lines
CHANNELS = {"BGR": 3, "GRAY": 1}
LARGEST_LINE = 16_000_000  # pixels that a network may take at once
LEAST_POWER, MOST_POWER = 0.01, 100.0  # of the numbers that confidences are corrected with
LINE_SHAPE = 5  # as many times as wide as high, or more, is a line
EVALUATED_TOGETHER = 128  # lines of a table that are in memory at once


class Decoded(NamedTuple):
    """What the network says of a line, and what is read from that."""

    log_probs: np.ndarray  # natural logarithms, shape (steps, classes), the blank last
    labels: np.ndarray  # class indices, shape (labels,)
    spans: np.ndarray  # first and past-the-last step of each, shape (labels, 2)


class ImageToWordModel(OnnxInferenceModel):
    """Reads images of lines and of pages. Several lines are read side by side on all cores.

    Args:
        model_path: folder of a run, or an .onnx file.
        char_list: the characters in the order of the classes; by default the model's own.
        decoder: maps log probabilities, shape (steps, classes), to class indices, such as a
            :class:`mltu.decoding.BeamSearch`; by default the best path.
        threads: lines that are read at once; 0: as many as there are cores.
        options: see :class:`mltu.inferenceModel.OnnxInferenceModel`.

    Raises:
        InputError: no such model, or it is no line reader of this project.

    Example:
        >>> model = ImageToWordModel("Models/pretrained")  # doctest: +SKIP
        >>> model.predict(cv2.imread("line.png"))  # doctest: +SKIP
        'A line of handwriting'
    """

    def __init__(
        self,
        model_path: str | Path = PRETRAINED,
        char_list: str | Sequence[str] | None = None,
        decoder: Callable[[np.ndarray], np.ndarray] | None = None,
        threads: int = 0,
        **options: Any,
    ) -> None:
        # one thread for a batch: the cores then work on several, which is faster than all cores on one
        super().__init__(model_path, threads=1, **options)
        self.char_list = self._characters() if char_list is None else char_list
        self.color = self.metadata.get("color", "BGR")
        self.resizer = self._make_resizer()
        if self._classes() != len(self.char_list) + 1:
            raise InputError(
                f"{self.model_path}: has {self._classes()} classes for {len(self.char_list)} characters and the blank"
            )
        if self.metadata.get("preprocessing", LINE_PREPROCESSING) != LINE_PREPROCESSING:
            raise InputError(f"{self.model_path}: was trained with other preprocessing; export it with this version")
        self.one_by_one = bool(self.metadata.get("one_by_one"))  # of 8-bit models, see write_int8
        self.decoder = decoder
        self.temperature = self._number("temperature", float, LEAST_POWER, MOST_POWER, 1.0)
        self.word_exponent = self._number("word_exponent", float, LEAST_POWER, MOST_POWER, 1.0)
        self.threads = threads or os.cpu_count() or 1
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="line")

    def _characters(self) -> str | list[str]:
        """The vocabulary of the metadata."""
        vocab = self.metadata.get("vocab")
        if not vocab or not isinstance(vocab, (str, list)) or not all(isinstance(one, str) for one in vocab):
            raise InputError(f"{self.model_path}: the model does not name its characters; export it with train.py")
        return vocab

    def _classes(self) -> int | str | None:
        shape = self.output_shapes[0] if self.output_shapes else None
        return shape[-1] if shape else None

    def _make_resizer(self) -> LineResizer | ImageResizer:
        """What brings images to the size that the network and its metadata tell."""
        any_width = bool(self.metadata.get("width_step"))
        shape = self.input_shapes[0] if len(self.input_shapes) == 1 else []
        channels = CHANNELS.get(self.color) if isinstance(self.color, str) else None
        sides = shape[1:2] if any_width else shape[1:3]
        whole = all(isinstance(side, int) and 0 < side <= MAX_SIDE for side in sides)
        if len(shape) != 4 or not whole or shape[3] != channels:
            raise InputError(
                f"{self.model_path}: takes input of shape {brief(shape)}, not (batch, height, width, {channels}) as a "
                f"{brief(self.color)} line reader"
            )
        height = shape[1]
        width = self._number("width", int, 1, MAX_SIDE) if any_width else shape[2]
        if height * width > LARGEST_LINE:
            raise InputError(f"{self.model_path}: takes lines of {height} x {width} pixels, which is too large")
        if any_width:
            return LineResizer(height, width, self._number("width_step", int, 1, width))
        return ImageResizer(width, height, keep_aspect_ratio=True)

    def _number(self, name: str, kind: type, low: float, high: float, default: float | None = None) -> Any:
        """A number of the metadata, whole if `kind` is int, from `low` to `high`."""
        value = self.metadata.get(name, default)
        kinds = (int,) if kind is int else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            raise InputError(
                f"{self.model_path}: its {name} is {brief(value)}, no number to work with; export it again"
            )
        return value

    def prepare(self, image: np.ndarray) -> np.ndarray:
        """An image as the network takes it: float32, shape (height, width, channels), values 0 to 255."""
        image = dark_on_light(to_gray(image) if self.color == "GRAY" else to_bgr(image))
        return self.resizer(image, None)[0].astype(np.float32)

    def log_probabilities(self, prepared: np.ndarray) -> np.ndarray:
        """What the network says of a prepared image: natural logarithms, shape (steps, classes), the blank last."""
        return self._run(prepared[None])[0]

    def _run(self, batch: np.ndarray) -> np.ndarray:
        try:
            probabilities = np.asarray(self.model.run(self.output_names[:1], {self.input_names[0]: batch})[0])
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.model_path}: fails on an image ({reason}); export it again") from None
        right = probabilities.ndim == 3 and probabilities.shape[::2] == (len(batch), len(self.char_list) + 1)
        if not right or probabilities.dtype.kind != "f" or not np.isfinite(probabilities).all():
            raise InputError(f"{self.model_path}: gives no probabilities of its characters; export it again")
        return np.log(np.maximum(probabilities, TINY))

    def decode(self, log_probs: np.ndarray) -> Decoded:
        """Find the text in what the network says."""
        if self.decoder is None:
            labels, spans = greedy_decode(log_probs)
        else:
            labels = self.decoder(log_probs)
            spans = align(log_probs, labels)
        # texts are normalised everywhere: no space at the ends, none after another
        spaces = np.array([self.char_list[label] == " " for label in labels], bool)
        last = np.flatnonzero(~spaces)[-1] if not spaces.all() else -1
        after_space = np.concatenate([[True], spaces])[: len(spaces)]
        written = ~(spaces & after_space) & (np.arange(len(spaces)) <= last)
        return Decoded(log_probs, labels[written], spans[written])

    def read(self, image: np.ndarray) -> LineReading:
        """Read one line, with confidences and places.

        Args:
            image: as for :meth:`predict`.

        Returns:
            The reading; its polygon is the whole image.

        Raises:
            InputError: not an image.
        """
        prepared = self.prepare(image)
        return self.describe(self.decode(self.log_probabilities(prepared)), prepared.shape, image.shape)

    def describe(self, found: Decoded, prepared_shape: Sequence[int], shape: Sequence[int]) -> LineReading:
        """What was found as characters with confidences and places.

        Args:
            found: by :meth:`decode`.
            prepared_shape: of the image that the network took.
            shape: of the image before that, height and width first.
        """
        log_probs, labels, spans = found
        height, width = shape[:2]
        if self.metadata.get("width_step"):
            # the image stands at the left of the padded one
            steps = len(log_probs) * min(1.0, prepared_shape[0] * width / (height * prepared_shape[1]))
            edges = np.clip(character_boundaries(spans) / steps, 0, 1)
        else:  # steps that go through the image several times tell no place
            edges = np.linspace(0, 1, len(labels) + 1)
        characters = tuple(
            Character(self.char_list[label], confidence, float(start), float(end), alternatives)
            for label, (confidence, alternatives), start, end in zip(
                labels, self._judge(found), edges[:-1], edges[1:], strict=True
            )
        )
        return LineReading(
            "".join(one.text for one in characters),
            float(np.mean([one.confidence for one in characters])) if characters else 0.0,
            characters,
            np.array([[0, 0], [width, 0], [width, height], [0, height]]),
            np.array([[0, 0], [width, 0], [0, height]], np.float64),
            word_exponent=self.word_exponent,
        )

    def _judge(self, found: Decoded) -> list[tuple[float, tuple[tuple[str, float], ...]]]:
        """Confidence of each character, and what else it may be."""
        probabilities = softmax(found.log_probs[peak_steps(*found)] / self.temperature)
        count = min(ALTERNATIVES + 2, probabilities.shape[1])  # with the character itself and the blank
        most = np.argpartition(-probabilities, count - 1, axis=1)[:, :count]
        judged = []
        for label, row, classes in zip(found.labels.tolist(), probabilities, most.tolist(), strict=True):
            likely = sorted(((float(row[one]), one) for one in classes if row[one] > LEAST_ALTERNATIVE), reverse=True)
            others = [
                (self.char_list[one], share) for share, one in likely if one != label and one < len(self.char_list)
            ]
            judged.append((float(row[label]), tuple(others[:ALTERNATIVES])))
        return judged

    def predict(self, image: np.ndarray) -> str:
        """Read one line.

        Args:
            image: grey (H, W), BGR (H, W, 3) or BGRA (H, W, 4); 8-bit, 16-bit or float.

        Returns:
            The text.

        Raises:
            InputError: not an image.
        """
        return self.read(image).text

    def predict_batch(self, images: Sequence[np.ndarray]) -> list[str]:
        """Read several lines at once; each as :meth:`predict` takes it, and each reads as it does alone."""
        return [reading.text for reading in self.read_batch(images)]

    def read_batch(self, images: Iterable[np.ndarray]) -> list[LineReading]:
        """Read several lines at once, as :meth:`read` does each."""
        images = list(images)
        prepared = list(self.pool.map(self.prepare, images))
        by_width = sorted(range(len(images)), key=lambda index: prepared[index].shape[1])
        most = 1 if self.one_by_one else BATCH
        groups: list[list[int]] = []
        for _, same in groupby(by_width, key=lambda index: prepared[index].shape[1]):
            group = list(same)
            groups += [group[start : start + most] for start in range(0, len(group), most)]

        def read_group(group: list[int]) -> list[LineReading]:
            found = self._run(np.stack([prepared[index] for index in group]))
            return [
                self.describe(self.decode(log_probs), prepared[index].shape, images[index].shape)
                for log_probs, index in zip(found, group, strict=True)
            ]

        readings: dict[int, LineReading] = {}
        for group, lines in zip(groups, self.pool.map(read_group, groups), strict=True):
            readings.update(zip(group, lines, strict=True))
        return [readings[index] for index in range(len(images))]

    def predict_page(self, image: np.ndarray, layout: str = "page", source: str = "", page: int = 1) -> PageReading:
        """Find the lines of a page and read them.

        Args:
            image: as for :meth:`predict`, but of a page.
            layout: "page"; "line" reads the whole image as one line; "auto" decides by its shape and content.
            source: file name, for the result.
            page: number in the file, for the result.

        Returns:
            The lines in reading order, those without any text left out.

        Raises:
            InputError: not an image.
        """
        image = to_bgr(image)
        height, width = image.shape[:2]
        places = find_lines(image) if layout == "page" or (layout == "auto" and may_be_page(height, width)) else []
        if layout == "line" or (layout == "auto" and len(places) < 2):
            lines = [self.read(image)]
        else:
            lines = [line for line in self._read_places(image, places) if line.text]
        return PageReading(source, page, width, height, tuple(lines))

    def _read_places(self, image: np.ndarray, places: Sequence[TextLine]) -> list[LineReading]:
        gray = to_gray(image)
        cuts = [cut_line(gray, place.polygon, slope_of(place.baseline)) for place in places]
        return [
            replace(line, polygon=place.polygon, baseline=place.baseline, frame=frame, region=place.region)
            for line, place, (_, frame) in zip(self.read_batch(cut for cut, _ in cuts), places, cuts, strict=True)
        ]


def may_be_page(height: int, width: int) -> bool:
    """Whether an image has the shape of more than a line; pixels."""
    return height >= PAGE_HEIGHT and width < LINE_SHAPE * height


# --- files ----------------------------------------------------------------------------------


def complain(message: object) -> None:
    """One line on standard error, above a progress bar if there is one."""
    tqdm.write(f"inferenceModel.py: {message}", file=sys.stderr)


def show(text: str) -> None:
    """Print to standard output, above a progress bar if there is one."""
    tqdm.write(text, file=sys.stdout, end="")
    sys.stdout.flush()


def read_file(
    model: ImageToWordModel, layout: str, pictures: Mapping[str, Path], min_confidence: float, name: str
) -> tuple[list[PageReading], InputError | None]:
    """Read all pages of a file; what could be read, and what went wrong after that.

    Args:
        model: that reads.
        layout: as for :meth:`ImageToWordModel.predict_page`.
        pictures: where to draw what was found; empty: nowhere.
        min_confidence: below which a word is drawn as doubtful.
        name: of the file, or "-".
    """
    pages = []
    try:
        for number, image in enumerate(read_pages(name), start=1):
            page = model.predict_page(image, layout, name, number)
            pages.append(page)
            if pictures:
                target = page_path(pictures[name], number)
                target.parent.mkdir(parents=True, exist_ok=True)
                write_png(target, annotate(to_bgr(image), page, min_confidence))
    except InputError as error:
        return pages, error
    return pages, None


def read_files(model: ImageToWordModel, given: argparse.Namespace) -> int:
    """Read files and write what they say; returns how many could not be read, or not to the end."""
    files, complaints = list_files(given.image)
    for complaint in complaints:
        complain(complaint)
    failed = len(complaints)
    pictures = page_targets(files, given.annotate, ".png") if given.annotate else {}
    if set(map(os.path.realpath, files)) & set(map(os.path.realpath, pictures.values())):
        raise InputError(f"{given.annotate}: inputs there would be lost; choose another folder with --annotate")
    layout = "page" if given.page else "line" if given.line else "auto"
    job = partial(read_file, model, layout, pictures, given.min_confidence)
    with (
        Results(given.output, given.format, files, show, given.min_confidence) as results,
        ThreadPoolExecutor(model.threads, thread_name_prefix="file") as pool,
        tqdm(total=len(files), desc="Reading", unit="file", disable=None if len(files) > 1 else True) as bar,
    ):
        todo = [file for file in files if file not in results.done]
        bar.update(len(files) - len(todo))
        lines, start = 0, time.monotonic()
        for file, (pages, error) in zip(todo, map_ahead(pool, job, todo, 2 * model.threads), strict=True):
            if error is not None:
                complain(error)
                failed += 1
            if pages:
                results.write(file, pages)
            lines += sum(len(page.lines) for page in pages)
            bar.set_postfix_str(f"{lines / (time.monotonic() - start):.1f} lines/s", refresh=False)
            bar.update()
    return failed


# --- tables ---------------------------------------------------------------------------------


@contextmanager
def results_file(path: str | None, header: Sequence[str], inputs: Sequence[str]) -> Iterator[Any]:
    """A function that appends a row to a CSV file, flushed at once; without a path it does nothing.

    Raises:
        InputError: the file cannot be written, or is one of the inputs.
    """
    if path is None:
        yield lambda row: None
        return
    refuse_inputs(path, inputs)
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


def evaluate(model: ImageToWordModel, samples: Sequence[Sample]) -> Iterator[Evaluated | InputError]:
    """Read the lines of a table, in order; an error in place of each that cannot be read. Shows a progress bar."""

    def load(sample: Sample) -> np.ndarray | InputError:
        try:
            return read_image(sample.image)
        except InputError as error:
            return error

    with tqdm(total=len(samples), desc="Reading", unit="line") as bar:
        for start in range(0, len(samples), EVALUATED_TOGETHER):
            part = samples[start : start + EVALUATED_TOGETHER]
            images = list(model.pool.map(load, part))
            readings = iter(model.read_batch([one for one in images if not isinstance(one, InputError)]))
            for sample, image in zip(part, images, strict=True):
                if isinstance(image, InputError):
                    yield image
                else:
                    yield Evaluated(sample.image, sample.text, next(readings), sample.writer)
            bar.update(len(part))


def read_csv(model: ImageToWordModel, given: argparse.Namespace) -> int:
    """Read the images of a table, print CER and WER over all rows; returns how many rows could not be read.

    CER and WER are edits summed over all rows, divided by the true characters or words summed over them;
    the interval is a bootstrap over the lines.
    """
    samples, skipped = read_table(given.csv)
    for one in skipped:
        complain(f"{one.source}: {one.reason}")
    failed = len(skipped)
    evaluated = []
    start = time.monotonic()
    inputs = [given.csv, *(sample.image for sample in samples)]
    with results_file(given.output, ("image", "text", "reading", "cer", "wer", "confidence"), inputs) as append:
        for one in evaluate(model, samples):
            if isinstance(one, InputError):
                complain(one)
                failed += 1
                continue
            evaluated.append(one)
            rates = (f"{rate(one.reading.text, one.text):.6f}" for rate in (get_cer, get_wer))
            append((one.image, one.text, one.reading.text, *rates, f"{one.reading.confidence:.4f}"))
    seconds = time.monotonic() - start
    if not evaluated:
        complain(f"{given.csv}: not one of its images could be read")
        return failed
    readings, truths = [one.reading.text for one in evaluated], [one.text for one in evaluated]
    for name, unit, tokens in (("CER", "characters", list), ("WER", "words", str.split)):
        found = error_rate(readings, truths, tokens)
        print(
            f"{name} {found.rate:.2%} ({found.errors} of {found.total} {unit}; "
            f"95 % interval {found.low:.2%} to {found.high:.2%})"
        )
    print(f"{len(readings)} lines, {len(readings) / seconds:.1f} a second")
    if given.calibrate:
        for name, (before, after) in calibrate(model, samples).items():
            print(f"Calibration error of {name}: {before:.2%} before, {after:.2%} now")
        print(f"Stored in {model.model_path}: temperature {model.temperature}, word exponent {model.word_exponent}")
    if given.report:
        about = {"model": model.model_path, "table": given.csv, "decoder": given.decoder}
        about |= {name: getattr(given, name) for name in ("lm", "lexicon") if getattr(given, name)}
        print(f"Report: {write_report(given.report, evaluated, seconds, about)}")
    return failed


# --- the command line -----------------------------------------------------------------------


def parse(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__, usage="%(prog)s --image FILE ... | --csv FILE [options]")
    add = parser.add_argument
    add("--image", nargs="+", metavar="FILE", help="images, TIFF, PDF; folders; patterns; - for standard input")
    add("--csv", metavar="FILE", help="CSV or TSV table of images of lines and their true texts")
    add("--model", metavar="DIR", default=PRETRAINED, help=f"folder of a run, or ONNX file [{PRETRAINED}]")
    add("--output", metavar="PATH", help="file for results; folder for alto and page, a file for each page")
    add("--format", choices=list(FORMATS), help="[by the ending of --output, else text]")
    add("--page", action="store_true", help="take every image for a page")
    add("--line", action="store_true", help="take every image for a single line [decide for each]")
    add("--annotate", metavar="DIR", help="draw what was found and read on each page, as PNG")
    add("--min_confidence", metavar="P", type=float, default=0.0, help="mark less certain words with [?] [0]")
    add("--decoder", choices=("greedy", "beam"), help="[beam with --lm or --lexicon, else greedy]")
    add("--lm", metavar="FILE", help="model of python -m mltu.language_model, for --decoder beam")
    add("--lexicon", metavar="FILE", help="word list, one a line; other words are less likely")
    add("--lm_weight", metavar="W", type=float, default=LM_WEIGHT, help=f"of the language model [{LM_WEIGHT}]")
    add("--lexicon_cost", metavar="C", type=float, default=LEXICON_COST, help=f"of other words [{LEXICON_COST}]")
    add("--beam_width", metavar="N", type=int, default=BEAM_WIDTH, help=f"[{BEAM_WIDTH}]")
    add("--report", metavar="DIR", help="with --csv: errors, confusions, worst lines as a web page")
    add("--calibrate", action="store_true", help="with --csv: fit confidences to it, stored in the model")
    add("--threads", metavar="N", type=int, default=0, help="lines read at once [as many as cores]")
    given = parser.parse_args(args)
    if bool(given.image) == bool(given.csv):
        parser.error("name images with --image, or a table with --csv (one of the two)")
    if given.page and given.line:
        parser.error("--page and --line exclude each other")
    of_other = ("report", "calibrate") if given.image else ("annotate", "format", "page", "line")
    for name in of_other:
        if getattr(given, name):
            parser.error(f"--{name} goes with --{'csv' if given.image else 'image'}")
    for name, low, high in (("min_confidence", 0, 1), ("threads", 0, 1024), ("beam_width", 1, 1024)):
        if not low <= getattr(given, name) <= high:
            parser.error(f"--{name}: must be {low} to {high}, not {getattr(given, name)}")
    given.decoder = given.decoder or ("beam" if given.lm or given.lexicon else "greedy")
    if given.decoder == "greedy" and (given.lm or given.lexicon):
        parser.error("--lm and --lexicon need --decoder beam")
    if given.decoder == "beam" and given.calibrate:
        parser.error("--calibrate needs --decoder greedy")
    given.format = format_for(given.output, given.format)
    return given


def make_decoder(given: argparse.Namespace, vocab: str | Sequence[str]) -> BeamSearch | None:
    """What the command line asks for."""
    if given.decoder == "greedy":
        return None
    return BeamSearch(
        vocab,
        given.beam_width,
        CharacterModel.load(given.lm) if given.lm else None,
        given.lm_weight,
        Lexicon.from_file(given.lexicon, vocab, given.lexicon_cost) if given.lexicon else None,
    )


def main(args: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    print_utf8()
    try:
        given = parse(args)
        model = ImageToWordModel(given.model, threads=given.threads)
        model.decoder = make_decoder(given, model.char_list)
        failed = read_files(model, given) if given.image else read_csv(model, given)
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
