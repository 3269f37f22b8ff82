import keras
import numpy as np
import pytest

from mltu.tensorflow.fine_tuning import interpolate_steps, load_all_weights, load_initial_weights
from mltu.utils.errors import InputError
from model import train_model

OLD_VOCAB, NEW_VOCAB = "abc", "cxa"


def network(vocab, seed, height=32, architecture="line", **options):
    keras.utils.set_random_seed(seed)
    return train_model((height, None, 1), len(vocab), architecture=architecture, **options)


@pytest.fixture
def earlier_run(tmp_path):
    """(folder of a run, its network)."""
    earlier = network(OLD_VOCAB, 0)
    earlier.save(tmp_path / "model.keras")
    return tmp_path, earlier


def log_probabilities(model):
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 96, 1)).astype(np.uint8)
    return np.log(model.predict(images, verbose=0)[0])


def test_load_initial_weights_keeps_those_of_characters_of_both_vocabularies(earlier_run):
    folder, earlier = earlier_run
    model = network(NEW_VOCAB, 1)
    load_initial_weights(model, NEW_VOCAB, folder, OLD_VOCAB)
    before, after = log_probabilities(earlier), log_probabilities(model)
    for was, now in ((0, 2), (2, 0)):  # a and c, against the blank
        assert after[:, now] - after[:, 3] == pytest.approx(before[:, was] - before[:, 3], abs=1e-4)
    assert not np.allclose(after[:, 1] - after[:, 3], before[:, 1] - before[:, 3], atol=1e-2)


def test_load_initial_weights_takes_one_step_per_column_for_several(tmp_path):
    earlier = network(OLD_VOCAB, 0, steps_per_column=1)
    earlier.save(tmp_path / "model.keras")
    model = network(OLD_VOCAB, 1)
    load_initial_weights(model, OLD_VOCAB, tmp_path, OLD_VOCAB)
    assert log_probabilities(model)[0::2] == pytest.approx(log_probabilities(earlier), abs=1e-4)


def test_load_initial_weights_puts_new_steps_between_the_old_ones(earlier_run):
    folder, earlier = earlier_run
    model = network(OLD_VOCAB, 1, steps_per_column=3)
    load_initial_weights(model, OLD_VOCAB, folder, OLD_VOCAB)
    before, after = log_probabilities(earlier), log_probabilities(model)
    assert len(after) == len(before) // 2 * 3
    assert after[0::3] == pytest.approx(before[0::2], abs=1e-4)
    assert after[2::3] == pytest.approx(before[1::2], abs=1e-4)


def test_load_initial_weights_fits_lines_of_another_height(earlier_run):
    folder, earlier = earlier_run
    model = network(OLD_VOCAB, 1, height=48)
    load_initial_weights(model, OLD_VOCAB, folder, OLD_VOCAB)
    for ours, theirs in zip(model.get_weights(), earlier.get_weights(), strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("folder", [".", "none"])
def test_load_initial_weights_refuses_other_networks(earlier_run, folder):
    model = train_model((32, 64, 3), len(OLD_VOCAB))
    with pytest.raises(InputError, match=r"init_from: .*model\.keras cannot be used"):
        load_initial_weights(model, OLD_VOCAB, earlier_run[0] / folder, OLD_VOCAB)


def test_interpolate_steps_is_linear():
    weights = np.array([[[0.0, 10.0], [4.0, 30.0]]])  # one unit, two steps, two classes
    assert interpolate_steps(weights, 3).tolist() == [[[0, 10], [2, 20], [4, 30]]]
    assert interpolate_steps(weights, 2).tolist() == weights.tolist()
    assert interpolate_steps(weights[:, :1], 2).tolist() == [[[0, 10], [0, 10]]]


def test_load_initial_weights_takes_the_cnn_of_another_line_network(earlier_run, capsys):
    folder, earlier = earlier_run
    model, fresh = (network(OLD_VOCAB, 1, architecture="fine") for _ in range(2))
    load_initial_weights(model, OLD_VOCAB, folder, OLD_VOCAB, same_network=False)
    assert "3 of " in capsys.readouterr().out  # both LSTMs and the output
    layers, old, random = ([layer for layer in net.layers if layer.weights] for net in (model, earlier, fresh))
    for number, layer in enumerate(layers):
        expected = (old if number < len(layers) - 3 else random)[number].get_weights()
        assert all(np.array_equal(now, then) for now, then in zip(layer.get_weights(), expected, strict=True))
    with pytest.raises(InputError, match="cannot be used"):
        load_initial_weights(model, OLD_VOCAB, folder, OLD_VOCAB)


def test_load_all_weights_gives_the_same_network_and_refuses_others(earlier_run):
    folder, earlier = earlier_run
    model = network(OLD_VOCAB, 1)
    load_all_weights(model, folder)
    assert (log_probabilities(model) == log_probabilities(earlier)).all()
    for unfit in (lambda: load_all_weights(network("ab", 1), folder), lambda: load_all_weights(model, folder / "no")):
        with pytest.raises(InputError, match=r"init_from: .*model\.keras cannot be used"):
            unfit()
