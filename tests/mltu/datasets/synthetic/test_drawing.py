import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from mltu.datasets.synthetic import draw_line, draw_page
from mltu.utils.image_utils import paper_color

ASCII = "".join(map(chr, range(33, 127)))


@settings(max_examples=25)
@given(st.text(ASCII + " ", min_size=1, max_size=20).filter(str.strip), st.integers(0, 1000))
def test_draw_line_makes_dark_writing_on_light_paper_of_any_ascii(text, number):
    image = draw_line(text, seed=1, number=number, writer=number)
    assert (image.dtype, image.ndim) == (np.uint8, 3)
    assert 8 <= image.shape[0] <= 200
    assert min(paper_color(image)) > max(170, image.min() + 30)


def test_draw_line_is_wider_for_longer_texts_with_or_without_a_font(font_folder):
    for font in (None, font_folder / "ae.ttf"):
        short, again, long = (draw_line(text, 1, 2, font=font) for text in ("abba", "abba", "abbaabbaabba"))
        assert np.array_equal(short, again)
        assert short.min() < min(paper_color(short)) - 30
        assert long.shape[1] > 1.7 * short.shape[1]


def test_draw_line_depends_on_seed_number_and_writer():
    assert np.array_equal(draw_line("same", 1, 2, 3), draw_line("same", 1, 2, 3))
    others = [draw_line("same", *numbers).tobytes() for numbers in ((2, 2, 3), (1, 3, 3), (1, 2, 4))]
    assert len({draw_line("same", 1, 2, 3).tobytes(), *others}) == 4


def test_draw_page_puts_lines_below_each_other_in_their_boxes():
    texts = ["a line", "and a longer line below it", "last"]
    page, boxes = draw_page(texts, seed=3, number=1)
    again, _ = draw_page(texts, seed=3, number=1)
    assert np.array_equal(page, again)
    assert len(boxes) == 3
    dark = page.mean(axis=2) < np.median(page) - 60
    inside = np.zeros_like(dark)
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= page.shape[1]
        assert 0 <= top < bottom <= page.shape[0]
        assert dark[top:bottom, left:right].mean() > 0.01
        inside[top:bottom, left:right] = True
    assert dark[inside].sum() > 0.98 * dark.sum()
    middles = [(top + bottom) / 2 for _, top, _, bottom in boxes]
    assert middles == sorted(middles)
    assert boxes[1][2] - boxes[1][0] > boxes[0][2] - boxes[0][0]
