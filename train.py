"""Train a handwriting recogniser and export it as ONNX.

    python train.py                                        IAM sentences from Datasets/IAM_Sentences
    python train.py --unit lines --split aachen --data_path Datasets/IAM
    python train.py --dataset synthetic --samples 2000     generated handwriting, no download
    python train.py --dataset table --data_path lines.csv  your own lines: image,text[,writer]
    python train.py --dataset alto --data_path FOLDER      lines cut out of pages, by ALTO or PAGE XML
    python train.py --config Models/.../configs.yaml       the settings of an earlier run
    python train.py --check_only                           read, check and split the data, then stop
    python train.py --show_samples                         a picture of what the network gets, then stop
    python train.py --find_lr                              try learning rates, suggest one, then stop
    python train.py --overfit_batch                        overfit one batch, to prove the set-up
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

if __name__ == "__main__":  # before the slow imports, so that Ctrl-C ends them in one line too
    from mltu.utils.console import guard_imports

    guard_imports("train.py")

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2

from configs import ModelConfigs
from mltu.augmentors import AUGMENTORS
from mltu.configs import ArgumentParser
from mltu.datasets.base import Sample, Skipped, describe_skipped
from mltu.datasets.from_configs import read_mix, read_samples, split_samples
from mltu.datasets.table import read_table
from mltu.inferenceModel import write_int8
from mltu.line_input import LineInput
from mltu.preprocessors import DarkOnLight
from mltu.run_folder import RunFolder, lines_digest
from mltu.tensorflow.devices import Devices, enable_determinism, quickest_precision, start_backend
from mltu.tensorflow.failures import translated_failures
from mltu.transformers import HeightLimit, ImagePadding, LabelIndexer, LabelPadding, LabelStepCheck
from mltu.utils.console import command

if TYPE_CHECKING:  # Keras takes seconds to import, so functions import it, when settings and data are known to be right
    import keras

    from mltu.tensorflow.dataProvider import DataProvider

SANITY_CHECKS = ("show_samples", "find_lr", "overfit_batch")
ACTIONS = ("check_only", *SANITY_CHECKS)  # instead of a whole run


def run(configs: ModelConfigs, action: str = "", overwrite: bool = False) -> int:
    """The story of a run; returns the exit code. The action is one of ACTIONS, "resume", or empty for a whole new run.

    Raises:
        InputError: settings or data cannot be used, or another run is using the folder.
        TrainingError: training or export went wrong, or another worker was lost.
    """
    cv2.setNumThreads(1)  # the workers that load images share the cores
    folder, resume = RunFolder(configs.model_path), action == "resume"
    devices = Devices()
    if configs.distribute != "none" and action not in ACTIONS:
        from mltu.tensorflow import distribute

        devices = distribute.start(configs.distribute, configs.replicas)
    writes = devices.is_chief and action != "overfit_batch"
    with (
        folder.opened(resume, overwrite, writes) as saved,  # the state of a run that is resumed, else empty
        translated_failures(folder, devices) as watched,
    ):
        # Data: samples, who of them is in training and who in validation, and what else is mixed in.
        samples, skipped = read_samples(configs)
        parts, unassigned = split_samples(configs, samples)
        mix, skipped_in_mix = read_mix(configs)
        backend = start_backend()
        from model import time_steps

        initial = configs.initial() if configs.init_from and not saved else None
        line_input = LineInput.from_configs(configs)
        steps_by_width = time_steps(line_input.widths, configs.height, configs.architecture, configs.steps_per_column)
        texts = [sample.text for part in (*parts.values(), *mix) for sample in part]
        if action == "overfit_batch":
            configs = replace(configs, dropout=0.0, augmentors=())
            parts, mix = {"train": parts["train"][: configs.batch_size]}, []
        configs = configs.completed(
            texts,
            known_vocab=initial.vocab if initial else "",
            max_steps=max(steps_by_width.values()),
            quickest_precision=quickest_precision() if configs.precision == "auto" else "auto",
        )

        # Batches: every sample is tried once, and what cannot be used is skipped.
        recheck = action == "check_only"
        providers, dropped = make_providers(configs, line_input, steps_by_width, parts, mix, recheck)
        watched.extend(providers.values())
        skipped += [*unassigned, *skipped_in_mix, *dropped]
        if skipped:
            listed = writes and action not in SANITY_CHECKS
            print(describe_skipped(skipped) + (f". Listed in {folder.skipped}" if listed else ""))

        with closing(providers["train"]):
            from mltu.tensorflow import checks, fine_tuning, results, summary

            # Network, and sanity checks before a long run.
            model = build(configs, line_input, devices)
            if action in SANITY_CHECKS:
                return 0 if checks.CHECKS[action](configs, folder, model, providers["train"]) else 1
            if saved:
                folder.check_lines(saved, providers["train"].samples)
            if initial:
                same = initial.architecture == configs.architecture
                fine_tuning.load_initial_weights(model, configs.vocab, configs.init_from, initial.vocab, same)
            if writes:  # nothing of an earlier run is replaced before all that can be wrong was found
                folder.begin(configs, providers, skipped, not resume, project=Path(__file__).parent, **backend)
            if action == "check_only":
                print(f"Nothing was trained; the split is in {folder.path}.")
                return 0

            # Training, and results, which the chief alone writes.
            if devices.is_chief:
                checks.draw_samples(providers["train"], folder)
                print(summary.describe(configs, model, providers, folder, backend["devices"]))
            trained = fit(configs, folder, model, providers, devices, saved)
            if devices.is_chief:
                results.finish(trained, folder, line_input, configs.vocab, providers, skipped, script=__file__)
            else:
                print(f"{trained['ended']}; the chief exports what was learnt.", flush=True)
            devices.barrier()
    return 0


def make_providers(
    configs: ModelConfigs,
    line_input: LineInput,
    steps_by_width: Mapping[int, int],
    parts: Mapping[str, Sequence[Sample]],
    mix: Sequence[Sequence[Sample]] = (),
    recheck: bool = False,
) -> tuple[dict[str, DataProvider], list[Skipped]]:
    """Providers of batches by part ("train", "val", "test"), and the samples that were dropped.

    Only "train" is shuffled, augmented, and mixed with further samples. Lines that an earlier run has checked are
    tried again only if they have changed, or for `recheck`.
    """
    from mltu.loading.batches import Mixture
    from mltu.loading.checked import CheckedLines
    from mltu.tensorflow.dataProvider import DataProvider

    varies = line_input.width_step is not None
    preprocessors = [line_input.reader, DarkOnLight(), *([HeightLimit(configs.height)] if varies else [])]
    transformers = [
        line_input.resizer,
        LabelIndexer(configs.vocab),
        LabelStepCheck(steps_by_width),
        LabelPadding(max_word_length=configs.max_text_length, padding_value=len(configs.vocab)),
    ]
    common = DataProvider(  # of which each part gets a copy with its own samples
        parts["train"],
        data_preprocessors=preprocessors,
        transformers=transformers,
        batch_postprocessors=[ImagePadding()] if varies else [],
        same_shape=varies,
        batch_size=configs.batch_size,
        use_cache=configs.cache_mb > 0,
        cache_mb=configs.cache_mb,
        seed=configs.seed,
        workers=configs.train_workers,
        use_multiprocessing=configs.load_in_processes,
    )
    groups = [parts["train"], *mix]
    mixture = Mixture.of(map(len, groups), configs.mix_weights, configs.epoch_lines)
    augmentors = [AUGMENTORS[name]() for name in configs.augmentors]
    providers = {"train": common.with_samples(sum(map(list, groups), []), augmentors, shuffle=True, mixture=mixture)}
    providers |= {part: common.with_samples(samples) for part, samples in parts.items() if part != "train" and samples}
    checked = CheckedLines([*preprocessors, *transformers], recheck)
    dropped = [entry for provider in providers.values() for entry in provider.validate(checked)]
    checked.save()
    if checked.found:
        print(f"{checked.found} lines have not changed since an earlier run checked them.")
    counts = ", ".join(f"{len(provider.samples)} {part}" for part, provider in providers.items())
    print(f"Lines: {counts}. {len(configs.vocab)} characters, {max(steps_by_width.values())} time steps.")
    return providers, dropped


def build(configs: ModelConfigs, line_input: LineInput, devices: Devices) -> keras.Model:
    """The network with its optimiser, loss and metrics, for the devices; seeds Keras and sets its precision."""
    import keras

    from mltu.tensorflow.model_utils import compile_model, set_statistics_momentum
    from mltu.tensorflow.optimizers import make_optimizer
    from model import train_model

    keras.utils.set_random_seed(configs.seed)
    if configs.deterministic:
        enable_determinism()
    keras.config.set_dtype_policy(configs.precision)
    with devices.scope():
        network = train_model(
            input_dim=line_input.shape,
            output_dim=len(configs.vocab),
            activation=configs.activation,
            dropout=configs.dropout,
            architecture=configs.architecture,
            shortcut=configs.shortcut > 0,
            steps_per_column=configs.steps_per_column,
        )
        if configs.ema:  # averaged weights go with the statistics of as many batches
            set_statistics_momentum(network, configs.ema)
        model = devices.wrap(network, configs.shortcut)
        optimizer = make_optimizer(configs.learning_rate, configs.weight_decay, configs.clip_norm, configs.ema)
        compile_model(model, configs.vocab, optimizer)
        devices.prepare(model)
    return model


def fit(
    configs: ModelConfigs,
    folder: RunFolder,
    model: keras.Model,
    providers: Mapping[str, DataProvider],
    devices: Devices,
    saved: Mapping[str, Any],
) -> dict[str, Any]:
    """Choose what steers and watches training, bring back a saved state, and train, as :func:`.fitting.fit` says."""
    from keras.callbacks import EarlyStopping, ReduceLROnPlateau

    from mltu.tensorflow import callbacks as steering
    from mltu.tensorflow import fitting, monitoring
    from mltu.tensorflow.run_state import RunState

    train, val = providers["train"], providers["val"]
    clock = devices.clock(60 * configs.max_minutes, saved.get("seconds", 0.0))
    state = RunState(folder, clock, lines_digest(train.samples))
    best = steering.SaveBest(folder.weights) if devices.is_chief else None
    interrupt = devices.interrupt(state.save)
    if configs.schedule == "cosine":
        total_steps = len(train) * configs.train_epochs
        rates = [steering.WarmupCosine(configs.learning_rate, configs.warmup_steps, total_steps, len(train), clock)]
    else:
        score = {"monitor": "val_score", "mode": "min", "verbose": 1}
        fall = {"factor": configs.lr_factor, "patience": configs.lr_patience, "min_lr": 1e-6}
        rates = [EarlyStopping(patience=configs.patience, **score), ReduceLROnPlateau(**fall, **score)]
    # The order matters: the score comes before what judges by it, averaged weights are swapped in before the best are
    # saved, the state is saved after all that changes the model, and the time is taken last, so that saving counts.
    callbacks = [steering.EpochNumber(train), steering.StopOnBadLoss(), clock, steering.ValidationScore()]
    callbacks += [steering.SwapAverage(swapped=bool(saved.get("swapped")))] if configs.ema else []
    callbacks += [best, *rates] if best else rates
    state.watch(callbacks)
    shown, drawn = [], []
    if devices.is_chief:
        state.write(60 * configs.save_minutes if devices.saves_within_epochs else 0.0)
        shown = monitoring.logs_and_readings(folder, val, configs.vocab, configs.log_lines)
        drawn = [monitoring.Curves(state, folder), monitoring.StageTimes(train, folder, configs.train_epochs, clock)]
        drawn += [monitoring.SilenceHint(), monitoring.EpochBar(clock)]
    callbacks += [state, *shown, interrupt, *drawn]
    devices.connect(model, clock, interrupt)
    done = state.load(model, train, saved, devices.saves_within_epochs)
    feeds = map(devices.feed, (train, val))
    return fitting.fit(model, *feeds, configs, done, callbacks, state, clock, interrupt, best)


def parse(args: Sequence[str] | None = None) -> tuple[argparse.Namespace, ModelConfigs]:
    """Settings from flags over those of `--config` or `--resume` over the defaults."""
    parser = ArgumentParser(description=__doc__)
    add = parser.add_argument_group("what to do, if not a whole run").add_argument
    add("--config", metavar="FILE", help="settings to start from; the run gets a folder of its own")
    add("--check_only", action="store_true", help="read, check and split the data, then stop")
    add("--show_samples", action="store_true", help="draw what the network gets, then stop")
    add("--find_lr", action="store_true", help="try learning rates, suggest one, then stop")
    add("--overfit_batch", action="store_true", help="overfit one batch; nothing is saved")
    add("--export_only", metavar="DIR", help="export the best weights of a finished run again")
    add("--resume", metavar="DIR", help="go on with a run that was stopped, with its settings")
    add("--overwrite", action="store_true", help="replace an earlier run in the same folder")
    add("--int8", metavar="DIR", help="write model.int8.onnx beside the model.onnx of a run")
    ModelConfigs.add_arguments(parser)
    given = parser.parse_args(args)
    settings = {name: value for name, value in vars(given).items() if name in ModelConfigs.field_types()}
    chosen = [name for name in ACTIONS if getattr(given, name)]
    if len(chosen) > 1:
        parser.error(f"--{chosen[0]} does not go with --{chosen[1]}; one after the other")
    if chosen and given.overwrite:
        parser.error(f"--{chosen[0]} trains nothing, so it does not go with --overwrite; choose another --model_path")
    given.action = "resume" if given.resume else "".join(chosen)
    if given.resume and (given.config or given.overwrite or chosen):
        parser.error("--resume goes on with a run; it does not go with --config, --overwrite or a check")
    return given, ModelConfigs.from_flags(settings, given.config, given.resume)


@command("train.py", "stopped; where a model.keras was saved, --export_only DIR exports it", prints_results=False)
def main(args: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    given, configs = parse(args)
    if given.export_only:
        start_backend()
        from mltu.tensorflow.export import export

        folder = RunFolder(given.export_only)
        configs = ModelConfigs.load(folder.configs)
        export(folder, LineInput.from_configs(configs), configs.vocab, read_table(folder.val)[0])
    elif given.int8:
        folder = RunFolder(given.int8)
        write_int8(folder.onnx, folder.int8)
        print(f"{folder.int8}: {folder.int8.stat().st_size / 1e6:.1f} MB")
    else:
        return run(configs, given.action, given.overwrite)
    return 0


if __name__ == "__main__":
    sys.exit(main())
