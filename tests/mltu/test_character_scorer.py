import numpy as np
import pytest

from helpers import sentences
from mltu.language_model import CharacterModel


@pytest.fixture(scope="module")
def model():
    return CharacterModel.build(sentences(400, seed=1))


def test_scorer_follows_the_vocabulary(model):
    vocab = "e.ßT h"
    scorer = model.scorer(vocab, weight=0.5, bonus=0.25, share=0)
    state = scorer.start
    text = "The"
    for place, character in enumerate(text):
        log_probs = model.log_probs(text[:place])
        expected = [0.5 * log_probs[model.alphabet.index(other)] + 0.25 for other in "e.T h"]
        scores = [scorer.advance(state, index)[0] for index in range(len(vocab))]
        np.testing.assert_allclose(np.delete(scores, 2), expected)
        assert -20 < scores[2] < min(expected[:2])
        state = scorer.advance(state, vocab.index(character))[1]
    assert scorer.end(state) == pytest.approx(0.5 * model.log_probs(text)[-1])


def test_scorer_states_are_the_contexts_of_the_model(model):
    vocab = model.alphabet
    states = []
    for text in ("The old house", "A house"):
        state = model.scorer(vocab).start
        for character in text:
            state = model.scorer(vocab).advance(state, vocab.index(character))[1]
        states.append(state)
    assert states[0] == states[1] != model.scorer(vocab).start  # "house"


def test_scorer_is_the_model_on_long_texts():
    model = CharacterModel.build(sentences(20, seed=1))
    scorer = model.scorer(model.alphabet, share=0)
    state, text = scorer.start, ""
    for index in np.random.default_rng(0).integers(0, len(model.alphabet), 200).tolist():
        score, state = scorer.advance(state, index)
        assert score == pytest.approx(model.log_probs(text)[index])
        text += model.alphabet[index]


def test_scorer_mixes_with_equal_probabilities(model):
    probabilities = np.exp(model.log_probs(""))
    mixed = model.scorer(model.alphabet, share=0.2)
    scores = [mixed.advance(mixed.start, index)[0] for index in range(len(model.alphabet))]
    expected = 0.8 * probabilities + 0.2 / len(probabilities)
    np.testing.assert_allclose(np.exp([*scores, mixed.end(mixed.start)]), expected)
