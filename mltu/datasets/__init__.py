"""Readers of datasets: each takes a folder or file and returns samples and what it had to skip."""

from .alto import read_alto
from .base import Sample, Skipped, without_contradictions, write_skipped
from .iam import read_iam
from .splits import PUBLISHED_SPLITS, list_split, published_split, random_split, shared_writers, unassigned
from .synthetic import generate_lines
from .table import read_table, write_table

__all__ = [
    "PUBLISHED_SPLITS",
    "Sample",
    "Skipped",
    "generate_lines",
    "list_split",
    "published_split",
    "random_split",
    "read_alto",
    "read_iam",
    "read_table",
    "shared_writers",
    "unassigned",
    "without_contradictions",
    "write_skipped",
    "write_table",
]
