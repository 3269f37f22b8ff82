import numpy as np
import pytest

from mltu.pictures.sheets import CAPTION, MARGIN, MAX_HEIGHT, MAX_WIDTH, MIN_WIDTH, caption, sheet


def test_caption_is_printed_text_on_white():
    image = caption("Größe ž", 200)
    assert (image.shape, image.dtype) == ((CAPTION, 200, 3), np.uint8)
    assert (image[:, 120:] == 255).all()
    assert (image[:, :120] < 128).any()
    assert not np.array_equal(image, caption("Größe z", 200))


def test_sheet_aligns_images_in_columns_above_their_texts():
    gray, blue = np.full((20, 300), 100, np.uint8), np.full((30, 250, 3), (200, 0, 0), np.uint8)
    drawn = sheet([((gray, blue), ["one text"]), ((blue, gray), ["two", "texts"])], "title")
    assert drawn.shape == (CAPTION + 2 * (MARGIN + 30) + 3 * CAPTION, 600 + 3 * MARGIN, 3)
    top = CAPTION + MARGIN
    assert (drawn[top : top + 20, MARGIN : MARGIN + 300] == 100).all()
    assert (drawn[top : top + 30, 2 * MARGIN + 300 : 2 * MARGIN + 550] == (200, 0, 0)).all()
    assert (drawn[top : top + 30, 2 * MARGIN + 550 :] == 255).all()
    assert (drawn[:CAPTION] < 128).any()


@pytest.mark.parametrize(("shape", "size"), [((128, 200), (64, 100)), ((50, 1600), (25, 800)), ((9, 20), (9, 20))])
def test_sheet_shrinks_large_images_only(shape, size):
    drawn = sheet([([np.zeros(shape, np.uint8)], [])])
    dark = np.argwhere((drawn < 128).all(axis=-1))
    assert tuple(np.ptp(dark, axis=0) + 1) == size
    assert size[0] <= MAX_HEIGHT
    assert size[1] <= MAX_WIDTH
    assert drawn.shape[1] == max(MIN_WIDTH, size[1] + 2 * MARGIN)
