"""Planning an epoch: which samples form which batch, decided by the seed and the epoch alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

Shape = tuple[int, ...]


class Mixture(NamedTuple):
    """How much of each epoch comes from which samples."""

    groups: np.ndarray  # the group of each sample, 0 and up
    weights: tuple[float, ...]  # of the groups; an epoch holds them in these proportions
    epoch_samples: int  # samples in an epoch

    @classmethod
    def of(cls, sizes: Iterable[int], weights: tuple[float, ...] = (), epoch_samples: int = 0) -> Mixture | None:
        """A mixture of groups of so many samples, one group after the other.

        Without weights groups count by size, and with 0 an epoch has as many samples as there are; without both it is
        simply all samples, and the mixture None.
        """
        sizes = list(sizes)
        if not weights and not epoch_samples:
            return None
        groups = np.repeat(np.arange(len(sizes)), sizes)
        return cls(groups, weights or tuple(map(float, sizes)), epoch_samples or sum(sizes))

    def draw(self, seed: int, epoch: int) -> np.ndarray:
        """Indices of the samples of an epoch. Each group goes through all of its samples before any comes again."""
        drawn = []
        ends = np.rint(np.cumsum(self.weights) / sum(self.weights) * self.epoch_samples).astype(int)
        for group, count in enumerate(np.diff(ends, prepend=0)):
            members = np.flatnonzero(self.groups == group)
            position = (epoch - 1) * count
            while count and len(members):
                turn, start = divmod(position, len(members))
                part = np.random.default_rng([seed, group, turn]).permutation(members)[start : start + count]
                drawn.append(part)
                position += len(part)
                count -= len(part)
        return np.concatenate(drawn)


def plan_epoch(
    samples: int,
    batch_size: int,
    seed: int,
    epoch: int,
    shuffle: bool = True,
    shapes: Sequence[Shape] | None = None,
    mixture: Mixture | None = None,
) -> list[np.ndarray]:
    """The indices of the samples of every batch of an epoch.

    Args:
        batch_size: samples in a batch; some batches may hold fewer.
        shapes: of each sample's data, where batches should hold samples of one shape: shuffled batches hold
            samples of about one shape, and every epoch has as many of them; others hold samples of exactly one,
            so the last batch of each shape may be smaller.
        mixture: draw the epoch from groups of samples; else it is all of them.
    """
    rng = np.random.default_rng([seed, epoch])
    order = mixture.draw(seed, epoch) if mixture else np.arange(samples)
    if shuffle:
        order = rng.permutation(order)
    if shapes is None:
        return _cut(order, batch_size)

    def shape(index: int) -> Shape:
        return shapes[index][::-1]  # the last axes first, so that widths of the same height are in order

    by_shape = sorted(order, key=shape)  # a stable sort, so that chance decides among equals
    if not shuffle:
        return [batch for _, group in groupby(by_shape, key=shape) for batch in _cut(list(group), batch_size)]
    batches = _cut(by_shape, batch_size)
    return [batches[index] for index in rng.permutation(len(batches))]


def _cut(order: Sequence[int], batch_size: int) -> list[np.ndarray]:
    return [np.asarray(order[start : start + batch_size]) for start in range(0, len(order), batch_size)]
