import shutil

import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper

from helpers import PRETRAINED, SAMPLES, write_onnx
from mltu.beam_search import BeamSearch
from mltu.datasets import read_table
from mltu.inferenceModel import INT8
from mltu.recognizer import LineRecognizer, may_be_page
from mltu.utils.errors import InputError
from mltu.utils.image_utils import paper_color, read_image
from mltu.utils.text_utils import get_cer


def test_recognizer_takes_given_characters(trained_run):
    folder, _ = trained_run
    known = LineRecognizer(folder).char_list
    assert LineRecognizer(model_path=folder, char_list=list(known)).char_list == list(known)
    with pytest.raises(InputError, match="classes"):
        LineRecognizer(folder, char_list="ab")


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "does not name its characters"),
        ({"vocab": "7"}, "does not name its characters"),
        ({"vocab": "[1, 2]"}, "does not name its characters"),
        ({"vocab": '{"a": 1, "b": 2}'}, "does not name its characters"),
        ({"vocab": '"abc"'}, "3 classes for 3 characters"),
        ({"temperature": '"hot"'}, "its temperature is"),
        ({"temperature": "-1"}, "its temperature is"),
        ({"temperature": "1e-300"}, "its temperature is"),
        ({"temperature": "NaN"}, "its temperature is"),
        ({"temperature": "true"}, "its temperature is"),
        ({"word_exponent": "1e999"}, "its word_exponent is"),
        ({"word_exponent": "[" * 500 + "]" * 500}, "its word_exponent is"),
        ({"color": '"GRAY"'}, "takes input of shape"),
    ],
)
def test_recognizer_refuses_other_onnx_models(tmp_path, metadata, message):
    if metadata and "vocab" not in metadata:
        metadata = {"vocab": '"ab"', **metadata}
    node = helper.make_node("RandomUniform", [], ["y"], shape=[1, 4, 3])
    write_onnx(tmp_path / "model.onnx", node, [["n", 8, 16, 3], ["n", 4, 3]], **metadata)
    with pytest.raises(InputError, match=message):
        LineRecognizer(tmp_path)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Reshape", ["x", "shape"], ["y"]), "fails on an image"),
        (helper.make_node("Log", ["minus"], ["y"]), "gives no probabilities"),
    ],
)
def test_read_names_networks_that_fail_or_give_no_probabilities(tmp_path, node, message):
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [1, 7, 3])
    minus = helper.make_tensor("minus", TensorProto.FLOAT, [1, 4, 3], [-1.0] * 12)
    shapes = ["n", 8, 16, 3], ["n", "steps", 3]
    write_onnx(tmp_path / "model.onnx", node, shapes, [shape, minus], vocab='"ab"')
    with pytest.raises(InputError, match=message):
        LineRecognizer(tmp_path).read(np.zeros((8, 16), np.uint8))


def test_recognizer_takes_the_8_bit_copy_in_a_folder(tmp_path, pretrained):
    shutil.copy(PRETRAINED / "model.onnx", tmp_path)
    assert LineRecognizer(tmp_path).model_path == str(tmp_path / "model.onnx")
    shutil.copy(PRETRAINED / INT8, tmp_path)
    assert LineRecognizer(tmp_path).model_path == str(tmp_path / INT8)
    assert LineRecognizer(tmp_path / "model.onnx").model_path == str(tmp_path / "model.onnx")
    assert LineRecognizer(tmp_path, default_model_name="model.onnx").model_path == str(tmp_path / "model.onnx")


def spelled(text, vocab):
    """Log probabilities that spell a text: each character, then a blank."""
    classes = [label for character in text for label in (vocab.index(character), len(vocab))]
    return np.log(np.eye(len(vocab) + 1)[classes] * 0.9 + 0.1 / (len(vocab) + 1))


@pytest.mark.parametrize(
    ("spelling", "text"), [("  a b", "a b"), ("a   b ", "a b"), ("   ", ""), ("", ""), ("aa", "aa")]
)
@pytest.mark.parametrize("decoded_by", ["best path", "decoder"])
def test_decode_normalises_spaces(pretrained, spelling, text, decoded_by):
    vocab = pretrained.char_list
    log_probs = spelled(spelling, vocab).reshape(-1, len(vocab) + 1)
    recognizer = LineRecognizer(pretrained.model_path)
    if decoded_by == "decoder":
        recognizer.decoder = lambda log_probs: np.array([vocab.index(character) for character in spelling], int)
    decoded = recognizer.decode(log_probs)
    assert "".join(vocab[label] for label in decoded.labels) == text
    # the kept characters stay where they are
    kept = [[2 * place, 2 * place + 1] for place, character in enumerate(spelling) if character != " "]
    spans = [span for label, span in zip(decoded.labels, decoded.spans.tolist(), strict=True) if vocab[label] != " "]
    assert spans == kept


def test_describe_gives_likely_alternatives_best_first(pretrained):
    vocab = pretrained.char_list
    row = np.full(len(vocab) + 1, 1e-6)
    row[[vocab.index(character) for character in "abcdef"]] = [0.4, 0.2, 0.15, 0.1, 0.08, 0.005]
    row[-1] = 0.06  # the blank is not an alternative
    recognizer = LineRecognizer(pretrained.model_path)
    recognizer.temperature = 1.0
    line = recognizer.describe(recognizer.decode(np.log(row / row.sum())[None]), (64, 128), (64, 128))
    (character,) = line.characters
    assert character.confidence == pytest.approx(row[vocab.index("a")] / row.sum())
    assert [text for text, _ in character.alternatives] == ["b", "c", "d"]
    assert [share for _, share in character.alternatives] == pytest.approx(np.array([0.2, 0.15, 0.1]) / row.sum())
    # a higher temperature makes all of them more alike
    recognizer.temperature = 2.0
    warmer = recognizer.describe(recognizer.decode(np.log(row)[None]), (64, 128), (64, 128)).characters[0]
    assert warmer.confidence < character.confidence


def test_describe_trusts_a_decoder_that_knows_the_language(pretrained):
    vocab = pretrained.char_list
    log_probs = spelled("ab", vocab).reshape(-1, len(vocab) + 1)
    recognizer = LineRecognizer(pretrained.model_path)
    decoded = recognizer.decode(log_probs)._replace(labels=np.array([vocab.index(text) for text in "xb"]))
    confidences = []
    for recognizer.decoder in (None, BeamSearch(vocab), BeamSearch(vocab, lexicon=["xb"])):
        line = recognizer.describe(decoded, (64, 128), (64, 128))
        confidences.append([character.confidence for character in line.characters])
    assert confidences[0] == confidences[1]
    assert confidences[0][0] < 0.1
    assert confidences[2] == pytest.approx([(1 + share**2) / 2 for share in confidences[0]])
    assert line.words[0].confidence == pytest.approx(np.prod(confidences[2]) ** 0.86)


def test_read_gives_confidences_and_places(pretrained):
    image = read_image(SAMPLES / "line01.jpg")
    line = pretrained.read(image)
    assert "".join(character.text for character in line.characters) == line.text
    starts = [character.start for character in line.characters]
    assert starts == sorted(starts)
    assert 0 <= starts[0] < 0.1
    assert 0.8 < line.characters[-1].end <= 1
    assert all(0 < character.confidence <= 1 for character in line.characters)
    product = np.prod([character.confidence for character in line.characters])
    assert line.confidence == pytest.approx(min([product, *(word.confidence for word in line.words)]))
    # white paper on the right moves the places, not the text
    padded = cv2.copyMakeBorder(image, 0, 0, 0, image.shape[1], cv2.BORDER_CONSTANT, value=paper_color(image))
    wide = pretrained.read(padded)
    assert wide.characters[-1].end == pytest.approx(line.characters[-1].end / 2, abs=0.05)


def test_read_takes_light_writing_on_a_dark_background(pretrained):
    image = read_image(SAMPLES / "line02.jpg")
    assert pretrained.read(255 - image).text == pretrained.read(image).text


def test_read_batch_is_independent_of_the_other_lines(trained_run, line_run):
    for run in (trained_run[0], line_run):
        model = LineRecognizer(run)
        images = [read_image(sample.image) for sample in read_table(run / "train.csv")[0]]
        assert [line.text for line in model.read_batch(images)] == [model.read(image).text for image in images]
        assert model.read_batch([]) == []
    widths = {model.line_input(image).shape[1] for image in images}
    assert len(widths) > 1


@pytest.fixture(scope="module")
def parts():
    """Some of the sample lines, 96 pixels high, and their true texts."""
    samples = read_table(SAMPLES / "lines.csv")[0][:7]
    images = [read_image(sample.image, "GRAY") for sample in samples]
    images = [cv2.resize(image, (image.shape[1] * 96 // image.shape[0], 96)) for image in images]
    return images, [sample.text for sample in samples]


def side_by_side(parts, gap):
    """One long line of all parts, with paper between them."""
    paper = [np.full((96, gap), paper_color(part)[0], np.uint8) for part in parts]
    return np.concatenate([piece for pair in zip(parts, paper, strict=True) for piece in pair], axis=1)


@pytest.mark.parametrize(("gap", "noise"), [(0, 0), (40, 0), (40, 15)])
@pytest.mark.parametrize("language", [None, "en"])
def test_read_reads_long_lines_as_well_as_their_parts(parts, gap, noise, language):
    recognizer = LineRecognizer(PRETRAINED, language=language)
    parts, truth = parts
    image = side_by_side(parts, gap)
    image = (image + np.random.default_rng(0).normal(0, noise, image.shape)).clip(0, 255)
    assert recognizer.line_input(image).shape[1] > 2 * recognizer.line_input.width
    ends = np.cumsum([part.shape[1] + gap for part in parts])
    alone = recognizer.read_batch(np.ascontiguousarray(part) for part in np.split(image, ends[:-1], axis=1))
    texts = [reading.text for reading in alone]
    line = recognizer.read(image)
    assert get_cer([line.text], [" ".join(truth)]) < get_cer([" ".join(texts)], [" ".join(truth)]) + 0.1
    # each part is found at its place
    lengths = np.cumsum([len(text) + 1 for text in texts])
    found = [line.characters[min(length, len(line.characters) - 1)].start for length in lengths[:-1]]
    np.testing.assert_allclose(found, ends[:-1] / image.shape[1], atol=0.05)


@pytest.mark.parametrize("degrees", [0.5, -1.5])
def test_all_ways_of_reading_level_long_lines(pretrained, parts, degrees):
    image = side_by_side(parts[0], 20)
    height, width = image.shape
    drop = abs(width * np.sin(np.radians(degrees)))
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1)
    turn[1, 2] += drop / 2
    size = (width, height + int(drop))
    tilted = cv2.warpAffine(image, turn, size, borderValue=paper_color(image)[0], flags=cv2.INTER_AREA)
    page = pretrained.predict_page(tilted, "line")
    truth = " ".join(parts[1])
    assert get_cer([page.text], [truth]) < get_cer([pretrained.read(image).text], [truth]) + 0.05
    assert pretrained.read(tilted).text == pretrained.read_batch([tilted, image])[0].text == page.text
    # words are where they were drawn
    middle = np.mean(page.lines[0].corners_of(page.lines[0].words[0]), axis=0)
    expected = turn @ [middle[0], height / 2, 1]
    assert abs(middle[1] - expected[1]) < height / 4


def test_predict_page_reads_line_by_line(pretrained):
    image = read_image(SAMPLES / "page.jpg")
    truth = (SAMPLES / "page.txt").read_text(encoding="utf-8").splitlines()
    page = pretrained.predict_page(image)
    assert len(page.lines) == len(truth)
    assert get_cer([line.text for line in page.lines], truth) < 0.35
    assert pretrained.predict_page(image, "auto").text == page.text
    assert len(pretrained.predict_page(image, "line").lines) == 1
    line = read_image(SAMPLES / "line01.jpg")
    assert pretrained.predict_page(line, "auto").text == pretrained.read(line).text
    blank = pretrained.predict_page(np.full((900, 700), 240, np.uint8))
    assert blank.lines == ()
    assert (blank.width, blank.height) == (700, 900)


@pytest.mark.parametrize(
    ("height", "width", "expected"), [(159, 100, False), (160, 100, True), (160, 799, True), (160, 800, False)]
)
def test_may_be_page_goes_by_height_and_proportions(height, width, expected):
    assert may_be_page(height, width) is expected
