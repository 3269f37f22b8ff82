import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from mltu.tensorflow.metrics import CERMetric, WERMetric
from mltu.utils.text_utils import ctc_decoder, get_cer, get_wer

VOCAB = "abc "


def predictions(texts, steps):
    """Class scores whose greedy reading is each text: every character, then a blank."""
    scores = np.zeros((len(texts), steps, len(VOCAB) + 1), np.float32)
    scores[:, :, len(VOCAB)] = 0.5
    for row, text in enumerate(texts):
        for position, character in enumerate(text):
            scores[row, 2 * position, VOCAB.index(character)] = 1
    return scores


def labels(texts, length):
    return np.array([[VOCAB.index(c) for c in text] + [len(VOCAB)] * (length - len(text)) for text in texts])


words = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=3).map(" ".join)


@settings(max_examples=30)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=4), st.lists(st.tuples(words, words), max_size=4))
def test_metrics_over_an_epoch_equal_the_rates_of_all_its_texts(first, second):
    cer, wer = CERMetric(VOCAB), WERMetric(list(VOCAB))
    for batch in (first, second):
        if batch:
            predicted, true = zip(*batch, strict=True)
            for metric in (cer, wer):
                metric.update_state(labels(true, 12), predictions(predicted, 24))
    predicted, true = map(list, zip(*first + second, strict=True))
    assert float(cer.result()) == pytest.approx(get_cer(predicted, true), rel=1e-5)
    assert float(wer.result()) == pytest.approx(get_wer(predicted, true), rel=1e-5)


def test_metrics_reset_starts_anew_and_nothing_is_zero():
    metric = CERMetric(VOCAB)
    assert float(metric.result()) == 0
    metric.update_state(labels(["abc"], 4), predictions(["abb"], 8))
    assert float(metric.result()) == pytest.approx(1 / 3)
    metric.reset_state()
    metric.update_state(labels(["abc"], 4), predictions(["abc"], 8))
    assert float(metric.result()) == 0


def test_metrics_work_inside_a_compiled_step():
    model = keras.Sequential([keras.Input((8, 5)), keras.layers.Dense(len(VOCAB) + 1, activation="softmax")])
    jit = False if keras.backend.backend() == "tensorflow" else "auto"
    true = ["ab", "c c", "a", "b"]
    x = np.random.default_rng(0).random((4, 8, 5)).astype(np.float32)
    y = labels(true, 8)

    model.compile("adam", lambda _, p: ops.mean(p**2, axis=(1, 2)), metrics=[CERMetric(VOCAB)], jit_compile=jit)
    logs = model.evaluate(x, y, batch_size=2, return_dict=True, verbose=0)
    assert logs["CER"] == pytest.approx(get_cer(ctc_decoder(model.predict(x, verbose=0), VOCAB), true), rel=1e-5)


def test_metrics_rates_of_single_samples():
    predicted = np.array([[0, 1, -1], [0, 0, 2], [-1, -1, -1], [0, -1, -1]])
    true = np.array([[0, 1, 2], [0, 0, 2], [4, 4, 4], [4, 4, 4]])
    rates = ops.convert_to_numpy(CERMetric.get_cer(predicted, true, VOCAB))
    assert rates == pytest.approx([1 / 3, 0, 0, float("inf")])
    words = np.array([[0, 3, 1], [0, 1, 2]])
    assert ops.convert_to_numpy(WERMetric.get_wer(words, [[0, 3, 2], [0, 3, 2]], VOCAB)).tolist() == [0.5, 1.0]


def test_metrics_can_be_saved():
    metric = keras.metrics.deserialize(keras.metrics.serialize(CERMetric("äb", name="mine")))
    assert (metric.name, metric.vocabulary) == ("mine", ["ä", "b"])
