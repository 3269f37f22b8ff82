from dataclasses import replace

import numpy as np

from mltu.datasets.synthetic.hand import draw_hand
from mltu.datasets.synthetic.paper import apply_ink, draw_paper


def papers(**options):
    return [draw_paper((120, 300), 80, 40, np.random.default_rng(number), **options) for number in range(40)]


def test_draw_paper_is_light_and_varies():
    drawn = papers()
    assert {paper.shape for paper in drawn} == {(120, 300, 3)}
    assert {paper.dtype for paper in drawn} == {np.dtype(np.float32)}
    assert min(np.median(paper) for paper in drawn) > 180
    assert len({paper.tobytes() for paper in drawn}) == len(drawn)
    assert np.array_equal(drawn[0], papers()[0])


def test_draw_paper_rules_some_sheets():
    contrast = [np.ptp(np.median(paper.mean(axis=2), axis=1)) for paper in papers()]  # between rows
    assert 10 < sum(value > 12 for value in contrast) < 36


def test_apply_ink_darkens_only_covered_pixels():
    hand = replace(draw_hand(0, 0), ink=(40, 35, 35), grain=0.0)
    paper = np.full((60, 80, 3), 230, np.float32)
    coverage = np.zeros((60, 80), np.float32)
    coverage[20:40, 30:50] = 1
    image = apply_ink(coverage, paper, hand, np.random.default_rng(0))
    assert image.dtype == np.uint8
    assert image[25:35, 35:45].reshape(-1, 3).max(axis=0).tolist() == [40, 35, 35]
    assert (image[:12] == 230).all()
    grainy = apply_ink(coverage, paper, replace(hand, grain=0.6), np.random.default_rng(0))
    assert grainy[25:35, 35:45].std() > 5
