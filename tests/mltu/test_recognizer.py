import cv2
import numpy as np
import pytest
from onnx import TensorProto, helper, save

from helpers import SAMPLES
from mltu.beam_search import BeamSearch
from mltu.datasets import read_table
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


def test_recognizer_refuses_other_onnx_models(tmp_path):
    def write(shape, classes, vocab, **metadata):
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4, classes])
        node = helper.make_node("RandomUniform", [], ["y"], shape=[1, 4, classes])
        graph = helper.make_graph([node], "g", [x], [y])
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        if vocab is not None:
            metadata["vocab"] = vocab
        for key, value in metadata.items():
            proto.metadata_props.add(key=key, value=value)
        save(proto, tmp_path / "model.onnx")

    for shape, classes, vocab, message in (
        (["n", 8, 16, 3], 3, None, "does not name its characters"),
        (["n", 8, 16, 3], 3, "7", "does not name its characters"),
        (["n", 8, 16, 3], 9, '"ab"', "9 classes for 2 characters"),
        (["n", 8, 16, 1], 3, '"ab"', "takes input of shape"),
        (["n", 8, "w", 3], 3, '"ab"', "takes input of shape"),
        (["n", 8], 3, '"ab"', "takes input of shape"),
        (["n", 0, 16, 3], 3, '"ab"', "takes input of shape"),
        (["n", 2**40, 16, 3], 3, '"ab"', "takes input of shape"),
        (["n", 30_000, 30_000, 3], 3, '"ab"', "too large"),
        (["n", 8, 16, 3], 3, "[1, 2]", "does not name its characters"),
        (["n", 8, 16, 3], 3, '{"a": 1, "b": 2}', "does not name its characters"),
    ):
        write(shape, classes, vocab)
        with pytest.raises(InputError, match=message):
            LineRecognizer(tmp_path)
    for name, value in (
        ("temperature", '"hot"'),
        ("temperature", "-1"),
        ("temperature", "1e-300"),
        ("temperature", "NaN"),
        ("temperature", "true"),
        ("word_exponent", "1e999"),
        ("word_exponent", "[" * 500 + "]" * 500),
    ):
        write(["n", 8, 16, 3], 3, '"ab"', **{name: value})
        with pytest.raises(InputError, match=f"its {name} is"):
            LineRecognizer(tmp_path)
    write(["n", 8, "w", 1], 3, '"ab"', color='"GRAY"', width_step="32")
    with pytest.raises(InputError, match="its width is None"):
        LineRecognizer(tmp_path)
    for width, step in (("64", "0.5"), ("64", "65"), ("64", '"x"'), ("0", "8"), ("1e9", "8"), ("9" * 999, "8")):
        write(["n", 8, "w", 1], 3, '"ab"', color='"GRAY"', width_step=step, width=width)
        with pytest.raises(InputError, match="not a usable number"):
            LineRecognizer(tmp_path)
    write(["n", 8, 16, 3], 3, '"ab"', color='["GRAY"]')
    with pytest.raises(InputError, match="takes input of shape"):
        LineRecognizer(tmp_path)
    write(["n", 8, 16, 3], 3, '"ab"', preprocessing='{"invert": true}')
    with pytest.raises(InputError, match="other preprocessing"):
        LineRecognizer(tmp_path)


def test_read_names_networks_that_fail_or_give_no_probabilities(tmp_path):
    nodes = {
        "fails on an image": helper.make_node("Reshape", ["x", "shape"], ["y"]),
        "gives no probabilities": helper.make_node("Log", ["minus"], ["y"]),
    }
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [1, 7, 3])
    minus = helper.make_tensor("minus", TensorProto.FLOAT, [1, 4, 3], [-1.0] * 12)
    for message, node in nodes.items():
        x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8, 16, 3])
        y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "steps", 3])
        graph = helper.make_graph([node], "g", [x], [y], [shape, minus])
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        proto.metadata_props.add(key="vocab", value='"ab"')
        save(proto, tmp_path / "model.onnx")
        with pytest.raises(InputError, match=message):
            LineRecognizer(tmp_path).read(np.zeros((8, 16), np.uint8))


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
    model = LineRecognizer(trained_run[0])
    images = [read_image(sample.image) for sample in read_table(trained_run[0] / "val.csv")[0]]
    assert [line.text for line in model.read_batch(images)] == [model.read(image).text for image in images]
    assert model.read_batch([]) == []
    # of any width
    model = LineRecognizer(line_run)
    images = [read_image(sample.image) for sample in read_table(line_run / "train.csv")[0]]
    shapes = [model.line_input(image).shape for image in images]
    assert {shape[0::2] for shape in shapes} == {(32, 1)}
    assert len(set(shapes)) > 1
    assert [line.text for line in model.read_batch(images)] == [model.read(image).text for image in images]


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
