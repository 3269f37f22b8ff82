import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltu.loading.batches import Mixture, plan_epoch

SHAPES = [(16, width, 3) for width in (64, 32, 96, 32, 64, 96, 32, 64, 32, 96, 64)]  # 4, 4 and 3 of each


def sizes(batches):
    return [len(batch) for batch in batches]


@given(samples=st.integers(1, 60), batch_size=st.integers(1, 20), epoch=st.integers(1, 9), shuffle=st.booleans())
def test_plan_epoch_holds_every_sample_once_in_full_batches(samples, batch_size, epoch, shuffle):
    batches = plan_epoch(samples, batch_size, 0, epoch, shuffle)
    assert sorted(np.concatenate(batches).tolist()) == list(range(samples))
    assert all(size == batch_size for size in sizes(batches)[:-1])
    assert 1 <= len(batches[-1]) <= batch_size


def test_plan_epoch_depends_on_seed_and_epoch_alone():
    def order(seed, epoch):
        return np.concatenate(plan_epoch(40, 8, seed, epoch)).tolist()

    assert order(1, 2) == order(1, 2)
    assert len({tuple(order(*numbers)) for numbers in ((1, 2), (1, 3), (2, 2))}) == 3
    assert np.concatenate(plan_epoch(40, 8, 1, 2, shuffle=False)).tolist() == list(range(40))


def test_plan_epoch_groups_unshuffled_samples_by_their_exact_shape():
    batches = plan_epoch(len(SHAPES), 3, 0, 1, shuffle=False, shapes=SHAPES)
    assert sizes(batches) == [3, 1, 3, 1, 3]
    assert all(len({SHAPES[index] for index in batch}) == 1 for batch in batches)
    assert [SHAPES[batch[0]][1] for batch in batches] == [32, 32, 64, 64, 96]


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_plan_epoch_mixes_only_neighbouring_shapes_and_keeps_the_number_of_batches(epoch):
    batches = plan_epoch(len(SHAPES), 3, 0, epoch, shapes=SHAPES)
    assert sorted(sizes(batches)) == [2, 3, 3, 3]
    widths = [sorted({SHAPES[index][1] for index in batch}) for batch in batches]
    assert all(len(mixed) <= 2 and mixed[-1] - mixed[0] <= 32 for mixed in widths)


def test_plan_epoch_shuffles_equal_shapes_and_the_batches():
    epochs = [plan_epoch(len(SHAPES), 3, 0, epoch, shapes=SHAPES) for epoch in range(1, 9)]
    assert len({str([sorted(batch.tolist()) for batch in batches]) for batches in epochs}) > 1
    assert len({tuple(SHAPES[batch[0]][1] for batch in batches) for batches in epochs}) > 1


def test_mixture_draws_by_weight_and_uses_every_sample_before_any_again():
    mixture = Mixture(np.array([0] * 10 + [1] * 4), (3, 1), 12)
    epochs = [mixture.draw(3, epoch).tolist() for epoch in (1, 2, 3, 4)]
    assert [sum(index >= 10 for index in drawn) for drawn in epochs] == [3] * 4
    assert {len(drawn) for drawn in epochs} == {12}
    seconds = [index for drawn in epochs for index in drawn if index >= 10]
    assert sorted(seconds) == sorted([10, 11, 12, 13] * 3)
    assert {index for drawn in epochs[:2] for index in drawn if index < 10} == set(range(10))
    assert epochs[0] == mixture.draw(3, 1).tolist() != mixture.draw(4, 1).tolist()


def test_mixture_repeats_a_small_group_within_an_epoch():
    drawn = Mixture(np.array([0, 1, 1]), (1, 1), 8).draw(0, 1).tolist()
    assert sorted(drawn) == [0] * 4 + [1, 1, 2, 2]


def test_plan_epoch_cuts_what_a_mixture_draws():
    mixture = Mixture(np.array([0] * 10 + [1] * 4), (3, 1), 12)
    batches = plan_epoch(14, 5, 3, 2, mixture=mixture)
    assert sizes(batches) == [5, 5, 2]
    assert sorted(np.concatenate(batches).tolist()) == sorted(mixture.draw(3, 2).tolist())
