"""Dividing samples into training, validation and test data, by writer."""

from __future__ import annotations

import itertools
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from ..utils.errors import InputError
from .base import Sample, Skipped

logger = logging.getLogger(__name__)

# the parts of IAM's published splits, as lists of form ids in the folder iam_splits
PUBLISHED_SPLITS = {
    # the partition that RWTH Aachen introduced and most papers on line recognition quote
    "aachen": {"train": ["aachen_train"], "val": ["aachen_val"], "test": ["aachen_test"]},
    # IAM's own Large Writer Independent Text Line Recognition task; it has two validation sets
    "official": {"train": ["official_train"], "val": ["official_val1", "official_val2"], "test": ["official_test"]},
}


def _writers(samples: Iterable[Sample]) -> Callable[[Sample], str]:
    """A function from sample to writer, who may be known from another sample of its form; empty where unknown."""
    writers = {sample.form: sample.writer for sample in samples if sample.form and sample.writer}
    return lambda sample: sample.writer or writers.get(sample.form, "")


def random_split(
    samples: Sequence[Sample],
    train: float = 0.9,
    seed: int = 0,
    group: Callable[[Sample], str] = lambda sample: sample.form,
) -> tuple[list[Sample], list[Sample]]:
    """Divide at random so that no writer is on both sides.

    Samples are grouped by writer, or by form where the writer is unknown, or stand alone where
    both are. If that leaves one group, forms, then single samples, are divided instead, with a warning.
    The share of the training side is met as nearly as whole groups allow.
    Samples whose writer is unknown stay together where `group` gives the same name.

    Returns:
        (training samples, validation samples), each in the given order and not empty.

    Raises:
        InputError: fewer than two samples, or a share out of range.
    """
    if not 0 < train < 1:
        raise InputError(f"the training share must lie between 0 and 1, not {train}")
    if len(samples) < 2:
        raise InputError("one sample cannot be divided into training and validation data; add more lines")
    writers = _writers(samples)
    keys = (
        lambda sample: writers(sample) or group(sample) or sample.image,
        lambda sample: sample.form or sample.image,
        lambda sample: sample.image,
    )
    for key in keys:
        groups: dict[str, list[int]] = defaultdict(list)
        for index, sample in enumerate(samples):
            groups[key(sample)].append(index)
        if len(groups) > 1:
            break
    else:
        raise InputError("all samples have the same image; nothing can be divided")
    if key is not keys[0]:
        logger.warning("all lines are by one writer: validation lines come from the same hand")

    names = sorted(groups)
    drawn = [groups[names[i]] for i in np.random.default_rng(seed).permutation(len(names))]
    target = max(1, round(len(samples) * (1 - train)))
    val: list[int] = []
    used = 0
    for group in drawn:
        if used + 1 < len(drawn) and abs(len(val) + len(group) - target) < abs(len(val) - target):
            val += group
            used += 1
    chosen = set(val or min(drawn, key=len))
    return (
        [sample for index, sample in enumerate(samples) if index not in chosen],
        [sample for index, sample in enumerate(samples) if index in chosen],
    )


def published_split(samples: Sequence[Sample], name: str) -> dict[str, list[Sample]]:
    """Divide IAM samples into "train", "val" and "test" by their form ids, as the "aachen" or "official" split does.

    Forms that the split does not name are left out, as its authors did. The two validation sets of the latter are
    joined. InputError if the name is unknown, or no sample belongs to the training or validation part.
    """
    if name not in PUBLISHED_SPLITS:
        raise InputError(f"no published split {name!r}; there are {', '.join(PUBLISHED_SPLITS)}")
    folder = resources.files(__package__) / "iam_splits"
    forms = {
        part: {form for file in files for form in (folder / f"{file}.txt").read_text(encoding="utf-8").split()}
        for part, files in PUBLISHED_SPLITS[name].items()
    }
    return _by_ids(samples, forms, f"the {name} split")


def list_split(samples: Sequence[Sample], lists: Mapping[str, str | Path]) -> dict[str, list[Sample]]:
    """Divide by the user's own lists.

    Args:
        samples: to be divided; those on no list are left out.
        lists: for "train", "val" and, if wanted, "test" the path of a text file with one id per line:
            a writer, a form, or the name of an image without its ending.

    Raises:
        InputError: a list is missing or empty, one id is on two lists, or a part has no samples.
    """
    ids: dict[str, set[str]] = {}
    for part, path in lists.items():
        try:
            ids[part] = {line.strip() for line in Path(path).read_text(encoding="utf-8-sig").splitlines()} - {""}
        except (OSError, ValueError):  # no UTF-8, or a NUL in the path
            raise InputError(f"{path}: the {part} list cannot be read; one writer, form or image per line") from None
        if not ids[part]:
            raise InputError(f"{path}: the list of {part} ids is empty")
    for part, other in itertools.combinations(ids, 2):
        both = sorted(ids[part] & ids[other])
        if both:
            raise InputError(f"{lists[part]} and {lists[other]} both name {both[0]}; each id belongs on one list")
    return _by_ids(samples, ids, "the lists")


def _by_ids(samples: Sequence[Sample], ids: Mapping[str, set[str]], what: str) -> dict[str, list[Sample]]:
    parts: dict[str, list[Sample]] = {part: [] for part in ids}
    for sample in samples:
        names = (sample.form, sample.writer, Path(sample.image).stem, Path(sample.image).name)
        found = [part for part, members in ids.items() if not members.isdisjoint(names)]
        if len(found) > 1:
            raise InputError(f"{sample.image} is on the {found[0]} and on the {found[1]} side of {what}")
        for part in found:
            parts[part].append(sample)
    empty = [part for part in ("train", "val") if not parts.get(part)]
    if empty:
        raise InputError(
            f"none of {len(samples)} samples is on the {' or '.join(empty)} side of {what}; "
            "the ids must match the dataset's writers, forms or image names"
        )
    return parts


def unassigned(samples: Sequence[Sample], parts: Mapping[str, Sequence[Sample]]) -> list[Skipped]:
    """The samples that a split by ids puts nowhere."""
    used = {sample for part in parts.values() for sample in part}
    return [Skipped(sample.image, "on no side of the split") for sample in samples if sample not in used]


def shared_writers(parts: Mapping[str, Sequence[Sample]]) -> list[str]:
    """Writers (forms, where the writer is unknown) and images that are in more than one part, sorted."""
    writers = _writers(sample for samples in parts.values() for sample in samples)
    sides: dict[str, set[str]] = defaultdict(set)
    for part, samples in parts.items():
        for sample in samples:
            for name in (writers(sample) or sample.form, sample.image):
                sides[name].add(part)
    return sorted(name for name, found in sides.items() if name and len(found) > 1)
