import numpy as np

from mltu.utils.sheets import CAPTION, MARGIN, MAX_HEIGHT, MAX_WIDTH, MIN_WIDTH, caption, sheet


def test_caption_is_printed_text_on_white():
    image = caption("Größe ž", 200)
    assert (image.shape, image.dtype) == ((CAPTION, 200, 3), np.uint8)
    assert (image[:, 120:] == 255).all()
    assert (image[:, :120] < 128).any()
    assert not np.array_equal(image, caption("Größe z", 200))


def test_sheet_lays_out_images_in_columns_with_texts_below():
    first, second = np.full((40, 300), 10, np.uint8), np.full((30, 200, 3), (20, 40, 60), np.uint8)
    picture = sheet([([first, second], ["one"]), ([second, first], [])])
    assert picture.shape == (2 * (MARGIN + 40) + CAPTION, 300 + 300 + 3 * MARGIN, 3)
    assert (picture[MARGIN : MARGIN + 40, MARGIN : MARGIN + 300] == 10).all()
    right = 2 * MARGIN + 300
    assert (picture[MARGIN : MARGIN + 30, right : right + 200] == (20, 40, 60)).all()
    assert (picture[MARGIN + 30 : MARGIN + 40, right:] == 255).all()
    below = 2 * MARGIN + 40 + CAPTION
    assert (picture[below : below + 40, right : right + 300] == 10).all()


def test_sheet_has_room_for_texts_and_a_title():
    rows = [([np.zeros((20, 30), np.uint8)], ["a text", "another"])]
    assert sheet(rows).shape == (MARGIN + 20 + 2 * CAPTION, MIN_WIDTH, 3)
    assert sheet(rows, "title").shape[0] == sheet(rows).shape[0] + CAPTION


def test_sheet_shrinks_large_images():
    high, wide = np.zeros((2 * MAX_HEIGHT, 50), np.uint8), np.zeros((20, 2 * MAX_WIDTH), np.uint8)
    assert sheet([([high], [])]).shape[0] == MARGIN + MAX_HEIGHT
    assert sheet([([wide], [])]).shape == (MARGIN + 10, MAX_WIDTH + 2 * MARGIN, 3)
