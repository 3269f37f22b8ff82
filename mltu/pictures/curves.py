"""Curves of a training run: loss and error rates over the epochs, loss over the learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ..utils.files import atomic_path

MAX_PERCENT = 110  # higher error rates, of the first epochs, are drawn there


class Panel(NamedTuple):
    """One of the diagrams of a run's curves."""

    title: str
    names: tuple[str, ...]  # of values; their validation values begin with `val_`
    percent: bool = False


READING_PANELS = (Panel("CTC loss", ("loss",)), Panel("error rates, %", ("CER", "WER"), percent=True))


def save_curves(
    epochs: Sequence[Mapping[str, float]], path: str | Path, panels: Sequence[Panel] = READING_PANELS
) -> None:
    """Draw values over the epochs as PNG, by default loss and error rates.

    Args:
        epochs: the values of each epoch: `epoch`, and any of those of the panels, for validation too.
        path: of the picture, which is written whole or not at all.
        panels: side by side.
    """
    from matplotlib.figure import Figure  # not pyplot, which keeps global state and looks for a screen
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(5 * len(panels), 4), layout="constrained")
    colors = {name: f"C{number}" for number, name in enumerate(sum((panel.names for panel in panels), ()))}
    for axes, panel in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for name in panel.names:
            for key, style, label in ((name, "--", "training"), (f"val_{name}", "-", "validation")):
                points = [(values["epoch"], values[key]) for values in epochs if key in values]
                if points:
                    x, y = zip(*points, strict=True)
                    y = [min(100 * rate, MAX_PERCENT) for rate in y] if panel.percent else y
                    marker = "." if len(x) == 1 else None
                    axes.plot(x, y, style, color=colors[name], label=f"{label} {name}", marker=marker)
        axes.set(xlabel="epoch", title=panel.title)
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
