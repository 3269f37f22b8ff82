import shutil

import numpy as np
import pytest

from helpers import sentences, to_labels
from mltu.language import (
    FOLDER,
    MODEL,
    WEIGHTS,
    WORDS,
    Weights,
    fit_weights,
    known_languages,
    language_decoder,
    language_digests,
)
from mltu.language_model import CharacterModel
from mltu.lexicon import Lexicon
from mltu.utils.errors import InputError

VOCAB = "".join(map(chr, range(32, 127)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("languages")
    for name in ("made", "other"):
        (folder / name).mkdir()
        CharacterModel.build(sentences(50, seed=1)).save(folder / name / MODEL)
        Weights(0.4, 0.75, 2.0).save(folder / name / WEIGHTS)
    (folder / "made" / WORDS).write_text("cat\nhat\n", encoding="utf-8")
    (folder / "unfinished").mkdir()
    return folder


def test_known_languages_are_folders_with_a_model(folder):
    assert known_languages(folder) == ["made", "other"]
    assert {"en", "fr"} <= {*known_languages()}


def test_languages_of_the_project_are_small():
    for name in known_languages():
        sizes = {path.name: path.stat().st_size for path in (FOLDER / name).iterdir()}
        assert {MODEL, WEIGHTS} <= sizes.keys() <= {MODEL, WEIGHTS, WORDS}
        assert sum(sizes.values()) < 4e6


def test_language_decoder_has_the_weights_and_words_of_its_language(folder):
    decoder = language_decoder("made", VOCAB, folder=folder)
    model, lexicon = decoder.scorers
    assert (model.weight, model.bonus, lexicon.cost, lexicon.words) == (0.4, 0.75, 2.0, ["cat", "hat"])
    own = Lexicon(["dog"], VOCAB)
    decoder = language_decoder("made", VOCAB, 3, own, 0.1, folder)
    assert (decoder.beam_width, decoder.scorers[0].weight, decoder.scorers[1]) == (3, 0.1, own)
    assert len(language_decoder("other", VOCAB, folder=folder).scorers) == 1


@pytest.mark.parametrize("name", ["xx", "unfinished", "../made", "", "made/"])
def test_language_decoder_lists_the_languages_there_are(folder, name):
    with pytest.raises(InputError, match="not a known language; known: made, other") as refused:
        language_decoder(name, VOCAB, folder=folder)
    assert "\n" not in str(refused.value)


def test_language_digests_tell_another_version(folder, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    name = known_languages(folder)[0]
    digests = language_digests(name, folder)
    assert {f"{name}/{MODEL}", f"{name}/{WEIGHTS}"} <= set(digests)
    assert language_digests(name, tmp_path) == digests
    with open(tmp_path / name / WEIGHTS, "a", encoding="utf-8") as file:
        file.write("# changed\n")
    changed = language_digests(name, tmp_path)
    assert {file for file in digests if digests[file] != changed[file]} == {f"{name}/{WEIGHTS}"}


def test_language_decoder_of_english_corrects_english():
    written = to_labels("the house of the rising svn", VOCAB)
    rows = np.full((2 * len(written), len(VOCAB) + 1), 1e-4)
    rows[1::2, -1] = 1
    rows[::2][np.arange(len(written)), written] = 0.5
    rows[-4, [VOCAB.index("v"), VOCAB.index("u")]] = 0.5, 0.4
    found = language_decoder("en", VOCAB)(np.log(rows / rows.sum(axis=1, keepdims=True)))
    assert "".join(VOCAB[label] for label in found) == "the house of the rising sun"


@pytest.mark.parametrize("content", ["lm_weight: heavy", "weight: 1", "lm_weight: [1]", "lm_weight:"])
def test_weights_refuse_other_content(tmp_path, content):
    (tmp_path / WEIGHTS).write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="lm_weight, character_bonus, lexicon_cost"):
        Weights.load(tmp_path / WEIGHTS)


def test_language_decoder_names_a_file_that_is_missing(folder, tmp_path):
    shutil.copytree(folder / "other", tmp_path / "other")
    (tmp_path / "other" / WEIGHTS).unlink()
    with pytest.raises(InputError, match=WEIGHTS):
        language_decoder("other", VOCAB, folder=tmp_path)


def test_fit_weights_goes_downhill():
    tried = []

    def errors(weights):
        tried.append(weights)
        # a valley along which weight and bonus must change together
        across = weights.character_bonus - 2.5 * weights.lm_weight
        return round(100 * (20 * abs(across) + abs(weights.lm_weight - 0.8) + abs(weights.lexicon_cost - 0.5)))

    steps = Weights(0.1, 0.25, 0.5)
    assert fit_weights(errors, Weights(0.5, 1.25, 1.5), steps) == Weights(0.8, 2.0, 0.5)
    assert len(tried) == len({*tried}) < 40
    assert fit_weights(errors, Weights(0.5, 1.25, 0.0), Weights(0.1, 0.25, 0)).lexicon_cost == 0
