"""Train the line finder, which finds the lines of writing on pages, and export it as ONNX.

    python train_lines.py --data_path PAGES/train --val_path PAGES/val     folders of ALTO or PAGE files and images
    python train_lines.py --config recipes/lines_of_pages.yaml             the settings of the weights that are shipped
    python train_lines.py ... --max_minutes 50         the learning rate falls to 0 in this time
    python train_lines.py ... --check_only             read and check the pages, draw what the network gets, then stop
    python train_lines.py --resume Models/lines/...    resume a run that was stopped
    python train_lines.py --export_only Models/...     write and check model.onnx again

Every setting of LineFinderConfigs in configs.py is a flag. A run leaves in its folder: configs.yaml, run.json,
train.csv and val.csv (image and XML file of each page), skipped.csv, samples.png, training.csv, timing.csv,
curves.png, logs.log, model.keras (lowest val_score), model.onnx and results.json. Exit codes are those of train.py.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the slow imports, so that Ctrl-C ends them in one line too
    from mltu.utils.console import guard_imports

    guard_imports("train_lines.py")

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from configs import LineFinderConfigs
from mltu.configs import ArgumentParser
from mltu.datasets.base import Sample, describe_skipped
from mltu.datasets.page_scenes import MapDrawer, PageReader, RandomScenes, list_page_samples
from mltu.pictures.curves import Panel
from mltu.pictures.scenes import scene_sheet
from mltu.run_folder import RunFolder, lines_digest
from mltu.tensorflow.devices import Devices, enable_determinism, start_backend
from mltu.tensorflow.failures import translated_failures
from mltu.utils.console import command
from mltu.utils.image_utils import write_png

if TYPE_CHECKING:  # Keras takes seconds to import, so functions import it, when settings and data are known to be right
    import keras

    from mltu.tensorflow.dataProvider import DataProvider

SHOWN_SCENES = 20  # on the sheet of samples
PANELS = (Panel("loss", ("loss",)), Panel("F1 of cores, height error", ("F1", "height_error")))


def run(configs: LineFinderConfigs, action: str = "", overwrite: bool = False) -> int:
    """The story of a run; returns the exit code.

    Args:
        configs: of the run.
        action: "check_only"; "resume" to continue the run in the folder; else a whole new run.
        overwrite: replace an earlier run in the folder.

    Raises:
        InputError: settings or pages cannot be used, or another run is using the folder.
        TrainingError: training or export went wrong.
    """
    cv2.setNumThreads(1)  # the workers that make scenes share the cores
    folder, resume, devices = RunFolder(configs.model_path), action == "resume", Devices()
    with folder.opened(resume, overwrite) as saved, translated_failures(folder, devices) as watched:
        backend = start_backend()
        # Data: every page is read once, and what cannot be used is skipped.
        parts, skipped = {}, []
        for part, path in (("train", configs.data_path), ("val", configs.val_path)):
            parts[part], unusable = list_page_samples(path)
            skipped += unusable
        pages = {part: make_pages(configs, samples) for part, samples in parts.items()}
        skipped += [entry for provider in pages.values() for entry in provider.validate()]
        if skipped:
            print(f"{describe_skipped(skipped)}. Listed in {folder.skipped}")
        print(f"Pages: {', '.join(f'{len(provider.samples)} {part}' for part, provider in pages.items())}.")
        train, val = make_scenes(configs, pages["train"]), make_scenes(configs, pages["val"], fixed=True)
        watched += [train, val]

        with closing(pages["train"]), closing(pages["val"]):
            # Network.
            model = build(configs)
            if saved:
                folder.check_lines(saved, pages["train"].samples)
            folder.begin(configs, pages, skipped, not resume, project=Path(__file__).parent, **backend)
            draw_samples(configs, train, folder)
            if action == "check_only":
                print(f"Nothing was trained; {folder.samples} shows what the network would get.")
                return 0

            # Training and results.
            print(f"The network has {model.count_params():,} weights.")
            results = fit(configs, folder, model, train, val, lines_digest(pages["train"].samples), saved)
            results |= {f"{part}_pages": len(provider.samples) for part, provider in pages.items()}
            folder.write_results(results | {"skipped": len(skipped)})
            from mltu.tensorflow import export

            export.export_best(folder, partial(export.export_line_finder, folder, val[0][0]), script=__file__)
            if "val_F1" in results:
                print(f"Best: F1 of cores {results['val_F1']:.3f}, in epoch {results['best_epoch']}.")
    return 0


def make_pages(configs: LineFinderConfigs, samples: Sequence[Sample]) -> DataProvider:
    """The provider of whole pages, with their truth."""
    from mltu.tensorflow.dataProvider import DataProvider

    return DataProvider(
        samples,
        data_preprocessors=[PageReader(configs.partial_truth)],
        batch_size=configs.batch_size,
        use_cache=configs.cache_mb > 0,
        cache_mb=configs.cache_mb,
        seed=configs.seed,
        workers=configs.train_workers,
        use_multiprocessing=configs.load_in_processes,
    )


def make_scenes(configs: LineFinderConfigs, pages: DataProvider, fixed: bool = False) -> DataProvider:
    """The provider of scenes of these pages, new ones in each epoch unless they are to be fixed."""
    from mltu.loading.batches import Mixture

    count = configs.val_scenes if fixed else configs.epoch_scenes
    samples = pages.samples * -(-count // len(pages.samples))  # each time with random numbers of its own
    augmentors = [RandomScenes(configs.side, configs.min_scale, configs.max_scale)]
    if fixed:
        scenes = pages.with_samples(samples[:count], augmentors)
    else:
        scenes = pages.with_samples(samples, augmentors, True, Mixture.of([len(samples)], epoch_samples=count))
    scenes.transformers = [MapDrawer()]
    return scenes


def draw_samples(configs: LineFinderConfigs, train: DataProvider, folder: RunFolder) -> None:
    """Draw a sheet of scenes as the network gets them, with their truth."""
    from mltu.tensorflow.monitoring import spread

    samples = enumerate(spread(train.samples, SHOWN_SCENES))
    write_png(
        folder.samples,
        scene_sheet([train.process_data(page, np.random.default_rng([configs.seed, i])) for i, page in samples]),
    )


def build(configs: LineFinderConfigs) -> keras.Model:
    """The network with its optimiser, loss and metrics; seeds Keras."""
    import keras

    from mltu.tensorflow import line_maps
    from mltu.tensorflow.fine_tuning import load_all_weights
    from mltu.tensorflow.model_utils import set_statistics_momentum
    from mltu.tensorflow.optimizers import make_optimizer
    from model import line_finder_model

    keras.utils.set_random_seed(configs.seed)
    if configs.deterministic:
        enable_determinism()
    model = line_finder_model()
    if configs.init_from:
        load_all_weights(model, configs.init_from)
    if configs.ema:  # averaged weights go with the statistics of as many batches
        set_statistics_momentum(model, configs.ema)
    model.compile(
        optimizer=make_optimizer(configs.learning_rate, configs.weight_decay, configs.clip_norm, configs.ema),
        loss=line_maps.LineMapLoss(),
        metrics=[line_maps.CoreF1(), line_maps.HeightError(), line_maps.DirectionError(), line_maps.FinderScore()],
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )
    return model


def fit(
    configs: LineFinderConfigs,
    folder: RunFolder,
    model: keras.Model,
    train: DataProvider,
    val: DataProvider,
    digest: str,
    saved: Mapping[str, Any],
) -> dict[str, Any]:
    """Choose what steers and watches training, bring back a saved state, and train, as :func:`.fitting.fit` says."""
    from mltu.tensorflow import callbacks as steering
    from mltu.tensorflow import fitting, monitoring
    from mltu.tensorflow.run_state import RunState

    clock = steering.Clock(60 * configs.max_minutes, saved.get("seconds", 0.0))
    state = RunState(folder, clock, digest)
    best, interrupt = steering.SaveBest(folder.weights), steering.StopOnInterrupt(state.save)
    total_steps = len(train) * configs.train_epochs
    # The order matters, as in train.py: averaged weights are swapped in before the best are saved, the state is saved
    # after all that changes the model, and the time is taken last, so that saving counts.
    callbacks = [steering.EpochNumber(train), steering.StopOnBadLoss(), clock]
    callbacks += [steering.SwapAverage(swapped=bool(saved.get("swapped")))] if configs.ema else []
    callbacks += [
        best,
        steering.WarmupCosine(configs.learning_rate, configs.warmup_steps, total_steps, len(train), clock),
    ]
    state.watch(callbacks)
    state.write(60 * configs.save_minutes)
    callbacks += [state, monitoring.TrainLogger(folder.path, folder.log.name), interrupt]
    callbacks += [monitoring.Curves(state, folder, PANELS)]
    callbacks += [monitoring.StageTimes(train, folder, configs.train_epochs, clock, "scenes")]
    epochs_done = state.load(model, train, saved, within_epochs=True)
    feeds = train.for_keras(), val.for_keras()
    return fitting.fit(model, *feeds, configs, epochs_done, callbacks, state, clock, interrupt, best)


def parse(args: Sequence[str] | None = None) -> tuple[argparse.Namespace, LineFinderConfigs | None]:
    """Settings from flags over those of `--config` or `--resume` over the defaults; None for `--export_only`."""
    parser = ArgumentParser(description=__doc__)
    group = parser.add_argument_group("what to do, if not a whole run")
    flags = [
        group.add_argument("--config", metavar="FILE", help="settings to start from; the run gets a folder of its own"),
        group.add_argument("--check_only", action="store_true", help="read and check the pages, then stop"),
        group.add_argument("--export_only", metavar="DIR", help="export the best weights of a finished run again"),
        group.add_argument("--resume", metavar="DIR", help="resume a run that was stopped, with its settings"),
        group.add_argument("--overwrite", action="store_true", help="replace an earlier run in the same folder"),
    ]
    LineFinderConfigs.add_arguments(parser)
    given = parser.parse_args(args)
    settings = {name: value for name, value in vars(given).items() if name not in {flag.dest for flag in flags}}
    if given.resume and (given.config or given.overwrite or given.check_only):
        parser.error("--resume continues a run; it does not go with --config, --overwrite or --check_only")
    if given.export_only:
        return given, None
    return given, LineFinderConfigs.from_flags(settings, given.config, given.resume)


@command("train_lines.py", "stopped; where a model.keras was saved, --export_only DIR exports it", prints_results=False)
def main(args: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    given, configs = parse(args)
    if configs:
        return run(configs, "resume" if given.resume else "check_only" if given.check_only else "", given.overwrite)
    from mltu.tensorflow.export import export_line_finder

    folder = RunFolder(given.export_only)
    configs = LineFinderConfigs.load(folder.configs)
    with closing(make_pages(configs, list_page_samples(configs.val_path)[0])) as pages:
        export_line_finder(folder, make_scenes(configs, pages, fixed=True)[0][0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
