"""What the benchmark of pages rests on: overlaps, matches, pages whose truth is known."""

import cv2
import numpy as np
import pytest

from benchmarks.pages import Page, compose, generated_pages, matches, overlap, photographed
from helpers import ROOT
from mltu.datasets import read_table


def box(left, top, right, bottom):
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)


def test_overlap_is_intersection_over_union():
    assert overlap(box(0, 0, 99, 99), box(0, 0, 99, 99)) == 1
    assert overlap(box(0, 0, 99, 99), box(200, 0, 299, 99)) == 0
    assert overlap(box(0, 0, 199, 99), box(100, 0, 299, 99)) == pytest.approx(1 / 3, abs=0.01)


def test_every_line_is_matched_once():
    true = [box(0, 0, 100, 20), box(0, 30, 100, 50)]
    assert matches([box(0, 0, 100, 21), box(0, 1, 100, 20)], true) == 1
    assert matches([box(0, 32, 100, 50), box(0, 0, 90, 20)], true) == 2
    assert matches([], true) == 0


@pytest.mark.parametrize("layout", ["one column", "two columns", "margin note"])
def test_composed_lines_are_where_they_are_said_to_be(layout):
    samples = read_table(ROOT / "samples" / "lines.csv")[0]
    page = compose(samples, layout, np.random.default_rng(1))
    assert sorted(page.texts) == sorted(sample.text for sample in samples)
    for polygon in page.polygons:
        (left, top), (right, bottom) = polygon.min(axis=0).astype(int), polygon.max(axis=0).astype(int)
        assert page.image[top:bottom, left:right].min() < page.image.max() - 60
    outside = page.image.copy()
    for polygon in page.polygons:
        cv2.fillPoly(outside, [np.rint(polygon).astype(np.int32)], int(np.median(page.image)))
    assert outside.min() > np.median(page.image) - 20


def test_photographs_keep_the_truth():
    image = np.full((400, 600), 240, np.uint8)
    polygon = box(100, 150, 500, 200)
    cv2.fillPoly(image, [polygon.astype(np.int32)], 0)
    taken = photographed(Page(image, [polygon], ["x"], "one column"), np.random.default_rng(2))
    inside = np.zeros_like(taken.image)
    cv2.fillPoly(inside, [np.rint(taken.polygons[0]).astype(np.int32)], 1)
    assert np.median(taken.image[inside > 0]) < 30
    assert taken.texts == ["x"]


def test_generated_pages_have_a_polygon_for_each_text():
    page = next(generated_pages(1))
    assert len(page.polygons) == len(page.texts) == 10
