"""The samples that the settings of a run name, and who of them is in training and who in validation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..configs import read_yaml
from ..utils.errors import InputError
from .alto import read_alto
from .base import Sample, Skipped, without_contradictions
from .iam import form_group, read_iam
from .splits import PUBLISHED_SPLITS, list_split, published_split, random_split, shared_writers, unassigned
from .synthetic import generate_lines
from .table import read_table

logger = logging.getLogger(__name__)


def read_samples(configs: Any) -> tuple[list[Sample], list[Skipped]]:
    """Read the dataset that the settings name.

    Returns:
        (samples, skipped entries).

    Raises:
        InputError: nothing usable is there.
    """
    if configs.dataset == "synthetic":
        samples, skipped = generate_lines(
            configs.data_path,
            configs.samples,
            configs.seed,
            configs.text_file or None,
            configs.fonts or None,
            configs.max_chars,
            configs.train_workers,
            configs.skip_fonts,
            configs.plain_quotes,
        )
    elif configs.dataset == "table":
        samples, skipped = read_lines(configs.data_path)
    elif configs.dataset == "alto":
        samples, skipped = read_alto(
            configs.data_path, configs.lines_path, configs.drop_text, configs.writer_pattern, configs.train_workers
        )
    else:
        keep_err = configs.keep_err == "yes" or (configs.keep_err == "auto" and configs.split in PUBLISHED_SPLITS)
        samples, skipped = read_iam(configs.data_path, configs.unit, keep_err)
    if 0 < configs.limit < len(samples):
        drawn = np.random.default_rng(configs.seed).choice(len(samples), configs.limit, replace=False)
        samples = [samples[i] for i in sorted(drawn)]
    return samples, skipped


def read_lines(path: str) -> tuple[list[Sample], list[Skipped]]:
    """Read a table without the images that it gives several texts.

    Raises:
        InputError: no table, or nothing usable in it.
    """
    samples, skipped = read_table(path)
    samples, contradictory = without_contradictions(samples)
    if not samples:
        raise InputError(f"{path}: every image is named with several texts; each row should name one of its own")
    return samples, [*skipped, *contradictory]


def read_mix(configs: Any) -> tuple[list[list[Sample]], list[Skipped]]:
    """Read the further datasets, which are for training only.

    Returns:
        (samples of each, skipped entries).

    Raises:
        InputError: a settings file is wrong, or nothing usable is there.
    """
    groups, skipped = [], []
    for path in configs.mix:
        values = read_yaml(path)
        other = type(configs).from_dict({"train_workers": configs.train_workers, **values}, path)
        samples, skipped_here = read_samples(other)
        groups.append(samples)
        skipped += skipped_here
    return groups, skipped


def split_samples(configs: Any, samples: Sequence[Sample]) -> tuple[dict[str, list[Sample]], list[Skipped]]:
    """Split samples into "train", "val" and, where the split has one, "test".

    Returns:
        (parts, samples that a split by ids leaves out or entries that a separate validation table skips).

    Raises:
        InputError: a side is empty, or one writer is on two sides of the user's own split.
    """
    skipped: list[Skipped] = []
    if configs.val_path:
        val, skipped = read_lines(configs.val_path)
        parts = {"train": list(samples), "val": val}
    elif configs.split == "lists":
        lists = {"train": configs.train_list, "val": configs.val_list, "test": configs.test_list}
        parts = list_split(samples, {part: path for part, path in lists.items() if path})
    elif configs.split in PUBLISHED_SPLITS:
        parts = published_split(samples, configs.split)
    else:
        of_iam = {"group": form_group} if configs.dataset == "iam" else {}
        train, val = random_split(samples, configs.train_fraction, configs.seed, **of_iam)
        unknown = sum(not sample.writer for sample in samples)
        if unknown and of_iam:
            logger.warning(
                "WARNING: the writers of %d of %d lines are unknown, so validation lines may be by writers of training "
                "lines; they are split by the first part of their form (a01 of a01-000u). Put forms.txt of IAM's "
                "ascii.tgz into %s.",
                *(unknown, len(samples), configs.data_path),
            )
        return {"train": train, "val": val}, skipped
    if not configs.val_path:
        skipped = unassigned(samples, parts)
    shared = shared_writers(parts)
    if shared and configs.split in PUBLISHED_SPLITS:
        print(f"Note: {len(shared)} writers or images are on two sides of the published split, such as {shared[0]}.")
    elif shared and not configs.allow_shared_writers:
        raise InputError(
            f"{len(shared)} writers or images are on two sides of the split, such as {shared[0]}: the error rates "
            "would look too good; fix the lists, or accept it with --allow_shared_writers yes"
        )
    return parts, skipped
