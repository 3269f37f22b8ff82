from types import SimpleNamespace

import cv2
import numpy as np

from mltu.run_folder import RunFolder
from mltu.tensorflow.checks import draw_samples, show_samples
from mltu.utils.errors import InputError


class Lines:
    """A provider of lines of one text, whose variations are dark; some cannot be varied."""

    def __init__(self, count, refused=()):
        self.samples = [SimpleNamespace(text="text", number=number) for number in range(count)]
        self.refused = refused
        self.seeds = []

    def process_data(self, sample, rng=None):
        if rng is None:
            return np.full((48, 128, 1), 255, np.uint8), None
        self.seeds.append(rng.integers(2**31))
        if sample.number in self.refused:
            raise InputError("too narrow")
        return np.zeros((48, 128, 1), np.uint8), None


def test_draw_samples_shows_lines_unchanged_and_varied(tmp_path):
    lines = Lines(2)
    draw_samples(lines, RunFolder(tmp_path))
    sheet = cv2.imread(str(RunFolder(tmp_path).samples), cv2.IMREAD_GRAYSCALE)
    assert (sheet == 0).sum() >= 2 * 3 * 48 * 100  # of two lines, three variations each
    assert len(set(lines.seeds)) == 6


def test_draw_samples_leaves_out_lines_that_cannot_be_varied(tmp_path):
    folder, heights = RunFolder(tmp_path), {}
    for refused in ((), (1,)):
        draw_samples(Lines(2, refused), folder)
        heights[refused] = cv2.imread(str(folder.samples)).shape[0]
    assert heights[(1,)] < heights[()]
    folder.samples.unlink()
    draw_samples(Lines(2, refused=(0, 1)), folder)
    assert not folder.samples.exists()


def test_show_samples_says_where_they_are(tmp_path, capsys):
    assert show_samples(None, RunFolder(tmp_path), None, Lines(1))
    assert str(RunFolder(tmp_path).samples) in capsys.readouterr().out
