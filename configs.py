"""Every setting of a training run: of a recogniser, and of the line finder.

Each is also a flag: `python train.py --batch_size 16`.

A comment line begins a group of settings, which `python train.py --help` shows under the same title; the comment
behind a setting is its help. Settings marked RESUMABLE may change when a run is resumed. Those marked TEXTS decide
which texts there are: with another value, the vocabulary and text length of an earlier run no longer hold.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from mltu.augmentors import AUGMENTORS
from mltu.configs import BaseModelConfigs, read_yaml, setting, suggestion
from mltu.utils.errors import InputError

DEFAULT_AUGMENTORS = (
    "RandomBrightness",
    "RandomErodeDilate",
    "RandomSharpen",
    "RandomRotate",
    "RandomSlant",
    "RandomStretch",
    "RandomElasticTransform",
)
DEFAULT_DATA_PATHS = {"iam": "Datasets/IAM_Sentences", "synthetic": "Datasets/Synthetic"}
SPARE_CORES = max(1, (os.cpu_count() or 1) - 1)
RESUMABLE, TEXTS = "resumable", "texts"  # marks, see above


class RunConfigs(BaseModelConfigs):
    """Base of the settings of a training run in a folder of its own, `Models/<name>/<time>` if none is named."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model_path:
            self.model_path = f"Models/{self.name}/{datetime.now():%Y%m%d%H%M}"

    @classmethod
    def from_flags(cls, flags: Mapping[str, Any], config_file: str | None = None, resumed_folder: str | None = None):
        """Settings from flags over those of a file over the defaults.

        Args:
            flags: name -> value.
            config_file: settings to start from; the run gets a folder of its own.
            resumed_folder: of the run that goes on with its settings.

        Raises:
            InputError: a name or value is wrong, or a setting cannot change when a run is resumed.
        """
        values: dict[str, Any] = {}
        if resumed_folder:
            may_change = cls.marked(RESUMABLE)
            if flags.keys() - may_change:
                names = ", --".join(sorted(may_change))
                raise InputError(f"--resume keeps the settings of the run; only --{names} go with it")
            values = read_yaml(Path(resumed_folder) / "configs.yaml") | {"model_path": resumed_folder}
        elif config_file:
            values = read_yaml(config_file)
            cls.check_names_and_types(values, config_file)
            cls.forget(values, flags, values.pop("model_path", None) is not None)
        return cls.from_dict(values | flags)

    @classmethod
    def forget(cls, values: dict[str, Any], flags: Mapping[str, Any], of_a_run: bool) -> None:
        """Remove from the settings of a file what no longer holds with the flags; `of_a_run`: a run has written it."""


@dataclass
class ModelConfigs(RunConfigs):
    # the run
    name: str = "handwriting"  # name of the folder below Models that holds the runs
    model_path: str = ""  # folder of this run; empty: Models/<name>/<YYYYmmddHHMM>
    seed: int = setting(42, at_least=0, below=2**32)  # for everything random: split, order, augmentation, weights

    # the data
    dataset: Literal["iam", "table", "alto", "page", "synthetic"] = setting("iam", TEXTS)  # alto, page: of pages
    data_path: str = setting("", TEXTS)  # folder, or table file; empty: Datasets/IAM_Sentences or Datasets/Synthetic
    unit: Literal["sentences", "lines", "words"] = setting("sentences", TEXTS)  # of IAM: sentences, lines or words
    keep_err: Literal["auto", "yes", "no"] = "auto"  # use IAM rows marked err; auto: for published splits only
    limit: int = setting(0, at_least=0)  # use only so many samples, drawn at random; 0: all

    # who is in training and who in validation
    split: Literal["random", "aachen", "official", "lists"] = "random"  # random: by writer; aachen, official: of IAM
    train_fraction: float = setting(0.9, above=0, below=1)  # share of the training side of a random split
    train_list: str = ""  # split lists: file with one writer, form or image name per line
    val_list: str = ""  # split lists: the same for validation
    test_list: str = ""  # split lists: the same for test; may stay empty
    val_path: str = setting("", TEXTS)  # dataset table: the table of validation lines, instead of a split
    allow_shared_writers: bool = False  # accept own lists or tables with one writer on two sides

    # lines cut out of pages
    lines_path: str = "Datasets/Alto_Lines"  # alto, page: folder for the cut lines; table: for those in a ZIP file
    drop_text: str = setting("", TEXTS)  # datasets alto and page: regular expression of the lines to leave out
    writer_pattern: str = ""  # of alto, page: regular expression that finds the writer in a page's name

    # generated handwriting
    samples: int = setting(2000, TEXTS, at_least=2)  # how many lines to generate
    text_file: str = setting("", TEXTS)  # sentences to write, one per line, UTF-8; empty: made-up English
    fonts: str = setting("", TEXTS)  # folder of TTF, OTF, WOFF, WOFF2 or SVG fonts; empty: strokes
    max_chars: int = setting(60, TEXTS, at_least=1)  # longest generated line, characters
    skip_fonts: tuple[str, ...] = ()  # font families not to use, as their files are named
    plain_quotes: bool = setting(False, TEXTS)  # write the typographic quotes of the text file as ' and "

    # more data for training
    mix: tuple[str, ...] = setting((), TEXTS)  # settings files of further datasets; only their settings of data count
    mix_weights: tuple[float, ...] = ()  # shares of an epoch: the dataset above, then those of mix; empty: by size
    epoch_lines: int = setting(0, at_least=0)  # lines per epoch; 0: all

    # the network
    architecture: Literal["reference", "line", "fine"] = "reference"  # line, fine: grey lines of any width
    height: int = setting(96, at_least=16)  # image height, pixels
    width: int = setting(1408, TEXTS, at_least=16)  # image width, pixels; shorter lines are padded, longer ones shrunk
    width_step: int = setting(128, at_least=16)  # line, fine: widths are multiples of this, pixels
    steps_per_column: int = setting(2, TEXTS, at_least=1)  # of line: time steps per 8 pixels; 3 for dense writing
    activation: str = "leaky_relu"  # leaky_relu (slope 0.1) or the name of a Keras activation
    dropout: float = setting(0.2, at_least=0, below=1)  # share of units dropped in training
    vocab: str = ""  # the characters to learn; empty: all that the data has
    max_text_length: int = setting(0, at_least=0)  # longest text, characters; 0: the longest of the data

    # the training
    batch_size: int = setting(32, at_least=1)  # lines per batch
    train_epochs: int = setting(1000, RESUMABLE, at_least=1)  # most epochs; training stops earlier if nothing improves
    max_minutes: float = setting(0.0, RESUMABLE, at_least=0)  # most minutes, before --resume included; 0: no limit
    save_minutes: float = setting(10.0, RESUMABLE, at_least=0)  # between saves within an epoch; 0: only after epochs
    init_from: str = ""  # run folder whose weights to start from: of the same network, or another line network
    learning_rate: float = setting(0.0005, above=0, below=10)  # of the optimiser, at its highest
    schedule: Literal["plateau", "cosine"] = "plateau"  # of the learning rate: fall when nothing improves, or cosine
    warmup_steps: int = setting(0, at_least=0)  # schedule cosine: steps in which the learning rate rises from 0
    weight_decay: float = setting(0.0, at_least=0)  # above 0: AdamW with this decay; else Adam
    clip_norm: float = setting(0.0, at_least=0)  # largest norm of all gradients together; 0: no limit
    ema: float = setting(0.0, at_least=0, below=1)  # momentum of averaged weights, which are kept, e.g. 0.99; 0: none
    shortcut: float = setting(0.0, at_least=0)  # loss share of a second output bypassing the LSTMs, e.g. 0.1; 0: none
    patience: int = setting(20, at_least=1)  # epochs without a better val_score before training stops
    lr_patience: int = setting(5, at_least=1)  # epochs without a better val_score before the learning rate falls
    lr_factor: float = setting(0.9, above=0, below=1)  # by which it falls
    augmentors: tuple[str, ...] = DEFAULT_AUGMENTORS  # of mltu.augmentors, in this order; none: no augmentation
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = "float32"  # auto: the quickest here

    # the machine
    train_workers: int = setting(SPARE_CORES, RESUMABLE, at_least=1)  # processes or threads that load images
    load_in_processes: bool = setting(True, RESUMABLE)  # else in threads, which share one interpreter
    cache_mb: int = setting(2048, RESUMABLE, at_least=0)  # memory for decoded images, MB; 0: decode anew in every epoch
    deterministic: bool = True  # the same result in every run; may be switched off for speed on GPUs
    distribute: Literal["none", "mirrored", "multi_worker"] = setting("none", RESUMABLE)  # over GPUs or machines
    replicas: int = setting(0, RESUMABLE, at_least=0)  # distribute mirrored: CPU parts where there is no GPU; 0: two
    log_lines: int = setting(4, RESUMABLE, at_least=0)  # validation lines shown with their reading after each epoch

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.data_path:
            self.data_path = DEFAULT_DATA_PATHS.get(self.dataset, "")

    def validate(self) -> None:
        """Check the settings against each other."""
        self.augmentors = () if self.augmentors == ("none",) else self.augmentors
        for name in self.augmentors:
            if name not in AUGMENTORS:
                raise InputError(f"augmentors: there is no {name!r}{suggestion(name, AUGMENTORS)}")
        if self.mix_weights and (len(self.mix_weights) != 1 + len(self.mix) or min(self.mix_weights) <= 0):
            raise InputError(f"mix_weights: must be {1 + len(self.mix)} numbers above 0, one for each dataset")
        if self.architecture != "reference" and self.width % self.width_step:
            raise InputError(f"width: must be a multiple of width_step = {self.width_step}, not {self.width}")
        if len(set(self.vocab)) != len(self.vocab):
            raise InputError("vocab: has a character twice")
        pages = "the folder of pages and their XML files"
        needed = {"table": "the CSV or TSV file", "alto": pages, "page": pages}.get(self.dataset)
        if needed and not self.data_path:
            raise InputError(f"data_path: must name {needed} for --dataset {self.dataset}")
        if self.split == "lists" and not (self.train_list and self.val_list):
            raise InputError("train_list, val_list: must name the files of ids for --split lists")
        if self.split in ("aachen", "official") and self.dataset != "iam":
            raise InputError(f"split: {self.split} is a split of IAM; use random or lists for --dataset {self.dataset}")
        if self.val_path and self.dataset != "table":
            raise InputError("val_path: goes with --dataset table only")

    @classmethod
    def forget(cls, values: dict[str, Any], flags: Mapping[str, Any], of_a_run: bool) -> None:
        if flags.get("dataset") not in (None, values.get("dataset", "iam")):
            values.pop("data_path", None)  # it belongs to the other dataset
        if of_a_run and not flags.keys().isdisjoint(cls.marked(TEXTS)):
            values.pop("vocab", None)
            values.pop("max_text_length", None)

    def initial(self) -> ModelConfigs:
        """Settings of the run whose weights this one starts from.

        Raises:
            InputError: no run there, or one of another network.
        """
        initial = self.load(Path(self.init_from) / "configs.yaml")
        if self.architecture != "reference" != initial.architecture:
            # the line networks share their CNN, and take the maximum of each column, so weights fit any height
            return initial
        for name in ("architecture", "height"):
            if getattr(initial, name) != getattr(self, name):
                raise InputError(f"init_from: {self.init_from} was trained with another {name}; set the same")
        return initial

    def completed(
        self, texts: Iterable[str], known_vocab: str = "", max_steps: int = 0, quickest_precision: str = "auto"
    ) -> ModelConfigs:
        """A copy in which the settings that the data or the machine decide are filled in; the others stay.

        Args:
            texts: of all samples; there is at least one.
            known_vocab: characters that come first in the vocabulary, in this order.
            max_steps: time steps of the network for the widest line; 0: unknown. Longer texts are dropped anyway.
            quickest_precision: what the precision "auto" stands for on this machine.
        """
        texts = list(texts)
        longest = self.max_text_length or max(map(len, texts))
        return dataclasses.replace(
            self,
            vocab=self.vocab or known_vocab + "".join(sorted(set().union(*texts) - {*known_vocab})),
            max_text_length=min(longest, max_steps or longest),
            precision=quickest_precision if self.precision == "auto" else self.precision,
        )


@dataclass
class LineFinderConfigs(RunConfigs):
    """Every setting of `train_lines.py`."""

    # the run
    name: str = "lines"  # name of the folder below Models that holds the runs
    model_path: str = ""  # folder of this run; empty: Models/<name>/<YYYYmmddHHMM>
    seed: int = setting(42, at_least=0, below=2**32)  # for everything random: scenes, order, weights

    # the data
    data_path: str = ""  # folder of ALTO or PAGE files and images of pages to train on
    val_path: str = ""  # the same for validation
    partial_truth: tuple[str, ...] = ()  # patterns of XML files whose truth omits lines, e.g. wills-*
    init_from: str = ""  # folder of a run whose weights to start from

    # the scenes
    side: int = setting(512, at_least=64)  # of a scene, pixels; a multiple of 32
    min_scale: float = setting(0.5, above=0.05, below=20)  # of scenes, times a page with a long side of 1,024 pixels
    max_scale: float = setting(2.0, above=0.05, below=20)  # likewise
    epoch_scenes: int = setting(1200, at_least=1)  # scenes per epoch
    val_scenes: int = setting(160, at_least=1)  # scenes of the validation pages, the same in each epoch

    # the training
    batch_size: int = setting(4, at_least=1)  # scenes per batch
    train_epochs: int = setting(100, RESUMABLE, at_least=1)  # most epochs; at their end the learning rate is 0
    max_minutes: float = setting(0.0, RESUMABLE, at_least=0)  # most minutes, before --resume included; 0: no limit
    save_minutes: float = setting(10.0, RESUMABLE, at_least=0)  # between saves within an epoch; 0: only after epochs
    learning_rate: float = setting(0.002, above=0, below=10)  # at its highest, after the warm-up
    warmup_steps: int = setting(200, at_least=0)  # steps in which the learning rate rises from 0
    weight_decay: float = setting(0.01, at_least=0)  # above 0: AdamW with this decay; else Adam
    clip_norm: float = setting(1.0, at_least=0)  # largest norm of all gradients together; 0: no limit
    ema: float = setting(0.99, at_least=0, below=1)  # momentum of averaged weights, which are kept; 0: none

    # the machine
    train_workers: int = setting(1, RESUMABLE, at_least=1)  # processes or threads that make scenes
    load_in_processes: bool = setting(True, RESUMABLE)  # else in threads, which share one interpreter
    cache_mb: int = setting(1024, RESUMABLE, at_least=0)  # memory for pages, MB; 0: read anew for every scene
    deterministic: bool = True  # the same result in every run; may be switched off for speed on GPUs

    def validate(self) -> None:
        """Check the settings against each other."""
        if not (self.data_path and self.val_path):
            raise InputError("data_path, val_path: must name the folders of pages to train on and for validation")
        if self.side % 32:
            raise InputError(f"side: must be a multiple of 32, not {self.side}")
        if self.min_scale > self.max_scale:
            raise InputError(f"min_scale: must be at most max_scale = {self.max_scale}, not {self.min_scale}")
