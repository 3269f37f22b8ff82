import cv2
import numpy as np

from mltu.pictures.curves import save_curves


def test_save_curves_draws_the_values_that_are_given(tmp_path):
    epochs = [{"epoch": i, "loss": 10 / i, "val_loss": 12 / i, "CER": 1 / i} for i in (1, 2, 3)]
    pictures = []
    for count in (1, 3):
        save_curves(epochs[:count], tmp_path / "curves.png")
        pictures.append(cv2.imread(str(tmp_path / "curves.png")))
    assert pictures[0].shape == pictures[1].shape
    assert not np.array_equal(*pictures)
    colors = {tuple(color) for color in pictures[1].reshape(-1, 3)[::7].tolist()}
    assert (14, 127, 255) in colors  # the CER's orange
