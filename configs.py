"""Every setting of a training run. Each is also a flag: `python train.py --batch_size 16`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mltu.augmentors import AUGMENTORS
from mltu.configs import BaseModelConfigs, nearest
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


@dataclass
class ModelConfigs(BaseModelConfigs):
    # the run
    name: str = "handwriting"  # name of the folder below Models that holds the runs
    model_path: str = ""  # folder of this run; empty: Models/<name>/<YYYYmmddHHMM>
    seed: int = 42  # of everything random: split, order, augmentation, weights

    # the data
    dataset: Literal["iam", "table", "alto", "synthetic"] = "iam"  # iam, table (CSV or TSV), alto (pages) or synthetic
    data_path: str = ""  # folder, or table file; empty: Datasets/IAM_Sentences or Datasets/Synthetic
    unit: Literal["sentences", "lines", "words"] = "sentences"  # of IAM: sentences, lines or words
    keep_err: Literal["auto", "yes", "no"] = "auto"  # use IAM rows marked err; auto: for published splits only
    limit: int = 0  # use only so many samples, drawn at random; 0: all

    # who is in training and who in validation
    split: Literal["random", "aachen", "official", "lists"] = "random"  # random (by writer), aachen, official or lists
    train_fraction: float = 0.9  # share of the training side of a random split
    train_list: str = ""  # split lists: file with one writer, form or image name a line
    val_list: str = ""  # split lists: the same for validation
    test_list: str = ""  # split lists: the same for test; may stay empty
    val_path: str = ""  # dataset table: the table of validation lines, instead of a split
    allow_shared_writers: bool = False  # accept own lists or tables with one writer on two sides

    # lines cut out of pages
    lines_path: str = "Datasets/Alto_Lines"  # dataset alto: folder that the cut lines are put in
    drop_text: str = ""  # dataset alto: regular expression of the lines to leave out
    writer_pattern: str = ""  # dataset alto: regular expression that finds the writer in a page's file name

    # generated handwriting
    samples: int = 2000  # how many lines to generate
    text_file: str = ""  # sentences to write, one a line, UTF-8; empty: made-up English
    fonts: str = ""  # folder of TTF, OTF, WOFF or WOFF2 fonts; empty: pen strokes
    max_chars: int = 60  # longest generated line, characters
    skip_fonts: tuple[str, ...] = ()  # font families not to use, as their files are named
    plain_quotes: bool = False  # write the typographic quotes of the text file as ' and "

    # more data for training
    mix: tuple[str, ...] = ()  # settings files of further datasets, of which only the settings of data count
    mix_weights: tuple[float, ...] = ()  # shares in an epoch: the dataset above, then those of mix; empty: by size
    epoch_lines: int = 0  # lines in an epoch; 0: all

    # the network
    architecture: Literal["reference", "line"] = "reference"  # reference, or line: grey lines of any width
    height: int = 96  # image height, pixels
    width: int = 1408  # image width, pixels; shorter lines are padded, longer ones shrunk
    width_step: int = 128  # architecture line: widths are multiples of this, pixels, and `width` the largest
    steps_per_column: int = 2  # architecture line: time steps per eight pixels of width; 3 for dense writing
    activation: str = "leaky_relu"  # leaky_relu (slope 0.1) or the name of a Keras activation
    dropout: float = 0.2  # share of units dropped in training
    vocab: str = ""  # the characters to learn; empty: all that the data has
    max_text_length: int = 0  # longest text, characters; 0: the longest of the data

    # the training
    batch_size: int = 32  # lines in a batch
    train_epochs: int = 1000  # most epochs; training stops earlier if nothing improves
    max_minutes: float = 0.0  # most minutes of training, those before --resume included; 0: no limit
    save_minutes: float = 10.0  # minutes after which a long epoch is saved to be resumed within; 0: only after epochs
    init_from: str = ""  # run folder whose weights to start from; architecture and height must be the same
    learning_rate: float = 0.0005  # of the optimiser, at its highest
    schedule: Literal["plateau", "cosine"] = "plateau"  # of the learning rate: fall when nothing improves, or cosine
    warmup_steps: int = 0  # schedule cosine: steps in which the learning rate rises from 0
    weight_decay: float = 0.0  # above 0: AdamW with this decay; else Adam
    clip_norm: float = 0.0  # largest norm of all gradients together; 0: no limit
    ema: float = 0.0  # momentum of the running mean of the weights that validates and ships, such as 0.99; 0: none
    shortcut: float = 0.0  # share of the loss of a second output that bypasses the LSTMs, such as 0.1; 0: none
    patience: int = 20  # epochs without a better val_score before training stops
    lr_patience: int = 5  # epochs without a better val_score before the learning rate falls
    lr_factor: float = 0.9  # by which it falls
    augmentors: tuple[str, ...] = DEFAULT_AUGMENTORS  # of mltu.augmentors, in this order; none: no augmentation
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = "float32"  # auto: the quickest here

    # the machine
    train_workers: int = max(1, (os.cpu_count() or 1) - 1)  # processes or threads that load images
    load_in_processes: bool = True  # else in threads, which share one interpreter
    cache_mb: int = 2048  # memory for decoded images, megabytes; 0: decode anew in every epoch
    deterministic: bool = True  # the same result in every run; may be switched off for speed on GPUs
    distribute: Literal["none", "mirrored", "multi_worker"] = "none"  # over devices here, or machines of TF_CONFIG
    replicas: int = 0  # distribute mirrored: parts that a CPU plays where there is no GPU; 0: two
    log_lines: int = 4  # validation lines shown with their reading after each epoch

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model_path:
            self.model_path = f"Models/{self.name}/{datetime.now():%Y%m%d%H%M}"
        if not self.data_path:
            self.data_path = DEFAULT_DATA_PATHS.get(self.dataset, "")

    def validate(self) -> None:
        self.augmentors = () if self.augmentors == ("none",) else self.augmentors
        for name in self.augmentors:
            if name not in AUGMENTORS:
                raise InputError(f"augmentors: there is no {name!r}{nearest(name, AUGMENTORS)}")
        lowest = {
            "samples": 2,
            "max_chars": 1,
            "height": 16,
            "width": 16,
            "width_step": 16,
            "steps_per_column": 1,
            "batch_size": 1,
            "train_epochs": 1,
            "patience": 1,
            "lr_patience": 1,
            "train_workers": 1,
            "seed": 0,
            "limit": 0,
            "max_text_length": 0,
            "cache_mb": 0,
            "replicas": 0,
            "log_lines": 0,
            "epoch_lines": 0,
            "max_minutes": 0,
            "save_minutes": 0,
            "warmup_steps": 0,
            "weight_decay": 0,
            "clip_norm": 0,
            "shortcut": 0,
        }
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise InputError(f"{name}: must be at least {least}, not {getattr(self, name)}")
        if self.seed >= 2**32:
            raise InputError(f"seed: must be below 2^32, not {self.seed}")
        for name in ("dropout", "ema"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name}: must be at least 0 and below 1, not {getattr(self, name)}")
        if self.mix_weights and (len(self.mix_weights) != 1 + len(self.mix) or min(self.mix_weights) <= 0):
            raise InputError(f"mix_weights: must be {1 + len(self.mix)} numbers above 0, one for each dataset")
        for name in ("train_fraction", "lr_factor"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"{name}: must lie between 0 and 1, not {getattr(self, name)}")
        if not 0 < self.learning_rate < 10:
            raise InputError(f"learning_rate: must lie between 0 and 10, not {self.learning_rate}")
        if self.architecture == "line" and self.width % self.width_step:
            raise InputError(f"width: must be a multiple of width_step = {self.width_step}, not {self.width}")
        if len(set(self.vocab)) != len(self.vocab):
            raise InputError("vocab: has a character twice")
        needed = {"table": "the CSV or TSV file", "alto": "the folder of pages and ALTO files"}.get(self.dataset)
        if needed and not self.data_path:
            raise InputError(f"data_path: must name {needed} for --dataset {self.dataset}")
        if self.split == "lists" and not (self.train_list and self.val_list):
            raise InputError("train_list, val_list: must name the files of ids for --split lists")
        if self.split in ("aachen", "official") and self.dataset != "iam":
            raise InputError(f"split: {self.split} is a split of IAM; use random or lists for --dataset {self.dataset}")
        if self.val_path and self.dataset != "table":
            raise InputError("val_path: goes with --dataset table only")
