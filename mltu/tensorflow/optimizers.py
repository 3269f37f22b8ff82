"""The optimiser of a run."""

from __future__ import annotations

from typing import Any

import keras


def make_optimizer(
    learning_rate: float, weight_decay: float = 0.0, clip_norm: float = 0.0, ema: float = 0.0
) -> keras.optimizers.Optimizer:
    """Adam (Kingma and Ba, 2015), or AdamW (Loshchilov and Hutter, 2019) with weight decay.

    Args:
        learning_rate: at its highest.
        weight_decay: decoupled decay of all weights but biases and those of batch normalisation; 0: none.
        clip_norm: largest norm of all gradients together; 0: no limit.
        ema: momentum of the running mean of the weights; 0: none is kept.
    """
    options: dict[str, Any] = {"learning_rate": learning_rate}
    if clip_norm:
        options["global_clipnorm"] = clip_norm
    if ema:
        options |= {"use_ema": True, "ema_momentum": ema}
    if not weight_decay:
        return keras.optimizers.Adam(**options)
    optimizer = keras.optimizers.AdamW(weight_decay=weight_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
