"""Curves of a training run: loss and error rates over the epochs, loss over the learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ..utils.files import atomic_path

COLORS = {"loss": "C0", "CER": "C1", "WER": "C2"}
MAX_PERCENT = 110  # higher error rates, of the first epochs, are drawn there


def save_curves(epochs: Sequence[Mapping[str, float]], path: str | Path) -> None:
    """Draw loss and error rates over the epochs as PNG, which is written whole or not at all.

    An epoch has the values `epoch`, and any of `loss`, `val_loss`, `CER`, `val_CER`, `WER` and `val_WER`.
    """
    from matplotlib.figure import Figure  # not pyplot, which keeps global state and looks for a screen
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, names, title in ((left, ("loss",), "CTC loss"), (right, ("CER", "WER"), "error rates, %")):
        for name in names:
            for key, style, label in ((name, "--", "training"), (f"val_{name}", "-", "validation")):
                points = [(values["epoch"], values[key]) for values in epochs if key in values]
                if points:
                    x, y = zip(*points, strict=True)
                    y = y if name == "loss" else [min(100 * rate, MAX_PERCENT) for rate in y]
                    marker = "." if len(x) == 1 else None
                    axes.plot(x, y, style, color=COLORS[name], label=f"{label} {name}", marker=marker)
        axes.set(xlabel="epoch", title=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, format="png")


def save_sweep(rates: Sequence[float], losses: Sequence[float], suggestion: float | None, path: str | Path) -> None:
    """Draw the smoothed loss over the learning rate of each step as PNG, with a mark where there is a suggestion."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses)
    if suggestion:
        axes.axvline(suggestion, color="C1", linestyle="--", label=f"suggestion {suggestion:.2g}")
        axes.legend()
    axes.set(xscale="log", xlabel="learning rate", ylabel="CTC loss, smoothed")
    if losses and max(losses) > 5 * min(losses) > 0:
        axes.set_yscale("log")
    axes.grid(alpha=0.3)
    with atomic_path(path) as unfinished:
        figure.savefig(unfinished, format="png")
