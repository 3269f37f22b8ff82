"""The samples that the settings of a run name, and who of them is in training and who in validation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..configs import read_yaml
from ..utils.errors import InputError
from .alto import read_alto
from .archive import is_archive, unpack_table
from .base import Sample, Skipped, without_contradictions
from .iam import form_group, read_iam
from .splits import PUBLISHED_SPLITS, list_split, published_split, random_split, shared_writers, unassigned
from .synthetic import generate_lines
from .table import read_table

logger = logging.getLogger(__name__)


def read_samples(configs: Any) -> tuple[list[Sample], list[Skipped]]:
    """Read the dataset that the settings name as (samples, skipped entries); InputError if nothing is usable."""
    if configs.dataset == "synthetic":
        texts = {"text_file": configs.text_file or None, "max_chars": configs.max_chars}
        fonts = {"fonts": configs.fonts or None, "skip_fonts": configs.skip_fonts}
        how = {"workers": configs.train_workers, "plain_quotes": configs.plain_quotes}
        samples, skipped = generate_lines(configs.data_path, configs.samples, configs.seed, **texts, **fonts, **how)
    elif configs.dataset == "table":
        samples, skipped = read_lines(configs.data_path, configs.lines_path)
    elif configs.dataset in ("alto", "page"):
        samples, skipped = read_alto(
            configs.data_path,
            configs.lines_path,
            configs.drop_text,
            configs.writer_pattern,
            configs.train_workers,
            configs.dataset.upper(),
        )
    else:
        keep_err = configs.keep_err == "yes" or (configs.keep_err == "auto" and configs.split in PUBLISHED_SPLITS)
        samples, skipped = read_iam(configs.data_path, configs.unit, keep_err)
    if 0 < configs.limit < len(samples):
        drawn = np.random.default_rng(configs.seed).choice(len(samples), configs.limit, replace=False)
        samples = [samples[i] for i in sorted(drawn)]
    return samples, skipped


def read_lines(path: str, unpack_folder: str) -> tuple[list[Sample], list[Skipped]]:
    """Read a table without the images that it gives several texts; InputError if nothing in it is usable.

    A ZIP file with a table and its images is unpacked in `unpack_folder` first.
    """
    samples, skipped = read_table(unpack_table(path, unpack_folder) if is_archive(path) else path)
    samples, contradictory = without_contradictions(samples)
    if not samples:
        raise InputError(f"{path}: every image is named with several texts; each row should name one of its own")
    return samples, [*skipped, *contradictory]


def read_mix(configs: Any) -> tuple[list[list[Sample]], list[Skipped]]:
    """Read the further datasets for training as (samples of each, skipped entries); errors as :func:`read_samples`."""
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
        val, skipped = read_lines(configs.val_path, configs.lines_path)
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
