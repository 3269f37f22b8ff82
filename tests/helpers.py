"""Helpers that several test files share."""

import csv
import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
from onnx import TensorProto, helper, save

from mltu.ctc import collapse_path
from mltu.datasets.synthetic.drawing import draw_page
from mltu.error_analysis import Evaluated
from mltu.formats import to_alto
from mltu.readings import Character, LineReading, PageReading, line_confidence

ROOT = Path(__file__).resolve().parent.parent
PRETRAINED, SAMPLES = ROOT / "Models" / "pretrained", ROOT / "samples"
# The network of this run has 16 time steps, so that two cores train it quickly.
TINY_RUN = ["--height", "32", "--width", "128", "--max_chars", "8", "--batch_size", "8", "--train_workers", "1"]


# This run of the line network uses all that recipes use, but for mixed datasets.
LINE_RECIPE = [
    *(*TINY_RUN, "--architecture", "line", "--width_step", "32", "--dataset", "synthetic", "--clip_norm", "5"),
    *("--schedule", "cosine", "--warmup_steps", "2", "--ema", "0.9", "--shortcut", "0.1", "--weight_decay", "0.01"),
]


def run_script(script, *args, code=None, cwd=ROOT, timeout=500, preexec_fn=None, **env):
    """Run one of the scripts as a user does, which must end with an exit code if one is given; returns the process."""
    process = subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, args)],
        cwd=cwd,
        preexec_fn=preexec_fn,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        env={**os.environ, "PYTHONUTF8": "1", **env},
    )
    assert code in (None, process.returncode), process.stdout + process.stderr
    return process


def train_tiny(folder, *args):
    """Train two epochs on 40 generated lines below a folder; returns (folder of the run, finished process)."""
    flags = [*TINY_RUN, "--dataset", "synthetic", "--samples", "40", "--train_epochs", "2"]
    paths = ["--data_path", folder / "data", "--model_path", folder / "model"]
    return folder / "model", run_script("train.py", *flags, *paths, *args, code=0)


def rows(path):
    """The rows of a CSV file, as dictionaries."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write_onnx(path, node, shapes, constants=(), **metadata):
    """Write a network of one node, from `x` to `y` of these shapes, with metadata as they stand in the file."""
    values = [
        helper.make_tensor_value_info(*value) for value in zip("xy", [TensorProto.FLOAT] * 2, shapes, strict=True)
    ]
    graph = helper.make_graph([node], "network", values[:1], values[1:], constants)
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    path.parent.mkdir(parents=True, exist_ok=True)
    save(proto, path)


def darkened(image, shares):
    """An image under a light, given as shares that can be multiplied with the image."""
    return np.clip(image * shares, 0, 255).astype(np.uint8)


def shadow(image, least):
    """Light on a grey image that falls off to a share at the right, and towards the foot of the page."""
    height, width = image.shape[:2]
    return np.linspace(1, least, width)[None, :] * np.linspace(1, 0.6, height)[:, None]


_WORDS = "the cat sat on a mat and the dog ran to the old house where no one had been since last summer".split()


def sentences(count, seed):
    """Made-up sentences, in which two of three words depend on the word before."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        place = int(rng.integers(len(_WORDS)))
        words = []
        for _ in range(int(rng.integers(3, 9))):
            words.append(_WORDS[place])
            place = (place * 7 + 3) % len(_WORDS) if rng.random() < 0.67 else int(rng.integers(len(_WORDS)))
        found.append(" ".join(words).capitalize() + ".")
    return found


def box(left, top, right, bottom):
    """Corners of a level rectangle, clockwise from the upper left."""
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def turn(degrees, center):
    """The affine transform, shape (2, 3), that turns points by degrees clockwise on an image around a center."""
    angle = np.radians(degrees)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([rotation, center - rotation @ center])


def line_reading(text, polygon, confidence=0.9, confidences=None, frame=None, alternatives=(), **more):
    """A reading whose characters are equally wide and, by default, as sure as the line; four corners are its frame."""
    ends = np.linspace(0, 1, len(text) + 1).tolist()
    sure = confidences or [confidence] * len(text)
    characters = tuple(map(Character, text, sure, ends, ends[1:], [alternatives] * len(text)))
    frame = polygon[[[0, 1], [3, 2]]] if frame is None else frame
    return LineReading(text, confidence, characters, polygon, frame, **more)


def evaluated_line(true, read, writer="", image="missing.png", confidences=None):
    """A line with its true text and a reading of it; by default every character has a confidence of one half."""
    reading = line_reading(read, box(0, 0, 99, 9), 0.5, confidences)
    reading = replace(reading, confidence=line_confidence(read, reading.characters, 1.0))
    return Evaluated(str(image), true, reading, writer)


def random_log_probs(seed, steps, classes, peaked=1.0):
    """Logarithms of rows drawn from a Dirichlet distribution; the lower `peaked`, the surer."""
    rows = np.random.default_rng(seed).dirichlet(np.full(classes, peaked), steps)
    return np.log(np.maximum(rows, 1e-30))


def paths_by_text(log_probs):
    """Text -> [(log probability, path)] of every CTC path that gives it, by trying them all."""
    steps, classes = log_probs.shape
    found = {}
    for path in itertools.product(range(classes), repeat=steps):
        text = tuple(collapse_path(np.array(path, int), classes - 1)[0].tolist())
        found.setdefault(text, []).append((sum(log_probs[step, label] for step, label in enumerate(path)), path))
    return found


def text_score(scorer, labels):
    """The sum of what a scorer of the beam search adds for a whole text."""
    state, score = scorer.start, 0.0
    for label in labels:
        added, state = scorer.advance(state, label)
        score += added
    return score + scorer.end(state)


def to_labels(text, vocab):
    """The class index of each character of a text."""
    return [vocab.index(character) for character in text]


def write_page(folder, name, seed=0, lines=5):
    """Draw a page of handwriting and write it with its lines as ALTO; returns (picture, XML file, boxes of the ink)."""
    image, boxes = draw_page(sentences(lines, seed), seed=seed, writer=seed)
    found = []
    for left, top, right, bottom in boxes:
        foot = bottom - 0.25 * (bottom - top)
        baseline = np.array([[left, foot], [right, foot]])
        found.append(line_reading("", box(left, top, right, bottom), 1.0, baseline=baseline))
    page = PageReading(f"{name}.png", 1, image.shape[1], image.shape[0], tuple(found))
    folder.mkdir(parents=True, exist_ok=True)
    picture, xml = folder / f"{name}.png", folder / f"{name}.xml"
    cv2.imwrite(str(picture), image)
    xml.write_text(to_alto(page), encoding="utf-8")
    return picture, xml, boxes
