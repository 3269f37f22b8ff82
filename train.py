"""Train a handwriting recogniser and export it as ONNX.

    python train.py                                        IAM sentences from Datasets/IAM_Sentences
    python train.py --unit lines --split aachen --data_path Datasets/IAM
    python train.py --dataset synthetic --samples 2000     generated handwriting, no download
    python train.py --dataset table --data_path lines.csv  your own lines: image,text[,writer]
    python train.py --dataset alto --data_path FOLDER      lines cut out of pages, by ALTO XML
    python train.py --config Models/.../configs.yaml       the settings of an earlier run
    python train.py --check_only                           read, check and split the data, then stop
    python train.py --show_samples                         a picture of what the network gets, then stop
    python train.py --find_lr                              try learning rates, suggest one, then stop
    python train.py --overfit_batch                        learn one batch by heart, to prove the set-up
    python train.py --resume Models/...                    go on with a run that was stopped
    python train.py --distribute mirrored                  on all GPUs; multi_worker: on the machines of TF_CONFIG
    python train.py --export_only Models/...               write and check model.onnx again
    python train.py --int8 Models/...                      write model.int8.onnx, smaller and quicker to run

Every setting of configs.py is a flag. A run leaves in its folder: configs.yaml, run.json, train.csv, val.csv,
(test.csv,) skipped.csv, samples.png, training.csv, timing.csv, curves.png, logs.log, readings.txt, TensorBoard
logs, model.keras (best val_CER), model.onnx and results.json. Exit codes: 0 done, 1 training or export went
wrong, 2 wrong input or a full disk, 130 stopped by Ctrl-C outside training, or by a second one.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from configs import ModelConfigs
from inferenceModel import ImageToWordModel, calibrate
from mltu import CVImage
from mltu.augmentors import AUGMENTORS
from mltu.configs import ArgumentParser, read_yaml
from mltu.datasets import (
    PUBLISHED_SPLITS,
    Sample,
    Skipped,
    generate_lines,
    left_out,
    list_split,
    published_split,
    random_split,
    read_alto,
    read_iam,
    read_table,
    shared_writers,
    without_contradictions,
    write_skipped,
    write_table,
)
from mltu.inferenceModel import OnnxInferenceModel, write_int8
from mltu.preprocessors import DarkOnLight, ImageReader
from mltu.run_folder import RECORD, add_record, reserved
from mltu.transformers import (
    LINE_PREPROCESSING,
    HeightLimit,
    ImagePadding,
    ImageResizer,
    LabelIndexer,
    LabelPadding,
    LabelStepCheck,
    LineResizer,
)
from mltu.utils.errors import InputError
from mltu.utils.files import write_whole
from mltu.utils.image_utils import write_png
from mltu.utils.plots import save_curves, save_sweep
from mltu.utils.sheets import sheet
from mltu.utils.text_utils import ctc_decoder

if TYPE_CHECKING:  # Keras takes seconds to import, so it waits until the settings and data are known to be right
    import keras

    from mltu.tensorflow.dataProvider import DataProvider
    from mltu.tensorflow.distribute import Replicas

CHECKPOINT = "model.keras"
STATE = "state"  # folder of what a run is resumed from
FAILED_EXPORT = "model.failed.onnx"
INT8 = "model.int8.onnx"
SAMPLES = "samples.png"
SKIPPED = "skipped.csv"
OUT_OF_MEMORY = re.compile("RESOURCE_EXHAUSTED|OOM when allocating|out of memory", re.IGNORECASE)  # of any backend
BAD_BATCH = "bad_batch.csv"  # lines of a batch whose loss is no number
PRODUCTS = (
    "configs.yaml",
    "train.csv",
    "val.csv",
    "test.csv",
    SKIPPED,
    "training.csv",
    "timing.csv",
    "curves.png",
    RECORD,
    "logs.log",
    "readings.txt",
    "results.json",
    BAD_BATCH,
    CHECKPOINT,
    "model.onnx",
    FAILED_EXPORT,
    INT8,
)
# settings from which vocabulary and text length follow, so that those of an earlier run no longer hold
DERIVING_FIELDS = {
    "dataset",
    "data_path",
    "unit",
    "val_path",
    "samples",
    "text_file",
    "fonts",
    "max_chars",
    "width",
    "drop_text",
    "plain_quotes",
    "mix",
}
ACTIONS = ("check_only", "show_samples", "find_lr", "overfit_batch")  # instead of a whole run
RESUMABLE_FIELDS = {
    "max_minutes",
    "save_minutes",
    "train_epochs",
    "train_workers",
    "load_in_processes",
    "cache_mb",
    "log_lines",
    "distribute",
    "replicas",
}
LARGEST_DIFFERENCE = 1e-4  # between the probabilities of Keras and ONNX
COMPARED_LINES = 32
SHOWN_LINES, VARIATIONS = 8, 3  # on the sheet of samples
OVERFIT_STEPS, OVERFIT_EPOCHS, OVERFIT_CER = 20, 60, 0.05


class TrainingError(RuntimeError):
    """Training or export went wrong; the message says how."""


class WorkerLost(TrainingError):
    """Another worker of the same training no longer answers."""


# --- data -----------------------------------------------------------------------------------


def load_samples(configs: ModelConfigs) -> tuple[list[Sample], list[Skipped]]:
    """Read the dataset that the settings name.

    Returns:
        (samples, what was skipped).

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


def load_mix(configs: ModelConfigs) -> tuple[list[list[Sample]], list[Skipped]]:
    """Read the further datasets, which are for training only.

    Returns:
        (samples of each, what was skipped).

    Raises:
        InputError: a settings file is wrong, or nothing usable is there.
    """
    groups, skipped = [], []
    for path in configs.mix:
        values = read_yaml(path)
        other = ModelConfigs.from_dict({"train_workers": configs.train_workers, **values}, path)
        samples, left = load_samples(other)
        groups.append(samples)
        skipped += left
    return groups, skipped


def divide(configs: ModelConfigs, samples: Sequence[Sample]) -> tuple[dict[str, list[Sample]], list[Skipped]]:
    """Divide samples into "train", "val" and, where the split has one, "test".

    Returns:
        (parts, what a split by ids leaves out or a separate validation table skips).

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
        train, val = random_split(samples, configs.train_fraction, configs.seed)
        return {"train": train, "val": val}, skipped
    if not configs.val_path:
        skipped = left_out(samples, parts)
    shared = shared_writers(parts)
    if shared and configs.split in PUBLISHED_SPLITS:
        print(f"Note: {len(shared)} writers or images are on two sides of the published split, {shared[0]} for one.")
    elif shared and not configs.allow_shared_writers:
        raise InputError(
            f"{len(shared)} writers or images are on two sides of the split, {shared[0]} for one: the error rates "
            "would look too good; mend the lists, or accept it with --allow_shared_writers yes"
        )
    return parts, skipped


def describe_skipped(skipped: Sequence[Skipped]) -> str:
    """How many were skipped, by reason, in one line."""
    reasons = Counter(one.reason.split(":")[0][:60] for one in skipped)  # what follows a colon is of one sample only
    shown = "; ".join(f"{count} {reason}" for reason, count in reasons.most_common(3))
    more = len(reasons) - 3
    return f"{len(skipped)} skipped: {shown}" + (f"; {more} other reasons" if more > 0 else "")


def image_steps(configs: ModelConfigs) -> tuple[list[ImageReader | DarkOnLight], ImageResizer | LineResizer]:
    """How an image is read, and how it is brought to size for the network."""
    if configs.architecture == "line":
        reader = ImageReader(CVImage, cv2.IMREAD_GRAYSCALE)
        return [reader, DarkOnLight()], LineResizer(configs.height, configs.width, configs.width_step)
    return [ImageReader(CVImage), DarkOnLight()], ImageResizer(configs.width, configs.height, keep_aspect_ratio=True)


def steps_by_width(configs: ModelConfigs) -> dict[int, int]:
    """Time steps that the network makes of images of each width that there can be, in pixels."""
    from model import ARCHITECTURES, time_steps

    any_width = ARCHITECTURES[configs.architecture].by_column
    widths = range(configs.width_step, configs.width + 1, configs.width_step) if any_width else [configs.width]
    return {
        width: time_steps(width, configs.height, configs.architecture, configs.steps_per_column) for width in widths
    }


def make_providers(
    configs: ModelConfigs,
    parts: Mapping[str, Sequence[Sample]],
    mix: Sequence[Sequence[Sample]] = (),
) -> tuple[dict[str, DataProvider], list[Skipped]]:
    """Providers of the parts, every sample tried once; only "train" is shuffled and augmented.

    Args:
        configs: of the run, with vocabulary and text length.
        parts: samples of "train" and others.
        mix: samples of further datasets for training.

    Returns:
        (part -> provider, samples that were dropped).
    """
    from mltu.dataProvider import Mixture
    from mltu.tensorflow.dataProvider import DataProvider
    from model import ARCHITECTURES

    preprocessors, resizer = image_steps(configs)
    any_width = ARCHITECTURES[configs.architecture].by_column
    first = DataProvider(
        parts["train"],
        data_preprocessors=[*preprocessors, HeightLimit(configs.height)] if any_width else preprocessors,
        transformers=[
            resizer,
            LabelIndexer(configs.vocab),
            LabelStepCheck(steps_by_width(configs)),
            LabelPadding(max_word_length=configs.max_text_length, padding_value=len(configs.vocab)),
        ],
        batch_postprocessors=[ImagePadding()] if any_width else [],
        same_shape=any_width,
        batch_size=configs.batch_size,
        use_cache=configs.cache_mb > 0,
        cache_mb=configs.cache_mb,
        seed=configs.seed,
        workers=configs.train_workers,
        use_multiprocessing=configs.load_in_processes,
    )
    providers: dict[str, DataProvider] = {}
    dropped: list[Skipped] = []
    for part, samples in parts.items():
        if part == "train":
            chosen = [AUGMENTORS[name]() for name in configs.augmentors]
            groups = [samples, *mix]
            mixture = None
            if configs.epoch_lines or configs.mix_weights:
                sizes = [len(group) for group in groups]
                mixture = Mixture(
                    np.repeat(np.arange(len(groups)), sizes),
                    configs.mix_weights or tuple(map(float, sizes)),
                    configs.epoch_lines or sum(sizes),
                )
            everything = [sample for group in groups for sample in group]
            provider = first.with_samples(everything, chosen, shuffle=True, mixture=mixture)
        elif samples:
            provider = first.with_samples(samples)
        else:
            continue
        dropped += provider.validate()
        providers[part] = provider
    return providers, dropped


def check_folder(folder: Path, overwrite: bool) -> None:
    """Refuse a folder that holds an earlier run, unless that is to be replaced, or that cannot be written."""
    if not overwrite and any((folder / name).exists() for name in PRODUCTS):
        raise InputError(f"{folder}: holds an earlier run; choose another --model_path, or add --overwrite")
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise InputError(f"{folder}: cannot be used for a run; {nearest} is no folder that can be written")


def clear_folder(folder: Path) -> None:
    """Remove the files of an earlier run."""
    for name in PRODUCTS:
        (folder / name).unlink(missing_ok=True)
    for name in ("logs", STATE):
        shutil.rmtree(folder / name, ignore_errors=True)


# --- training -------------------------------------------------------------------------------


def build(configs: ModelConfigs, replicas: Replicas | None = None) -> keras.Model:
    """The network, compiled, for one device or several; seeds Keras, settles the precision and sets it."""
    import keras

    from mltu.tensorflow.devices import quickest_precision
    from mltu.tensorflow.distribute import DistributedModel, DistributedShortcutModel
    from mltu.tensorflow.model_utils import ShortcutModel
    from model import ARCHITECTURES, train_model

    keras.utils.set_random_seed(configs.seed)
    if configs.deterministic and keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    if configs.precision == "auto":
        configs.precision = quickest_precision()
        print(f"Precision: {configs.precision}")
    keras.config.set_dtype_policy(configs.precision)
    network = ARCHITECTURES[configs.architecture]
    with replicas.strategy.scope() if replicas else nullcontext():
        model = train_model(
            input_dim=(configs.height, None if network.by_column else configs.width, network.channels),
            output_dim=len(configs.vocab),
            activation=configs.activation,
            dropout=configs.dropout,
            architecture=configs.architecture,
            shortcut=configs.shortcut > 0,
            steps_per_column=configs.steps_per_column,
        )
        if configs.shortcut:
            model = (DistributedShortcutModel if replicas else ShortcutModel)(model, configs.shortcut)
        elif replicas:
            model = DistributedModel(model.input, model.output)
        compile_model(configs, model)
        if replicas:
            model.distribute(replicas)
    return model


def compile_model(configs: ModelConfigs, model: keras.Model) -> None:
    """Give a model its optimiser, loss and metrics."""
    import keras

    from mltu.tensorflow.losses import CTCloss
    from mltu.tensorflow.metrics import CERMetric, WERMetric

    options: dict[str, Any] = {"learning_rate": configs.learning_rate}
    if configs.clip_norm:
        options["global_clipnorm"] = configs.clip_norm
    if configs.ema:
        options |= {"use_ema": True, "ema_momentum": configs.ema}
    if configs.weight_decay:
        optimizer = keras.optimizers.AdamW(weight_decay=configs.weight_decay, **options)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    else:
        optimizer = keras.optimizers.Adam(**options)
    model.compile(
        optimizer=optimizer,
        loss=CTCloss(),
        metrics=[CERMetric(vocabulary=configs.vocab), WERMetric(vocabulary=configs.vocab)],
        # XLA can compile neither the fast CTC kernel nor the metrics
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )


def first_configs(configs: ModelConfigs) -> ModelConfigs:
    """Settings of the run whose weights this one starts from.

    Raises:
        InputError: no run there, or one of another network.
    """
    path = Path(configs.init_from) / "configs.yaml"
    other = ModelConfigs.from_dict(read_yaml(path), str(path))
    # the line network takes the maximum of each column, so its weights fit images of any height
    for name in ("architecture",) if configs.architecture == "line" else ("architecture", "height"):
        if getattr(other, name) != getattr(configs, name):
            raise InputError(f"init_from: {configs.init_from} was trained with another {name}; set the same")
    return other


def start_from(configs: ModelConfigs, model: keras.Model) -> None:
    """Give a model the best weights of another run.

    Characters that both vocabularies have keep their output weights, new ones start at random. Where the number of
    steps per column differs, those of the new network start between the old ones.

    Raises:
        InputError: there are none, or they are those of another network.
    """
    import keras

    from mltu.tensorflow.model_utils import reader_of
    from model import OUTPUT_LAYERS

    path = Path(configs.init_from) / CHECKPOINT
    before = first_configs(configs).vocab
    shared = [(new, before.index(character)) for new, character in enumerate(configs.vocab) if character in before]
    new, old = np.array([*shared, (len(configs.vocab), len(before))]).T  # the blank comes last
    try:
        other = keras.models.load_model(path, compile=False)
        for layer, source in zip(reader_of(model).layers, other.layers, strict=True):
            weights = source.get_weights()
            if layer.name in OUTPUT_LAYERS:
                values = []
                for fresh, learnt in zip(layer.get_weights(), weights, strict=True):
                    by_class = fresh.reshape(*fresh.shape[:-1], -1, len(configs.vocab) + 1)
                    learnt = learnt.reshape(*learnt.shape[:-1], -1, len(before) + 1)
                    by_class[..., new] = interpolate_steps(learnt, by_class.shape[-2])[..., old]
                    values.append(by_class.reshape(fresh.shape))
                weights = values
            layer.set_weights(weights)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"init_from: {path} cannot be used ({reason})") from None


def interpolate_steps(weights: np.ndarray, steps: int) -> np.ndarray:
    """Output weights of shape (..., steps of a column, classes) for another number of steps, linearly between them."""
    places = np.linspace(0, weights.shape[-2] - 1, steps)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, weights.shape[-2] - 1)
    part = (places - below)[:, None]
    return weights[..., below, :] * (1 - part) + weights[..., above, :] * part


def make_callbacks(
    configs: ModelConfigs,
    train: DataProvider,
    val: DataProvider,
    resumed: Mapping[str, Any] | None = None,
    replicas: Replicas | None = None,
) -> list[keras.callbacks.Callback]:
    """What watches, logs and saves during training.

    Args:
        configs: of the run.
        train: provider of the training lines.
        val: provider of the validation lines.
        resumed: what is known of the earlier part of the run, if there is one.
        replicas: the devices, if there are several; only the chief logs and saves.
    """
    from keras.callbacks import EarlyStopping, LambdaCallback, ReduceLROnPlateau, TensorBoard

    from mltu.tensorflow.callbacks import (
        Clock,
        ReadingScore,
        SaveBest,
        ShowReadings,
        StageTimes,
        StopOnBadLoss,
        StopOnInterrupt,
        SwapAverage,
        TrainLogger,
        WarmupCosine,
    )
    from mltu.tensorflow.distribute import SharedClock, SharedInterrupt
    from mltu.tensorflow.run_state import RunState

    folder = Path(configs.model_path)
    chief = replicas is None or replicas.chief
    best = {"monitor": "val_score", "mode": "min"}  # val_CER, with a beginning
    clock = (SharedClock if replicas else Clock)(60 * configs.max_minutes, resumed["seconds"] if resumed else 0.0)
    callbacks = [
        # Keras ends epochs of its data more often than it trains them, so the count is set
        LambdaCallback(on_epoch_begin=lambda epoch, logs: setattr(train, "epoch", epoch + 1)),
        StopOnBadLoss(),
        clock,
        ReadingScore(),
        *([SwapAverage(swapped=bool(resumed and resumed["swapped"]))] if configs.ema else []),
        *([SaveBest(folder / CHECKPOINT)] if chief else []),
    ]
    if configs.schedule == "cosine":
        steps = len(train)
        total = steps * configs.train_epochs
        callbacks.append(WarmupCosine(configs.learning_rate, configs.warmup_steps, total, steps, clock))
    else:
        fall = {"factor": configs.lr_factor, "patience": configs.lr_patience, "min_lr": 1e-6}
        callbacks += [
            EarlyStopping(patience=configs.patience, verbose=1, **best),
            ReduceLROnPlateau(verbose=1, **fall, **best),
        ]
    watchers = [one for one in callbacks if isinstance(one, (SaveBest, SwapAverage, EarlyStopping, ReduceLROnPlateau))]
    lines = "\n".join(f"{Path(sample.image).name}\t{sample.text}" for sample in train.samples)
    data = hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()
    # several devices could not go on in the middle of an epoch
    seconds = 0.0 if replicas else 60 * configs.save_minutes
    state = RunState(folder / STATE, clock, folder / "training.csv", watchers, seconds, data, writes=chief)
    if not chief:
        return [*callbacks, state, SharedInterrupt()]
    callbacks.append(TrainLogger(folder))
    with_tensorboard = all(map(importlib.util.find_spec, ("tensorflow", "tensorboard")))  # whatever the backend
    if with_tensorboard:
        callbacks.append(TensorBoard(str(folder / "logs")))
    if configs.log_lines:
        shown = spread(val.samples, configs.log_lines)
        images = [val.process_data(sample)[0] for sample in shown]
        texts = [sample.text for sample in shown]
        pictures = folder / "logs" / "readings" if with_tensorboard else None
        callbacks.append(ShowReadings(images, texts, configs.vocab, folder / "readings.txt", pictures))
    interrupt = SharedInterrupt() if replicas else StopOnInterrupt(state.save)
    draw = LambdaCallback(on_epoch_end=lambda epoch, logs: save_curves(state.epochs, folder / "curves.png"))
    times = StageTimes(train, folder / "timing.csv", configs.train_epochs, clock)
    return [*callbacks, state, interrupt, draw, times]


def spread(samples: Sequence[Sample], count: int) -> Sequence[Sample]:
    """At most so many samples, from the first to the last."""
    return samples[:: max(1, len(samples) // count)][:count]


def verbosity() -> int:
    """Of Keras: a progress bar on a terminal, else a line an epoch."""
    return 1 if sys.stdout.isatty() else 2


def fit(
    configs: ModelConfigs,
    model: keras.Model,
    providers: Mapping[str, DataProvider],
    resumed: Mapping[str, Any] | None = None,
    replicas: Replicas | None = None,
) -> dict[str, Any]:
    """Train until nothing improves, the epochs or minutes are over, or Ctrl-C; the best weights are on disk then.

    Args:
        configs: of the run.
        model: compiled; it is brought to the saved state of a resumed run.
        providers: of "train" and "val".
        resumed: what is known of the earlier part of the run, if there is one.
        replicas: the devices, if there are several.

    Returns:
        What happened: epochs, seconds, how it ended, and the values of the best epoch.

    Raises:
        TrainingError: the loss became no finite number.
        InputError: no line of a batch can be read any more.
        KeyboardInterrupt: a second Ctrl-C.
    """
    from mltu.tensorflow.callbacks import BadLoss, Clock, SaveBest, StopOnInterrupt, TrainingInterrupted
    from mltu.tensorflow.distribute import feed
    from mltu.tensorflow.run_state import RunState

    train, val = providers["train"], providers["val"]
    callbacks = make_callbacks(configs, train, val, resumed, replicas)

    def the(kind: type) -> Any:
        return next(one for one in callbacks if isinstance(one, kind))

    state, clock = the(RunState), the(Clock)
    done = state.load(model, resumed or {})
    ended = "all epochs done"
    train.epoch = done.epochs + 1
    if replicas:
        model.clock, model.interrupt = clock, the(StopOnInterrupt)
        if done.batches:
            raise InputError(
                f"{configs.model_path}: stopped within an epoch, where only one device can go on; --distribute none"
            )
    if done.batches:
        model.test_on_batch(*train[0])  # makes the metrics, whose values are brought back
    train.first_batch = min(done.batches, len(train) - 1)  # nobody asks for it if the whole epoch is over
    try:
        with warnings.catch_warnings():
            # Keras finds the end of a distributed epoch by coming to it
            warnings.filterwarnings("ignore", message="Your input ran out of data")
            model.fit(
                feed(train, replicas) if replicas else train.for_keras(),
                validation_data=feed(val, replicas) if replicas else val.for_keras(),
                epochs=configs.train_epochs,
                initial_epoch=done.epochs,
                callbacks=callbacks,
                shuffle=False,  # the provider does that itself, by its seed
                verbose=verbosity(),
            )
    except TrainingInterrupted:
        ended = "stopped by Ctrl-C"
        for callback in callbacks:
            callback.on_train_end()
        if not (Path(configs.model_path) / CHECKPOINT).exists() and (replicas is None or replicas.chief):
            the(SaveBest).save()
            print("No epoch was finished; the weights as they are now are kept.")
    except BadLoss as error:
        train.epoch = error.epoch + 1  # the provider is ahead
        lines = train.get_batch_annotations(error.batch)
        write_table(Path(configs.model_path) / BAD_BATCH, lines)
        folder = Path(configs.model_path)
        kept = f"; --export_only {folder} exports the best weights before it" if (folder / CHECKPOINT).exists() else ""
        raise TrainingError(
            f"{error}, of {', '.join(str(line[0]) for line in lines)}: look at these lines, lower --learning_rate, "
            f"or use --precision float32{kept}"
        ) from None
    except Exception as error:
        failure = next((one.failure for one in providers.values() if one.failure), None)
        if failure:  # which TensorFlow hides in an error of its own
            raise failure from None
        if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)):
            raise TrainingError("out of memory: lower --batch_size, --width or --cache_mb") from None
        raise
    finally:
        the(StopOnInterrupt).restore()
    losses = [epoch["loss"] for epoch in state.epochs]
    if clock.over:
        ended = f"{configs.max_minutes:g} minutes over"
    elif ended == "all epochs done" and len(losses) < configs.train_epochs:
        ended = f"no better validation in {configs.patience} epochs"
    result = {"epochs": len(losses), "seconds": round(clock.seconds, 1), "ended": ended}
    scored = [epoch for epoch in state.epochs if "val_score" in epoch]
    if scored:
        best = min(scored, key=lambda epoch: epoch["val_score"])
        result["best_epoch"] = best["epoch"]
        result |= {name: value for name, value in best.items() if name != "epoch"}
    return result


@contextmanager
def together(configs: ModelConfigs, replicas: Replicas | None) -> Iterator[None]:
    """What several workers do together: say in one line where another one no longer answers.

    Raises:
        WorkerLost: another worker was lost.
    """
    try:
        yield
    except Exception as error:
        alone = replicas is None or len(replicas.own) == replicas.count
        if alone or not type(error).__module__.startswith("tensorflow.") or OUT_OF_MEMORY.search(str(error)):
            raise
        reason = " ".join(re.sub(r"{{.*?}}", "", str(error)).split())[:150]
        raise WorkerLost(
            f"another worker was lost; start all workers again with --resume {configs.model_path} ({reason})"
        ) from None


def overfit_batch(configs: ModelConfigs, model: keras.Model, train: DataProvider) -> bool:
    """Learn one batch by heart; whether that worked. A set-up that cannot do this cannot learn at all."""
    import keras

    batch = train.samples[: configs.batch_size]
    repeated = train.with_samples(batch * OVERFIT_STEPS)
    print(f"Learning one batch of {len(batch)} lines by heart until its CER is below {OVERFIT_CER:.0%} ...")

    def stop_when_learnt(epoch: int, logs: Mapping[str, float]) -> None:
        model.stop_training = logs["CER"] < OVERFIT_CER

    watch = keras.callbacks.LambdaCallback(on_epoch_end=stop_when_learnt)
    epochs = min(configs.train_epochs, OVERFIT_EPOCHS)
    history = model.fit(
        repeated.for_keras(), epochs=epochs, callbacks=[watch], shuffle=False, verbose=verbosity()
    ).history
    steps = len(history["CER"]) * len(repeated)
    learnt = history["CER"][-1] < OVERFIT_CER
    verdict = "the set-up works" if learnt else "not learnt; check texts, image size and learning rate"
    print(f"CER {history['CER'][-1]:.1%} after {steps} steps: {verdict}.")
    return learnt


def draw_samples(train: DataProvider, path: Path) -> None:
    """Draw a sheet of training lines as the network gets them: as they are, and as augmentation varies them."""
    rows = []
    for number, sample in enumerate(spread(train.samples, SHOWN_LINES)):
        try:
            images = [train.process_data(sample)[0]]
            for variation in range(VARIATIONS):
                images.append(train.process_data(sample, np.random.default_rng([number, variation]))[0])
        except InputError:  # a variation may be too narrow for its text
            continue
        rows.append((images, [sample.text]))
    if rows:
        write_png(path, sheet(rows, "left: as it is; then: as training varies it"))


def find_learning_rate(model: keras.Model, train: DataProvider, folder: Path) -> bool:
    """Try learning rates from low to high; whether there is one to suggest. Writes find_lr.csv and find_lr.png."""
    from mltu.tensorflow.callbacks import LearningRateSweep

    sweep = LearningRateSweep()
    epochs = -(-sweep.steps // len(train))
    print(f"Trying learning rates from {sweep.low:g} to {sweep.high:g} in {sweep.steps} steps ...")
    model.fit(train.for_keras(), epochs=epochs, callbacks=[sweep], shuffle=False, verbose=verbosity())
    steps = [f"{rate:.6g},{loss:.6g}\n" for rate, loss in zip(sweep.rates, sweep.losses, strict=True)]
    write_whole(folder / "find_lr.csv", "".join(["learning_rate,loss\n", *steps]).encode())
    suggestion = sweep.suggestion()
    save_sweep(sweep.rates, sweep.losses, suggestion, folder / "find_lr.png")
    if not suggestion:
        print(f"The loss fell at no learning rate; see {folder / 'find_lr.png'}.")
        return False
    print(f"Suggestion: --learning_rate {suggestion:.2g}; see {folder / 'find_lr.png'}.")
    return True


# --- export ---------------------------------------------------------------------------------


def metadata(configs: ModelConfigs) -> dict[str, Any]:
    """What reading must know of training; stored in the ONNX file."""
    line = configs.architecture == "line"
    return {
        "vocab": configs.vocab,
        "height": configs.height,
        "width": configs.width,
        "width_step": configs.width_step if line else None,
        "color": "GRAY" if line else "BGR",
        "preprocessing": LINE_PREPROCESSING,
    }


def export(configs: ModelConfigs, images: Sequence[np.ndarray], samples: Sequence[Sample]) -> float:
    """Convert the best weights to ONNX, compare both on images, and calibrate the confidences on samples.

    Args:
        configs: of the run.
        images: as the network takes them, shape (height, width, channels); widths may differ.
        samples: of validation.

    Returns:
        Largest difference between the probabilities of Keras and ONNX.

    Raises:
        InputError: the saved model does not fit the settings.
        TrainingError: the two differ; the ONNX file is renamed, so that nobody uses it.
    """
    from mltu.tensorflow.callbacks import Model2onnx

    converter = Model2onnx(Path(configs.model_path) / CHECKPOINT, metadata(configs))
    model = converter.convert()
    size = model.input_shape[1:]
    fits = size[0] == configs.height and size[1] in (None, configs.width) and size[2] == images[0].shape[2]
    if not fits or model.output_shape[-1] != len(configs.vocab) + 1:
        raise InputError(f"{converter.saved_model_path}: does not fit the image size and vocabulary of configs.yaml")
    path = converter.onnx_model_path
    onnx_model = OnnxInferenceModel(path, force_cpu=True)
    difference, same = 0.0, True
    for shape in {image.shape for image in images}:
        batch = np.stack([image for image in images if image.shape == shape]).astype(np.float32)
        ours = model.predict_on_batch(batch)
        theirs = onnx_model.model.run(None, {onnx_model.input_names[0]: batch})[0]
        difference = max(difference, float(np.abs(ours - theirs).max()))
        same = same and ctc_decoder(ours, configs.vocab) == ctc_decoder(theirs, configs.vocab)
    if not (difference <= LARGEST_DIFFERENCE and same):
        failed = path.with_name(FAILED_EXPORT)
        path.replace(failed)
        raise TrainingError(
            f"EXPORT FAILED: on {len(images)} lines Keras and ONNX differ by {difference:.2g} "
            f"(at most {LARGEST_DIFFERENCE:g}), texts {'the same' if same else 'different'}; see {failed}"
        )
    print(f"{path}: same texts as Keras on {len(images)} lines, probabilities within {difference:.1g}")
    calibrate(ImageToWordModel(path, force_cpu=True), samples)
    return difference


def export_run(folder: Path) -> float:
    """Export the best weights of a finished run again, compared on its validation lines.

    Returns:
        Largest difference between Keras and ONNX.

    Raises:
        InputError: no run there, or its validation lines are gone.
        TrainingError: as :func:`export`.
    """
    configs = ModelConfigs.from_dict({**read_yaml(folder / "configs.yaml"), "model_path": str(folder)})
    preprocessors, resizer = image_steps(configs)
    images = []
    problem = "none is listed"
    samples, _ = read_table(folder / "val.csv")
    for sample in samples[:COMPARED_LINES]:
        try:
            image = sample.image
            for step in (*preprocessors, resizer):
                image, _ = step(image, sample.text)
            images.append(image if isinstance(image, np.ndarray) else image.numpy())
        except InputError as error:
            problem = str(error)
    if not images:
        raise InputError(f"{folder / 'val.csv'}: no validation line can be read to compare with ({problem})")
    return export(configs, images, samples)


def export_elsewhere(folder: Path) -> None:
    """Export from a backend that is not TensorFlow: in a process of its own, if TensorFlow is installed."""
    from mltu.tensorflow.callbacks import NO_TENSORFLOW

    if not importlib.util.find_spec("tensorflow"):
        print(f"{folder / CHECKPOINT} holds the best weights. {NO_TENSORFLOW}.")
        return
    command = [sys.executable, __file__, "--export_only", str(folder)]
    if subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "tensorflow"}).returncode:
        raise TrainingError(f"the export of {folder} failed; the weights are safe in {folder / CHECKPOINT}")


# --- the whole run --------------------------------------------------------------------------


def run(configs: ModelConfigs, action: str = "", overwrite: bool = False) -> int:
    """Read the data, train, export; returns the exit code.

    Args:
        configs: of the run.
        action: "check_only", "show_samples" or "find_lr" to stop before training, "overfit_batch" to learn one
            batch by heart and stop, "resume" to go on with the earlier run in the folder; else a whole run.
        overwrite: replace an earlier run in the folder.

    Raises:
        InputError: settings or data cannot be used, or another run is at work in the folder.
        TrainingError: training or export went wrong, or another worker was lost.
    """
    cv2.setNumThreads(1)  # the provider's threads share the cores
    folder = Path(configs.model_path)
    resumed = replicas = None
    if configs.distribute != "none" and action in ("", "resume"):
        from mltu.tensorflow.distribute import start

        replicas = start(configs.distribute, configs.replicas)
    with together(configs, replicas), ExitStack() as stack:
        if replicas and not replicas.chief:
            take_part(configs, replicas, read_state(folder) if action == "resume" else None)
            return 0
        if action == "resume":
            stack.enter_context(reserved(folder))
            resumed = read_state(folder)
        elif action != "overfit_batch":
            check_folder(folder, overwrite)
        parts, mix, skipped = read_data(configs, only_training=action == "overfit_batch")
        model = build(configs, replicas)
        providers, dropped = prepare(configs, parts, mix)
        stack.callback(providers["train"].close)  # of all of them
        skipped += dropped
        listed = action in ("", "check_only", "resume")
        if skipped:
            print(describe_skipped(skipped) + (f". Listed in {folder / SKIPPED}" if listed else ""))
        if action == "overfit_batch":
            return 0 if overfit_batch(configs, model, providers["train"]) else 1
        if action != "resume":
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(reserved(folder))
            check_folder(folder, overwrite)  # another run may have come first
        if action in ("show_samples", "find_lr"):
            draw_samples(providers["train"], folder / SAMPLES)
            print(f"{folder / SAMPLES}: lines as the network gets them")
            return 0 if action == "show_samples" or find_learning_rate(model, providers["train"], folder) else 1
        if action != "resume":
            clear_folder(folder)
        write_lists(configs, providers, skipped)
        if action == "check_only":
            print(f"Nothing was trained; the split is in {folder}.")
        else:
            train_and_export(configs, model, providers, skipped, resumed, replicas)
            if replicas:
                from mltu.tensorflow.distribute import meet

                meet(replicas)
    return 0


def take_part(configs: ModelConfigs, replicas: Replicas, resumed: Mapping[str, Any] | None) -> None:
    """Train as a worker that is not the chief: the same steps, but nothing is written."""
    from mltu.tensorflow.distribute import meet

    parts, mix, _ = read_data(configs)
    model = build(configs, replicas)
    providers, _ = prepare(configs, parts, mix)
    with closing(providers["train"]):
        if configs.init_from and not resumed:
            start_from(configs, model)
        result = fit(configs, model, providers, resumed, replicas)
        print(f"{result['ended']}; the chief exports what was learnt.", flush=True)
        meet(replicas)


def read_state(folder: Path) -> Mapping[str, Any]:
    """What is known of a run that is to be resumed; empty if no state was saved yet."""
    from mltu.tensorflow.run_state import RunState

    state = RunState.read(folder / STATE)
    if not state:
        print(f"{folder}: stopped before anything was saved; training starts from the beginning")
    return state


def read_data(
    configs: ModelConfigs, only_training: bool = False
) -> tuple[dict[str, list[Sample]], list[list[Sample]], list[Skipped]]:
    """Read and split the data; vocabulary and text length are set if the settings leave them open.

    Args:
        configs: of the run.
        only_training: one batch of training lines is enough.

    Returns:
        (samples of "train" and others, further training samples of each dataset of `mix`, what was skipped).
    """
    samples, skipped = load_samples(configs)
    parts, skipped_val = divide(configs, samples)
    mix, skipped_mix = load_mix(configs)
    everyone = [sample for part in (*parts.values(), *mix) for sample in part]
    if not configs.vocab:
        known = first_configs(configs).vocab if configs.init_from else ""
        configs.vocab = known + "".join(
            sorted({character for sample in everyone for character in sample.text} - {*known})
        )
    configs.max_text_length = configs.max_text_length or max(len(sample.text) for sample in everyone)
    if only_training:
        configs.dropout = 0.0
        configs.augmentors = ()
        parts, mix = {"train": parts["train"][: configs.batch_size]}, []
    return parts, mix, [*skipped, *skipped_val, *skipped_mix]


def prepare(
    configs: ModelConfigs,
    parts: Mapping[str, Sequence[Sample]],
    mix: Sequence[Sequence[Sample]],
) -> tuple[dict[str, DataProvider], list[Skipped]]:
    """Providers of the parts; arguments and results as :func:`make_providers`."""
    most_steps = max(steps_by_width(configs).values())
    # longer texts are dropped in any case, for want of time steps
    configs.max_text_length = min(configs.max_text_length, most_steps)
    providers, dropped = make_providers(configs, parts, mix)
    counts = ", ".join(f"{len(provider.samples)} {part}" for part, provider in providers.items())
    print(f"Lines: {counts}. {len(configs.vocab)} characters, {most_steps} time steps.")
    return providers, dropped


def write_lists(configs: ModelConfigs, providers: Mapping[str, DataProvider], skipped: Sequence[Skipped]) -> None:
    """Write the settings, what was started, the split and what was skipped to the run's folder."""
    import keras

    from mltu.tensorflow.devices import list_devices

    folder = Path(configs.model_path)
    configs.save()
    add_record(folder, Path(__file__).parent, backend=keras.backend.backend(), devices=list_devices())
    for part, provider in providers.items():
        provider.to_csv(folder / f"{part}.csv")
    write_skipped(folder / SKIPPED, skipped)


def train_and_export(
    configs: ModelConfigs,
    model: keras.Model,
    providers: Mapping[str, DataProvider],
    skipped: Sequence[Skipped],
    resumed: Mapping[str, Any] | None,
    replicas: Replicas | None,
) -> None:
    """Train in a prepared folder, judge by the test lines if there are some, and export.

    Args:
        configs: of the run.
        model: compiled.
        providers: of "train", "val" and perhaps "test".
        skipped: what has been skipped so far.
        resumed: what is known of the earlier part of the run; None if it is new.
        replicas: the devices, if there are several.
    """
    import keras

    from mltu.tensorflow import recurrent  # noqa: F401 - registers the layers of saved models

    folder = Path(configs.model_path)
    if configs.init_from and not resumed:
        start_from(configs, model)
    model.summary(line_length=110)
    draw_samples(providers["train"], folder / SAMPLES)
    result = fit(configs, model, providers, resumed, replicas)
    result |= {f"{part}_lines": len(provider.samples) for part, provider in providers.items()}
    lost = [one for provider in providers.values() for one in provider.dropped]
    if lost:
        write_skipped(folder / SKIPPED, [*skipped, *lost])
        print(f"{len(lost)} lines could not be read any more in training; they are listed in {folder / SKIPPED}")
    result["skipped"] = len(skipped) + len(lost)
    if "test" in providers:
        reader = keras.models.load_model(folder / CHECKPOINT, compile=False)
        compile_model(configs, reader)
        scores = reader.evaluate(providers["test"].for_keras(), verbose=0, return_dict=True)
        result |= {f"test_{name}": float(value) for name, value in scores.items()}
        print(f"Test: CER {scores['CER']:.2%}, WER {scores['WER']:.2%}")
    write_whole(folder / "results.json", (json.dumps(result, indent=2) + "\n").encode())
    if keras.backend.backend() != "tensorflow":
        export_elsewhere(folder)
    else:
        val = providers["val"]
        export(configs, [val.process_data(one)[0] for one in val.samples[:COMPARED_LINES]], val.samples)
    if "val_CER" in result:
        print(f"Best: CER {result['val_CER']:.2%}, WER {result['val_WER']:.2%} in epoch {result['best_epoch']}.")
    if (folder / "model.onnx").exists():
        print(f"Read a line: python inferenceModel.py --model {folder} --image FILE")


def parse(args: Sequence[str] | None = None) -> tuple[argparse.Namespace, ModelConfigs]:
    """Settings from flags over those of `--config` over the defaults."""
    parser = ArgumentParser(description=__doc__)
    actions = parser.add_argument_group("what to do, if not a whole run")
    actions.add_argument("--config", metavar="FILE", help="settings to start from; the run gets a folder of its own")
    actions.add_argument("--check_only", action="store_true", help="read, check and split the data, then stop")
    actions.add_argument("--show_samples", action="store_true", help="draw what the network gets, then stop")
    actions.add_argument("--find_lr", action="store_true", help="try learning rates, suggest one, then stop")
    actions.add_argument("--overfit_batch", action="store_true", help="learn one batch by heart; nothing is saved")
    actions.add_argument("--export_only", metavar="DIR", help="export the best weights of a finished run again")
    actions.add_argument("--resume", metavar="DIR", help="go on with a run that was stopped, with its settings")
    actions.add_argument("--overwrite", action="store_true", help="replace an earlier run in the same folder")
    actions.add_argument("--int8", metavar="DIR", help="write model.int8.onnx beside the model.onnx of a run")
    action_names = {action.dest for action in actions._group_actions}
    ModelConfigs.add_arguments(parser)
    given = parser.parse_args(args)
    chosen = [name for name in ACTIONS if getattr(given, name)]
    if len(chosen) > 1:
        parser.error(f"--{chosen[0]} does not go with --{chosen[1]}; one after the other")
    if chosen and given.overwrite:
        parser.error(f"--{chosen[0]} trains nothing, so it does not go with --overwrite; choose another --model_path")
    flags = {name: value for name, value in vars(given).items() if name not in action_names}
    values: dict[str, Any] = {}
    if given.resume:
        wrong = sorted(flags.keys() - RESUMABLE_FIELDS)
        if wrong or given.config or given.overwrite or any(getattr(given, name) for name in ACTIONS):
            parser.error(f"--resume keeps the settings of the run; only --{', --'.join(sorted(RESUMABLE_FIELDS))} go")
        values = read_yaml(Path(given.resume) / "configs.yaml") | {"model_path": given.resume}
    if given.config:
        values = read_yaml(given.config)
        ModelConfigs.check_names_and_types(values, given.config)
        of_a_run = values.pop("model_path", None) is not None  # which keeps its folder
        if flags.get("dataset") not in (None, values.get("dataset", "iam")):
            values.pop("data_path", None)  # it belongs to the other dataset
        if of_a_run and not flags.keys().isdisjoint(DERIVING_FIELDS):
            values.pop("vocab", None)
            values.pop("max_text_length", None)
    return given, ModelConfigs.from_dict(values | flags)


def main(args: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        given, configs = parse(args)
        if given.export_only:
            export_run(Path(given.export_only))
            return 0
        if given.int8:
            folder = Path(given.int8)
            OnnxInferenceModel(folder)  # says what is wrong if there is none
            write_int8(folder / "model.onnx", folder / INT8)
            print(f"{folder / INT8}: {(folder / INT8).stat().st_size / 1e6:.1f} MB")
            return 0
        chosen = [name for name in (*ACTIONS, "resume") if getattr(given, name)]
        return run(configs, *chosen[:1], overwrite=given.overwrite)
    except InputError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 2
    except WorkerLost as error:
        print(f"train.py: {error}", file=sys.stderr, flush=True)
        os._exit(1)  # the usual end would wait for the other worker, and complain
    except TrainingError as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    except OSError as error:  # a full disk, a path that is too long, ...
        print(f"train.py: {error.filename or 'writing'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("train.py: stopped; where a model.keras was saved, --export_only DIR exports it", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
