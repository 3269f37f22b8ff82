"""The pretrained weights."""

import string

import pytest
import yaml

from helpers import PRETRAINED, SAMPLES
from inferenceModel import ImageToWordModel
from mltu.datasets import read_table
from mltu.utils.image_utils import read_image
from mltu.utils.text_utils import get_cer


@pytest.fixture(scope="module", params=["model.onnx", "model.int8.onnx"])
def model(request):
    return ImageToWordModel(PRETRAINED / request.param)


def test_pretrained_reads_the_samples_alone_as_in_any_batch(model):
    samples, _ = read_table(SAMPLES / "lines.csv")
    images = [read_image(sample.image) for sample in samples]
    together = model.predict_batch(images)
    assert together == [model.predict(image) for image in images]
    assert model.predict_batch(images[::-1][:5]) == together[::-1][:5]
    assert get_cer(together, [sample.text for sample in samples]) < 0.35


def test_pretrained_knows_ascii_and_french_and_german_letters(model):
    wanted = string.printable[:95] + "àâçéèêëîïôœùûüÿæÀÂÇÉÈÊËÎÏÔŒÙÛÜŸÆ«»äöüßÄÖÜ"
    assert not set(wanted) - set(model.char_list)


def test_pretrained_has_its_size_settings_and_curves(model):
    sizes = [(PRETRAINED / name).stat().st_size for name in ("model.int8.onnx", "model.onnx", "model.keras")]
    assert 0 < 1.5 * sizes[0] < sizes[1]
    assert sum(sizes) < 20e6
    configs = yaml.safe_load((PRETRAINED / "configs.yaml").read_text(encoding="utf-8"))
    assert configs["vocab"] == model.char_list
    assert (PRETRAINED / "curves.png").stat().st_size > 1000
