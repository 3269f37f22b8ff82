import shutil
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import PRETRAINED, SAMPLES
from helpers import evaluated_line as line
from mltu.calibration import (
    EXPONENTS,
    MIN_LINES,
    TEMPERATURES,
    calibrate,
    calibration_error,
    fit_exponent,
    fit_temperature,
    reliability_bins,
    score_characters,
    score_lines,
    score_words,
    softmax,
)
from mltu.inferenceModel import OnnxInferenceModel
from mltu.readings import Peaks
from mltu.utils.errors import InputError
from mltu.utils.image_utils import read_image


@given(st.lists(st.floats(-1000, 1000), min_size=1, max_size=9), st.floats(-1000, 1000))
def test_softmax_gives_probabilities(logits, shift):
    logits = np.array(logits)
    probabilities = softmax(logits)
    assert probabilities.sum() == pytest.approx(1)
    assert probabilities[logits.argmax()] == probabilities.max()
    assert np.allclose(softmax(logits + shift), probabilities, atol=1e-6)


def test_softmax_takes_logarithms_of_probabilities_along_the_last_axis():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.25, 0.25, 0.5]])
    assert np.allclose(softmax(np.log(probabilities)), probabilities)
    # twice the temperature is the square root of each, made to sum to 1 again
    roots = np.sqrt(probabilities)
    assert np.allclose(softmax(np.log(probabilities) / 2), roots / roots.sum(axis=1, keepdims=True))


def test_reliability_bins_holds_counts_confidences_and_hits():
    counts, confidences, hits = reliability_bins([0.1, 0.5, 0.6, 1.0], [False, True, False, True], 2)
    assert (counts.tolist(), hits.tolist()) == ([2, 2], [1, 1])
    assert confidences == pytest.approx([0.6, 1.6])


def test_calibration_error_equals_the_sum_by_hand():
    # bin of 0.55: 1 of 2 correct, gap 0.05; of 0.9: 1 of 3 correct, gap 0.9 - 1/3
    confidences, correct = [0.55, 0.55, 0.9, 0.9, 0.9], [True, False, True, False, False]
    assert calibration_error(confidences, correct, bins=10) == pytest.approx(0.4 * 0.05 + 0.6 * (0.9 - 1 / 3))
    # in one bin only the means count
    assert calibration_error(confidences, correct, bins=1) == pytest.approx(3.8 / 5 - 2 / 5)


def test_calibration_error_is_0_if_calibrated_and_1_if_all_wrong():
    assert calibration_error([0.75] * 4 + [1.0, 0.0], [True, True, True, False, True, False]) == 0
    assert calibration_error([1.0, 0.0], [False, True]) == 1
    assert np.isnan(calibration_error([], []))
    with pytest.raises(ValueError, match="2 confidences for 1"):
        calibration_error([0.5, 0.5], [True])


def test_calibration_error_counts_upper_edges_into_their_bin():
    # 0.5 goes with 0.4, not with 0.9
    assert calibration_error([0.4, 0.5, 0.9], [True, False, True], bins=2) == pytest.approx((0.1 + 0.1) / 3)


def test_calibration_error_is_small_for_calibrated_confidences():
    rng = np.random.default_rng(0)
    confidences = rng.random(20_000)
    correct = rng.random(20_000) < confidences
    assert calibration_error(confidences, correct) < 0.02
    assert calibration_error(confidences**0.5, correct) > 0.1


def test_score_characters_and_score_words_follow_the_alignment():
    # the c is read twice, the t not at all
    lines = [line("cat on it", "ccat on i", confidences=[0.1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.4, 0.3])]
    confidences, correct = score_characters(lines)
    assert confidences == [0.1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.5, 0.4, 0.3]
    assert correct.count(False) == 1
    assert not correct[0] or not correct[1]
    confidences, correct = score_words(lines)
    assert correct == [False, True, False]
    assert confidences == pytest.approx([0.1 * 0.9 * 0.8 * 0.7, 0.25, 0.3])


def readings_of_temperature(temperature, seed=0, count=6000, classes=12):
    """Calibrated logits times a temperature; the likeliest classes; whether they are correct."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (count, classes))
    true = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # drawn from the softmax of the logits
    read = logits.argmax(axis=1)
    return logits * temperature, read, read == true


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 3.0])
def test_fit_temperature_finds_a_known_temperature(temperature):
    assert fit_temperature(*readings_of_temperature(temperature)) == pytest.approx(temperature, rel=0.08)


def test_fit_temperature_brings_confidence_to_accuracy():
    logits, read, correct = readings_of_temperature(2.5, seed=1)
    elements = np.arange(len(read))
    before = softmax(logits)[elements, read].mean()
    after = softmax(logits / fit_temperature(logits, read, correct))[elements, read].mean()
    assert after == pytest.approx(correct.mean(), abs=0.02)
    assert before > correct.mean() + 0.1


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_fit_exponent_finds_a_known_exponent(exponent):
    rng = np.random.default_rng(2)
    confidences = rng.uniform(0.3, 1, 8000)
    correct = rng.random(len(confidences)) < confidences**exponent
    assert fit_exponent(confidences.tolist(), correct.tolist()) == pytest.approx(exponent, rel=0.08)


def test_fits_are_1_without_any_element():
    assert fit_temperature(np.zeros((0, 5)), np.zeros(0, int), []) == 1
    assert fit_exponent([], []) == 1


def test_fits_stay_within_their_ranges():
    logits, read = np.array([[2.0, 0.0]] * 4), np.zeros(4, int)
    assert fit_temperature(logits, read, [False] * 4) == pytest.approx(TEMPERATURES[-1])
    assert fit_temperature(logits, read, [True] * 4) == pytest.approx(TEMPERATURES[0])
    assert fit_exponent([1.0, 0.0], [False, True]) in np.round(EXPONENTS, 4)
    assert fit_exponent([0.9] * 4, [False] * 4) == pytest.approx(EXPONENTS[-1])


def test_score_lines_counts_lines_without_any_error():
    lines = [line("ab", "ab", confidences=[0.9, 0.8]), line("ab", "aB", confidences=[0.9, 0.5]), line("x", "")]
    confidences, correct = score_lines(lines)
    assert confidences == pytest.approx([0.72, 0.45])
    assert correct == [True, False]


class Network:
    """What `calibrate` needs of a recognizer: lines whose characters are right as often as the softmax of logits says,
    and which is surer than that by a factor of its logits."""

    def __init__(self, path):
        self.model_path = str(path)

    @staticmethod
    def lines(count, factor, seed=0, classes=12, length=30):
        rng = np.random.default_rng(seed)
        vocab = "abcdefghijkl"
        found = []
        for _ in range(count):
            logits = rng.normal(0, 3, (length, classes))
            true = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
            labels = logits.argmax(axis=1)
            probabilities = softmax(logits * factor).max(axis=1)
            texts = ["".join(vocab[i] for i in indices) for indices in (true, labels)]
            read = line(*texts, confidences=list(probabilities))
            peaks = Peaks(np.log(softmax(logits * factor)), labels)
            found.append(read._replace(reading=replace(read.reading, peaks=peaks)))
        return found


def test_calibrate_measures_its_errors_on_lines_held_out(tmp_path):
    shutil.copy(PRETRAINED / "model.onnx", tmp_path)
    network = Network(tmp_path / "model.onnx")
    lines = network.lines(100, factor=3.0)
    errors = calibrate(network, lines)
    assert network.temperature == pytest.approx(3.0, rel=0.15)
    metadata = OnnxInferenceModel(tmp_path).metadata
    assert (metadata["temperature"], metadata["word_exponent"]) == (network.temperature, network.word_exponent)
    assert errors.keys() == {"characters", "words", "lines"}
    before, now = errors["characters"]
    assert before == pytest.approx(calibration_error(*score_characters(lines)))
    assert before > 0.1
    assert now < 0.03
    # the same lines over and over in all parts but one: nothing can be learnt about that one
    alike = network.lines(1, factor=3.0) * 80
    for index in range(0, 80, 5):
        alike[index] = network.lines(80, factor=0.2, seed=1)[index]
    assert calibrate(network, alike)["characters"][1] > 0.1


def test_calibrate_refuses_too_few_lines_and_leaves_the_model(tmp_path):
    shutil.copy(PRETRAINED / "model.onnx", tmp_path)
    before = (tmp_path / "model.onnx").read_bytes()
    network = Network(tmp_path / "model.onnx")
    with pytest.raises(InputError, match=rf"{MIN_LINES - 1} lines are too few .* {MIN_LINES} or more"):
        calibrate(network, network.lines(MIN_LINES - 1, 1.0))
    assert (tmp_path / "model.onnx").read_bytes() == before


def test_confidences_of_lines_that_are_read_are_those_of_their_words_and_characters(pretrained):
    reading = pretrained.read(read_image(SAMPLES / "line01.jpg"))
    confidences = [character.confidence for character in reading.characters]
    assert reading.confidence == pytest.approx(np.prod(confidences))
    assert reading.characters_right == pytest.approx(np.mean(confidences))
    assert reading.confidence <= min(word.confidence for word in reading.words) + 1e-9
