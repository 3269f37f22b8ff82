"""Read handwriting with an exported model.

    python inferenceModel.py line.png                        prints the text
    python inferenceModel.py page.jpg --format json          boxes, confidences, alternatives
    python inferenceModel.py scans/ --output read.csv        a folder; after a stop, continues where it was
    python inferenceModel.py scans/ --output book.pdf        searchable
    python inferenceModel.py "scans/*.pdf" --format alto --output xml/ --annotate seen/
    python inferenceModel.py page.jpg --language en          likely English rather than unlikely letters
    python inferenceModel.py page.jpg --lm own.lm --lexicon words.txt
    python inferenceModel.py scans/ --output read.csv --cluster tcp://host:8786     on the workers of Dask
    python inferenceModel.py --csv val.csv --report report/  CER and WER of image,text rows

Exit codes: 0 all read, 2 wrong input (what can be read is read nevertheless), 130 stopped by Ctrl-C.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports, so that Ctrl-C ends them in one line too
    from mltu.utils.console import guard_imports

    guard_imports("inferenceModel.py")

import argparse
import sys
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mltu.beam_search import BEAM_WIDTH, LM_WEIGHT, BeamSearch
from mltu.calibration import calibrate
from mltu.configs import ArgumentParser
from mltu.evaluation import evaluate_table
from mltu.formats import FORMATS
from mltu.inputs import STDIN, as_pixels
from mltu.language import known_languages, language_decoder, language_digests
from mltu.language_model import CharacterModel
from mltu.lexicon import LEXICON_COST, Lexicon
from mltu.outputs import format_for
from mltu.pages import level_line
from mltu.recognizer import PRETRAINED, LineRecognizer, Readable
from mltu.report import write_report
from mltu.transcription import transcribe
from mltu.utils.console import command, print_error
from mltu.utils.files import file_digest, make_folder

if TYPE_CHECKING:
    from mltu.cluster import Cluster

DECODER_OPTIONS = ("decoder", "language", "lm", "lexicon", "lm_weight", "lexicon_cost", "beam_width")


class ImageToWordModel(LineRecognizer):
    """Reads lines of handwriting; arguments and errors as for :class:`mltu.recognizer.LineRecognizer`.

    :meth:`predict` and :meth:`predict_batch` give texts; the inherited :meth:`read`, :meth:`read_batch` and, for pages,
    :meth:`predict_page` add confidences and places.

    Example:
        >>> model = ImageToWordModel(language="en")  # doctest: +SKIP
        >>> model.predict("line.png")  # doctest: +SKIP
        'A line of handwriting'
    """

    def predict(self, image: Readable) -> str:
        """Read one line.

        Args:
            image: an array, a path or a Pillow image, as for :func:`mltu.inputs.as_pixels`.

        Returns:
            The text.

        Raises:
            InputError: not an image.
        """
        # long lines are levelled, because a small tilt would shrink their writing
        level, _, _ = level_line(as_pixels(image))
        # dark on light, in the size that the network takes: float32, shape (height, width, channels)
        line = self.line_input(level)
        # how probable each character is at each time step, shape (steps, classes)
        log_probs = self.log_probabilities(line[None])[0]
        # the best class of each step, repeats merged, blanks dropped; or the text that the beam search finds
        labels = self.decode(log_probs).labels
        return "".join(self.char_list[label] for label in labels)

    def predict_batch(self, images: Iterable[Readable]) -> list[str]:
        """Read several lines at once, each as :meth:`predict` does, whatever the others are."""
        return [reading.text for reading in self.read_batch(images)]


def parse(args: Sequence[str] | None = None) -> argparse.Namespace:
    parser = ArgumentParser(description=__doc__, usage="%(prog)s FILE ... | --csv FILE [options]")
    add = parser.add_argument
    add("files", nargs="*", metavar="FILE", help="images, TIFF, PDF; folders; patterns; - for standard input")
    add("--image", nargs="+", metavar="FILE", default=[], help="more of them")
    add("--csv", metavar="FILE", help="CSV or TSV table of images of lines and their true texts")
    add("--model", metavar="DIR", default=PRETRAINED, help="folder of a run, or ONNX file [the pretrained weights]")
    add("--output", metavar="PATH", help="file; folder for alto and page (files of pages), hocr and pdf")
    add("--overwrite", action="store_true", help="replace --output instead of going on with it")
    add("--format", choices=list(FORMATS), help="[by the ending of --output, else text]")
    add("--page", action="store_true", help="take every image for a page")
    add("--line", action="store_true", help="take every image for a single line [decide for each]")
    add("--annotate", metavar="DIR", help="draw the lines and readings of each page, as PNG")
    add("--min_confidence", metavar="P", type=float, default=0.0, help="mark less certain words with [?] [0]")
    add("--language", metavar="NAME", help=f"read texts in a language, one of: {', '.join(known_languages())}")
    add("--decoder", choices=("greedy", "beam"), help="[beam with --language, --lm or --lexicon, else greedy]")
    add("--lm", metavar="FILE", help="model of python -m mltu.language_model, for --decoder beam")
    add("--lexicon", metavar="FILE", help="word list, one per line; other words are less likely")
    add("--lm_weight", metavar="W", type=float, help=f"of the language model [of the language, else {LM_WEIGHT}]")
    add("--lexicon_cost", metavar="C", type=float, default=LEXICON_COST, help=f"of other words [{LEXICON_COST}]")
    add("--beam_width", metavar="N", type=int, default=BEAM_WIDTH, help=f"[{BEAM_WIDTH}]")
    add("--report", metavar="DIR", help="with --csv: errors, confusions, worst lines as a web page")
    add("--calibrate", action="store_true", help="with --csv: fit confidences to it, stored in the model")
    add("--threads", metavar="N", type=int, default=0, help="lines read at once [as many as cores]")
    add("--cluster", metavar="ADDRESS", help="read on Dask workers: tcp://host:8786, or `local` for processes")
    given = parser.parse_intermixed_args(args)
    given.image = given.files + given.image
    if bool(given.image) == bool(given.csv):
        parser.error("name images, or a table with --csv (one of the two)")
    if given.page and given.line:
        parser.error("--page and --line exclude each other")
    others = ("report", "calibrate") if given.image else ("annotate", "format", "page", "line", "overwrite", "cluster")
    for name in others:
        if getattr(given, name):
            parser.error(f"--{name} goes with {'--csv' if given.image else 'images'}")
    for name, package in (("report", "matplotlib"), ("calibrate", "onnx")):
        if getattr(given, name) and not find_spec(package):
            parser.error(f"--{name} needs {package}, which reading does without: pip install -r requirements.txt")
    if given.cluster and not (find_spec("distributed") and find_spec("cryptography")):
        parser.error("--cluster needs distributed, which reading does without: pip install distributed cryptography")
    if given.cluster and STDIN in given.image:
        parser.error("--cluster reads files, not standard input")
    ranges = {"min_confidence": (0, 1), "threads": (0, 1024), "beam_width": (1, 1024)}
    ranges |= {"lm_weight": (0, 100), "lexicon_cost": (0, 100)}
    for name, (low, high) in ranges.items():
        if getattr(given, name) is not None and not low <= getattr(given, name) <= high:
            parser.error(f"--{name}: must be {low} to {high}, not {getattr(given, name)}")
    if given.language and given.lm:
        parser.error("--language and --lm exclude each other")
    if given.lm_weight is not None and not (given.language or given.lm):
        parser.error("--lm_weight needs --language or --lm")
    knows = bool(given.language or given.lm or given.lexicon)
    given.decoder = given.decoder or ("beam" if knows else "greedy")
    if given.decoder == "greedy" and knows:
        parser.error("--language, --lm and --lexicon need --decoder beam")
    if given.decoder == "beam" and given.calibrate:
        parser.error("--calibrate needs --decoder greedy")
    if given.calibrate and Path(PRETRAINED).resolve() in (
        Path(given.model).resolve(),
        *Path(given.model).resolve().parents,
    ):
        parser.error(f"--calibrate changes the model: name one of your own with --model, or a copy of {PRETRAINED}")
    given.output = None if given.output == STDIN and not given.csv else given.output  # the screen
    given.format = format_for(given.output, given.format)
    if given.csv and given.output and given.format not in ("csv", "text"):
        parser.error(f"--output {given.output}: readings of a table are written as CSV; name a file that ends in .csv")
    return given


def make_decoder(given: argparse.Namespace, vocab: str | Sequence[str]) -> BeamSearch | None:
    """The decoder that the command line asks for; None for the best path."""
    if given.decoder == "greedy":
        return None
    lexicon = Lexicon.from_file(given.lexicon, vocab, given.lexicon_cost) if given.lexicon else None
    if given.language:
        return language_decoder(given.language, vocab, given.beam_width, lexicon, given.lm_weight)
    language_model = CharacterModel.load(given.lm) if given.lm else None
    weight = LM_WEIGHT if given.lm_weight is None else given.lm_weight
    return BeamSearch(vocab, given.beam_width, language_model, weight, lexicon)


def load_model(given: argparse.Namespace, **others: Any) -> ImageToWordModel:
    """The model that the command line asks for, with its decoder; others: values in place of those given."""
    given = argparse.Namespace(**vars(given) | others)
    model = ImageToWordModel(given.model, threads=given.threads)
    model.decoder = make_decoder(given, model.char_list)
    return model


def open_cluster(model: ImageToWordModel, given: argparse.Namespace) -> Cluster:
    """The workers that read in place of the model."""
    from mltu.cluster import Cluster  # here, as reading does without Dask

    files = {"model": model.model_path, "lm": given.lm, "lexicon": given.lexicon}
    files = {name: file for name, file in files.items() if file}
    return Cluster(given.cluster, partial(load_model, given), files, model.threads)


def read_files(model: ImageToWordModel, given: argparse.Namespace) -> int:
    """Read files and write what they say; returns how many could not be read, or not to the end."""
    layout = "page" if given.page else "line" if given.line else "auto"
    settings = {name: getattr(given, name) for name in DECODER_OPTIONS} if model.decoder is not None else {}
    settings |= {name: file_digest(settings[name]) for name in ("lm", "lexicon") if settings.get(name)}
    if settings.get("language"):
        settings["language"] = language_digests(given.language)
    with open_cluster(model, given) if given.cluster else nullcontext() as cluster:
        return transcribe(
            *(model, given.image, given.output, given.format, layout, given.annotate, given.min_confidence),
            settings=settings,
            overwrite=given.overwrite,
            cluster=cluster,
        )


def evaluate(model: ImageToWordModel, given: argparse.Namespace) -> int:
    """Read a table, print its error rates, calibrate and report if asked; returns how many rows could not be read."""
    model.keeps_peaks = given.calibrate
    if given.report:
        make_folder(given.report, "--report")
    evaluation = evaluate_table(model, given.csv, given.output)
    if not evaluation.lines:
        print_error(f"{given.csv}: not one of its images could be read")
        return evaluation.failed
    print(evaluation.summary())
    if given.calibrate:
        for name, (before, after) in calibrate(model, evaluation.lines).items():
            print(f"Calibration error of {name}: {before:.2%} before, {after:.2%} now (by cross-validation)")
        print(f"Stored in {model.model_path}: temperature {model.temperature}, word exponent {model.word_exponent}")
    if given.report:
        about = {"model": model.model_path, "table": given.csv, "decoder": given.decoder}
        about |= {name: getattr(given, name) for name in ("language", "lm", "lexicon") if getattr(given, name)}
        print(f"Report: {write_report(given.report, evaluation.lines, evaluation.seconds, about)}")
    return evaluation.failed


@command("inferenceModel.py")
def main(args: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    given = parse(args)
    model = load_model(given)
    failed = evaluate(model, given) if given.csv else read_files(model, given)
    return 2 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
