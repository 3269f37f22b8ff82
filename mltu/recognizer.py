"""Reading lines and pages with an exported network: texts with their confidences and places."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image as PillowImage

from .calibration import LANGUAGE_EXPONENTS, softmax, with_language
from .ctc import align, character_boundaries, greedy_decode, join_windows, peak_steps
from .inferenceModel import INT8, OnnxInferenceModel
from .inputs import as_images, as_pixels
from .language import language_decoder
from .line_input import LineInput, metadata_number
from .pages import TextLine, cut_line, find_lines, level_line
from .readings import Character, LineReading, PageReading, Peaks, line_confidence
from .utils.errors import InputError
from .utils.files import shipped
from .utils.image_utils import to_bgr, to_gray

Readable = np.ndarray | str | os.PathLike | PillowImage.Image
PRETRAINED = shipped("Models/pretrained")
MIN_PROBABILITY = 1e-12  # stands for zero, which has no logarithm
MAX_BATCH = 8  # lines of one width that the network takes at once
MAX_ALTERNATIVES = 3  # per character
MIN_ALTERNATIVE = 0.01  # probability of an alternative
MIN_PAGE_HEIGHT = 160  # pixels; lower images are lines
MIN_LINE_RATIO = 5  # images at least this many times as wide as high are lines
# a page is tried in all four turns where fewer of its characters are expected to be right, and turned for so many more
LEGIBLE, MORE_LEGIBLE = 0.77, 0.1
TRIED_LINES, MIN_CHARACTERS = 6, 12  # lines read, and characters needed, to tell which way up a page is
MIN_POWER, MAX_POWER = 0.01, 100.0  # range of temperature and word exponent


class Decoded(NamedTuple):
    """The network's output for a line, and the text that it was decoded to."""

    log_probs: np.ndarray  # natural logarithms, shape (steps, classes), the blank last
    labels: np.ndarray  # class indices, shape (labels,)
    spans: np.ndarray  # first and past-the-last step of each label, shape (labels, 2)


class LineRecognizer(OnnxInferenceModel):
    """Reads lines and pages, with confidences and places. Batches of lines are read in parallel on all cores.

    Args:
        model_path: folder of a run, whose 8-bit copy is taken if there is one, or an .onnx file; by default the
            pretrained weights.
        char_list: the characters in the order of the classes; by default the model's own.
        decoder: maps log probabilities, shape (steps, classes), to class indices, such as a
            :class:`mltu.beam_search.BeamSearch`; by default the best path.
        language: in place of a decoder: the name of a language of :mod:`mltu.language`, such as "en".
        threads: lines that are read at once; 0: as many as there are cores.
        options: see :class:`mltu.inferenceModel.OnnxInferenceModel`.

    Attributes:
        line_input: the :class:`.LineInput` that brings images to the network's form.
        temperature: divides the logits of characters, for their confidences; see :mod:`mltu.calibration`.
        word_exponent: for the confidences of words, see :class:`.LineReading`.
        keeps_peaks: give readings their `peaks`, for :func:`mltu.calibration.calibrate`.
        pool: the threads.

    Raises:
        InputError: there is no such model, or it is not a line reader of this project; or there is no such language.
        ValueError: both a decoder and a language are given.
    """

    def __init__(
        self,
        model_path: str | Path = PRETRAINED,
        char_list: str | Sequence[str] | None = None,
        decoder: Callable[[np.ndarray], np.ndarray] | None = None,
        threads: int = 0,
        language: str | None = None,
        **options: Any,
    ) -> None:
        if decoder and language:
            raise ValueError("give a decoder or a language, not both")
        if (Path(model_path) / INT8).is_file():  # it reads as well as the float32 model beside it, and faster
            options.setdefault("default_model_name", INT8)
        # one thread for each batch: to work on several batches is faster than to share one among all cores
        super().__init__(model_path, threads=1, **options)
        self.char_list = self._vocab() if char_list is None else char_list
        self.line_input = LineInput.from_metadata(self.metadata, self.input_shapes, self.model_path)
        classes = self.output_shapes[0][-1] if self.output_shapes and self.output_shapes[0] else None
        if classes != len(self.char_list) + 1:
            raise InputError(
                f"{self.model_path}: has {classes} classes for {len(self.char_list)} characters and the blank"
            )
        self.decoder = language_decoder(language, self.char_list) if language else decoder
        self.temperature = self._power("temperature")
        self.word_exponent = self._power("word_exponent")
        self.keeps_peaks = False
        self.threads = threads or os.cpu_count() or 1
        self.pool = ThreadPoolExecutor(self.threads, thread_name_prefix="line")

    def _vocab(self) -> str | list[str]:
        vocab = self.metadata.get("vocab")
        if not vocab or not isinstance(vocab, (str, list)) or not all(isinstance(text, str) for text in vocab):
            raise InputError(f"{self.model_path}: the model does not name its characters; export it with train.py")
        return vocab

    def _power(self, name: str) -> float:
        return metadata_number(self.metadata, name, float, MIN_POWER, MAX_POWER, self.model_path, default=1.0)

    def log_probabilities(self, batch: np.ndarray) -> np.ndarray:
        """Run the network, in overlapping windows on lines that are longer than it takes at once.

        Args:
            batch: lines as `line_input` gives them, shape (batch, height, width, channels).

        Returns:
            Natural logarithms of the class probabilities at each step, shape (batch, steps, classes), the blank last.

        Raises:
            InputError: the network fails, or gives something else.
        """
        windows = self.line_input.windows(batch.shape[2])
        if len(windows) == 1:
            return self._run(batch)
        # one after the other, so that the memory that a line takes depends little on its length
        outputs = [self._run(batch[:, :, window]) for window in windows]
        width, stride = windows[0].stop, windows[1].start
        shared = round(outputs[0].shape[1] * (width - stride) / width)
        return np.stack([join_windows(line, shared) for line in zip(*outputs, strict=True)])

    def _run(self, batch: np.ndarray) -> np.ndarray:
        try:
            probabilities = np.asarray(self.model.run(self.output_names[:1], {self.input_names[0]: batch})[0])
        except Exception as error:  # ONNX Runtime's exceptions share no public base class
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"{self.model_path}: fails on an image ({reason}); export it again") from None
        fits = probabilities.ndim == 3 and probabilities.shape[::2] == (len(batch), len(self.char_list) + 1)
        if not fits or probabilities.dtype.kind != "f" or not np.isfinite(probabilities).all():
            raise InputError(f"{self.model_path}: gives no probabilities of its characters; export it again")
        return np.log(np.maximum(probabilities, MIN_PROBABILITY))

    def decode(self, log_probs: np.ndarray) -> Decoded:
        """Find the text of one line: by the best path, or by `decoder`.

        Args:
            log_probs: shape (steps, classes).
        """
        if self.decoder is None:
            labels, spans = greedy_decode(log_probs)
        else:
            labels = self.decoder(log_probs)
            spans = align(log_probs, labels)
        # texts are normalised everywhere: no space at the ends, none after another
        spaces = np.array([self.char_list[label] == " " for label in labels], bool)
        last = np.flatnonzero(~spaces)[-1] if not spaces.all() else -1
        after_space = np.concatenate([[True], spaces])[: len(spaces)]
        kept = ~(spaces & after_space) & (np.arange(len(spaces)) <= last)
        return Decoded(log_probs, labels[kept], spans[kept])

    def describe(self, decoded: Decoded, input_shape: Sequence[int], image_shape: Sequence[int]) -> LineReading:
        """Add confidences and places to a decoded text.

        Args:
            decoded: by :meth:`decode`.
            input_shape: of the line that the network took; height and width first, pixels.
            image_shape: of the image before `line_input`, likewise.

        Returns:
            The reading; its polygon is the whole image.
        """
        height, width = image_shape[:2]
        if self.line_input.width_step:
            # the image stands at the left of the padded one
            steps = len(decoded.log_probs) * min(1.0, input_shape[0] * width / (height * input_shape[1]))
            boundaries = np.clip(character_boundaries(decoded.spans) / steps, 0, 1)
        else:  # the steps of the reference network go through the image several times, and tell no place
            boundaries = np.linspace(0, 1, len(decoded.labels) + 1)
        peaks = Peaks(decoded.log_probs[peak_steps(*decoded)], decoded.labels)
        probabilities = softmax(peaks.log_probs / self.temperature)
        guided = bool(getattr(self.decoder, "scorers", ()))  # by a language model or a word list
        word_exponent, line_exponent = LANGUAGE_EXPONENTS if guided else (self.word_exponent, 1.0)
        characters = tuple(
            Character(
                self.char_list[label],
                with_language(float(row[label])) if guided else float(row[label]),
                float(start),
                float(end),
                alternatives,
            )
            for label, row, alternatives, start, end in zip(
                decoded.labels,
                probabilities,
                self._alternatives(decoded.labels, probabilities),
                boundaries[:-1],
                boundaries[1:],
                strict=True,
            )
        )
        text = "".join(character.text for character in characters)
        return LineReading(
            text,
            line_confidence(text, characters, word_exponent, line_exponent),
            characters,
            np.array([[0, 0], [width, 0], [width, height], [0, height]]),
            np.array([[[0, 0], [width, 0]], [[0, height], [width, height]]], np.float64),
            word_exponent=word_exponent,
            peaks=peaks if self.keeps_peaks else None,
        )

    def _alternatives(self, labels: np.ndarray, probabilities: np.ndarray) -> list[tuple[tuple[str, float], ...]]:
        """For each label, the other characters that are likely in its row of probabilities, the likeliest first."""
        count = min(MAX_ALTERNATIVES + 2, probabilities.shape[1])  # with the label itself and the blank
        likeliest = np.argpartition(-probabilities, count - 1, axis=1)[:, :count]
        found = []
        for label, row, classes in zip(labels.tolist(), probabilities, likeliest.tolist(), strict=True):
            ranked = sorted(((float(row[index]), index) for index in classes), reverse=True)
            others = [
                (self.char_list[index], probability)
                for probability, index in ranked
                if probability > MIN_ALTERNATIVE and index != label and index < len(self.char_list)
            ]
            found.append(tuple(others[:MAX_ALTERNATIVES]))
        return found

    def read(self, image: Readable) -> LineReading:
        """Read one line.

        Args:
            image: an array, a path or a Pillow image, as for :func:`.as_pixels`.

        Returns:
            The reading; its polygon is the whole image, or what a long line that is tilted covers of it.

        Raises:
            InputError: not an image.
        """
        return self.read_batch([image])[0]

    def read_batch(self, images: Iterable[Readable]) -> list[LineReading]:
        """Read several lines at once; each reading is independent of the other lines of its batch.

        Args:
            images: each as for :meth:`read`.

        Raises:
            InputError: not images.
        """
        levelled = list(self.pool.map(lambda image: level_line(as_pixels(image)), as_images(images)))
        readings = self._read_level([image for image, _, _ in levelled])
        return [
            _placed(reading, place, frame) if place else reading
            for reading, (_, place, frame) in zip(readings, levelled, strict=True)
        ]

    def _read_level(self, images: Sequence[np.ndarray]) -> list[LineReading]:
        """Read lines that are level, as one batch."""
        lines = list(self.pool.map(self.line_input, images))

        def width(index: int) -> int:
            return lines[index].shape[1]

        # the 8-bit weights that write_int8 makes would let the lines of a batch depend on each other
        size = 1 if self.metadata.get("one_by_one") else MAX_BATCH
        batches: list[list[int]] = []
        for _, group in groupby(sorted(range(len(lines)), key=width), key=width):
            same_width = list(group)
            batches += [same_width[start : start + size] for start in range(0, len(same_width), size)]

        def read_lines(indices: list[int]) -> list[LineReading]:
            outputs = self.log_probabilities(np.stack([lines[index] for index in indices]))
            return [
                self.describe(self.decode(log_probs), lines[index].shape, images[index].shape)
                for log_probs, index in zip(outputs, indices, strict=True)
            ]

        readings: dict[int, LineReading] = {}
        for batch, found in zip(batches, self.pool.map(read_lines, batches), strict=True):
            readings.update(zip(batch, found, strict=True))
        return [readings[index] for index in range(len(images))]

    def predict_page(self, image: Readable, layout: str = "page", source: str = "", page: int = 1) -> PageReading:
        """Find the lines of a page and read them.

        Args:
            image: as for :meth:`read`, but of a page.
            layout: "page"; "line" reads the whole image as one line; "auto" decides by its shape and content.
            source: file name, for the result; by default the path that was given.
            page: number in the file, for the result.

        Returns:
            The lines in reading order, without those that have no text.

        Raises:
            InputError: not an image.
        """
        source = source or (str(image) if isinstance(image, (str, os.PathLike)) else "")
        image = to_bgr(as_pixels(image))
        height, width = image.shape[:2]
        if layout == "line" or (layout == "auto" and not may_be_page(height, width)):
            lines = [self.read(image)]
        else:
            lines = [line for line in self._read_upright(image) if line.text]
        return PageReading(source, page, width, height, tuple(lines))

    def _read_upright(self, image: np.ndarray) -> list[LineReading]:
        """The lines of a page, which is turned by quarters where its longest lines are read badly."""
        best = -1.0
        for quarters in (0, 2, 1, 3):
            places = find_lines(image, quarters)
            longest = _longest(places)
            readings = dict(zip(longest, self._read_places(image, [places[index] for index in longest]), strict=True))
            legibility = _legibility(list(readings.values()))
            if legibility > best + MORE_LEGIBLE:
                best, upright, found = legibility, places, readings
            if quarters == 0 and (not places or best >= LEGIBLE):
                break
        others = [index for index in range(len(upright)) if index not in found]
        found |= zip(others, self._read_places(image, [upright[index] for index in others]), strict=True)
        return [found[index] for index in range(len(upright))]

    def _read_places(self, image: np.ndarray, places: Sequence[TextLine]) -> list[LineReading]:
        gray = to_gray(image)
        cuts = [cut_line(gray, place.polygon, place.baseline) for place in places]
        lines = self._read_level([cut for cut, _ in cuts])
        return [_placed(line, place, frame) for line, place, (_, frame) in zip(lines, places, cuts, strict=True)]


def _placed(line: LineReading, place: TextLine, frame: np.ndarray) -> LineReading:
    """The reading of a cut line, with its place on the page."""
    return replace(line, polygon=place.polygon, baseline=place.baseline, frame=frame, region=place.region)


def _longest(places: Sequence[TextLine]) -> list[int]:
    """Indices of the lines that are read to see which way up a page is."""
    return sorted(range(len(places)), key=lambda index: -np.ptp(places[index].baseline, axis=0).max())[:TRIED_LINES]


def _legibility(lines: Sequence[LineReading]) -> float:
    """The expected share of right characters; 0 where too little is read."""
    characters = sum(len(line.text) for line in lines)
    right = sum(len(line.text) * line.characters_right for line in lines)
    return right / characters if characters >= MIN_CHARACTERS else 0.0


def may_be_page(height: int, width: int) -> bool:
    """Whether an image has the shape of more than a line; pixels."""
    return height >= MIN_PAGE_HEIGHT and width < MIN_LINE_RATIO * height
