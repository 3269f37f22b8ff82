"""The pretrained weights."""

import string

import pytest
import yaml

from helpers import PRETRAINED, SAMPLES
from inferenceModel import ImageToWordModel
from mltu.datasets import read_table
from mltu.utils.image_utils import read_image
from mltu.utils.text_utils import get_cer

LINES, _ = read_table(SAMPLES / "lines.csv")


@pytest.fixture(scope="module", params=["model.onnx", "model.int8.onnx"])
def model(request):
    return ImageToWordModel(PRETRAINED / request.param)


def test_predict_batch_is_independent_of_the_other_lines(model):
    images = [read_image(sample.image) for sample in LINES]
    texts = model.predict_batch(images)
    assert texts == [model.predict(image) for image in images]
    assert model.predict_batch(images[::-1][:5]) == texts[::-1][:5]
    assert get_cer(texts, [sample.text for sample in LINES]) < 0.35


def test_char_list_has_ascii_french_letters_and_quotes(model):
    wanted = string.printable[:95] + "àâçéèêëîïôœùûüÿæÀÂÇÉÈÊËÎÏÔŒÙÛÜŸÆ«»‘’“”–—…"
    assert not set(wanted) - set(model.char_list)


def test_files_are_small_and_complete(model):
    sizes = [(PRETRAINED / name).stat().st_size for name in ("model.int8.onnx", "model.onnx")]
    assert 0 < 2 * sizes[0] < sizes[1] < 16e6
    configs = yaml.safe_load((PRETRAINED / "configs.yaml").read_text(encoding="utf-8"))
    assert configs["vocab"] == model.char_list
    assert (PRETRAINED / "curves.png").stat().st_size > 1000
