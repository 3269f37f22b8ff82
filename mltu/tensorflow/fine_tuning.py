"""Starting from the weights of another run, whose vocabulary and time steps may be others."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from ..run_folder import RunFolder
from ..utils.errors import InputError
from . import recurrent  # noqa: F401 - registers the layers of saved models
from .model_utils import inference_model

OUTPUT_LAYERS = ("output", "output_scores")  # of model.py, whose weights belong to classes; a network has one of them


def load_initial_weights(
    model: keras.Model, vocab: str, init_from: str | Path, initial_vocab: str, same_network: bool = True
) -> None:
    """Give a model the best weights of another run, whose folder is `init_from`.

    Characters that both vocabularies have keep their output weights, new ones start at random. Where the number of
    steps per column differs, those of the new network start between the old ones. Layers of other shapes start at
    random, if it need not be the same network.

    Raises:
        InputError: there are no weights, or they are those of another network.
    """
    path, model = RunFolder(init_from).weights, inference_model(model)
    shared = [
        (new, initial_vocab.index(character)) for new, character in enumerate(vocab) if character in initial_vocab
    ]
    new, old = np.array([*shared, (len(vocab), len(initial_vocab))]).T  # the blank comes last
    try:
        other = keras.models.load_model(path, compile=False)
        # layers without weights differ: only networks of several steps per column reshape their output
        ours, theirs = ([layer for layer in network.layers if layer.weights] for network in (model, other))
        fresh_layers = 0
        for layer, source in zip(ours, theirs, strict=True):
            weights = source.get_weights()
            if not same_network and _inner_shapes(layer) != _inner_shapes(source):
                fresh_layers += 1
                continue
            if layer.name in OUTPUT_LAYERS:
                values = []
                for fresh, learnt in zip(layer.get_weights(), weights, strict=True):
                    by_class = fresh.reshape(*fresh.shape[:-1], -1, len(vocab) + 1)
                    learnt = learnt.reshape(*learnt.shape[:-1], -1, len(initial_vocab) + 1)
                    by_class[..., new] = interpolate_steps(learnt, by_class.shape[-2])[..., old]
                    values.append(by_class.reshape(fresh.shape))
                weights = values
            layer.set_weights(weights)
        if fresh_layers:
            print(
                f"{fresh_layers} of {len(ours)} layers have other shapes than those of {init_from} and start at random"
            )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"init_from: {path} cannot be used ({reason})") from None


def load_all_weights(model: keras.Model, init_from: str | Path) -> None:
    """Give a model the best weights of another run of the same network, whose folder is `init_from`.

    Raises:
        InputError: there are no weights, or they are those of another network.
    """
    path = RunFolder(init_from).weights
    try:
        model.set_weights(keras.models.load_model(path, compile=False).get_weights())
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"init_from: {path} cannot be used ({reason})") from None


def _inner_shapes(layer: keras.layers.Layer) -> list[tuple[int, ...]]:
    """Shapes of a layer's weights, of output layers without the classes, which may be others."""
    shapes = [tuple(weights.shape) for weights in layer.weights]
    return [shape[:-1] for shape in shapes] if layer.name in OUTPUT_LAYERS else shapes


def interpolate_steps(weights: np.ndarray, steps: int) -> np.ndarray:
    """Output weights of shape (..., steps of a column, classes) for another number of steps, linearly between them."""
    places = np.linspace(0, weights.shape[-2] - 1, steps)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, weights.shape[-2] - 1)
    part = (places - below)[:, None]
    return weights[..., below, :] * (1 - part) + weights[..., above, :] * part
