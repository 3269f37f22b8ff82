import cv2
import numpy as np

from mltu.pictures.curves import save_curves, save_sweep

ORANGE, BLUE = (14, 127, 255), (180, 119, 31)  # BGR, of matplotlib's C1 and C0


def drawn(path):
    """The picture, and the colours of both lines that are in it."""
    picture = cv2.imread(str(path))
    return picture, {color for color in (ORANGE, BLUE) if (picture == color).all(axis=-1).any()}


def test_save_curves_shows_the_values_that_there_are(tmp_path):
    epochs = [{"epoch": i, "loss": 10 / i, "val_loss": 12 / i, "CER": 1 / i} for i in (1, 2, 3)]
    pictures = []
    for count in (1, 3):
        save_curves(epochs[:count], tmp_path / "curves.png")
        picture, colors = drawn(tmp_path / "curves.png")
        assert colors == {ORANGE, BLUE}  # the CER's and the loss's
        pictures.append(picture)
    assert pictures[0].shape == pictures[1].shape
    assert not np.array_equal(*pictures)
    save_curves([{"epoch": 1, "loss": 10}], tmp_path / "curves.png")
    assert drawn(tmp_path / "curves.png")[1] == {BLUE}


def test_save_sweep_marks_the_suggestion(tmp_path):
    for suggestion, colors in ((1e-4, {ORANGE, BLUE}), (None, {BLUE})):
        save_sweep([1e-5, 1e-4, 1e-3], [100.0, 20.0, 90.0], suggestion, tmp_path / "sweep.png")
        assert drawn(tmp_path / "sweep.png")[1] == colors
