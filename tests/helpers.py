"""What several test files use."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from mltu.ctc import collapse_path
from mltu.error_analysis import Evaluated
from mltu.readings import Character, LineReading

ROOT = Path(__file__).resolve().parent.parent
PRETRAINED, SAMPLES = ROOT / "Models" / "pretrained", ROOT / "samples"
# small enough for two cores: 16 time steps
TINY_RUN = ["--height", "32", "--width", "128", "--max_chars", "8", "--batch_size", "8", "--train_workers", "1"]


def run_script(script, *args, cwd=ROOT, timeout=500, preexec_fn=None, **env):
    """Run one of the scripts as a user does; returns the finished process."""
    return subprocess.run(
        [sys.executable, str(ROOT / script), *map(str, args)],
        cwd=cwd,
        preexec_fn=preexec_fn,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=timeout,
        env={**os.environ, "PYTHONUTF8": "1", **env},
    )


def train_tiny(folder, *args):
    """Train two epochs on 40 generated lines below a folder; returns (folder of the run, finished process)."""
    process = run_script(
        "train.py",
        *TINY_RUN,
        *("--dataset", "synthetic", "--samples", "40", "--train_epochs", "2"),
        *("--data_path", folder / "data", "--model_path", folder / "model", *args),
    )
    assert process.returncode == 0, process.stdout + process.stderr
    return folder / "model", process


def darkened(image, shares):
    """An image under a light: shares of it, in a shape that can be multiplied with the image's."""
    return np.clip(image * shares, 0, 255).astype(np.uint8)


def shadow(image, least):
    """Light on a grey image that falls off to a share at the right, and towards the foot of the page."""
    height, width = image.shape[:2]
    return np.linspace(1, least, width)[None, :] * np.linspace(1, 0.6, height)[:, None]


_WORDS = "the cat sat on a mat and the dog ran to the old house where no one had been since last summer".split()


def sentences(count, seed):
    """Made-up sentences, two of three words of which depend on the word before."""
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


def evaluated_line(true, read, writer="", image="missing.png", confidences=None):
    """A line with its true text and a reading of it; by default every character has a confidence of one half."""
    confidences = confidences or [0.5] * len(read)
    characters = tuple(
        Character(text, confidence, i / len(read), (i + 1) / len(read))
        for i, (text, confidence) in enumerate(zip(read, confidences, strict=True))
    )
    polygon = np.array([[0, 0], [99, 0], [99, 9], [0, 9]])
    mean = float(np.mean(confidences)) if read else 0.0
    return Evaluated(str(image), true, LineReading(read, mean, characters, polygon, polygon[[0, 1, 3]]), writer)


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


def lines_of_three_writers():
    """Lines with readings by a good, a bad and a worse writer."""
    return [
        evaluated_line("abcdefgh", "abcdefgh", "good"),
        evaluated_line("xy", "xz", "good"),
        evaluated_line("abcd", "ab", "bad"),
        evaluated_line("abcdef", "abcdef", "bad"),
        evaluated_line("abcde", "", "worst"),
    ]
