"""Plots of a training run."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def png_of(figure: Figure) -> bytes:
    """A matplotlib figure as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()


def save_curves(epochs: Sequence[Mapping[str, float]], path: str | Path) -> None:
    """Draw loss and error rates over the epochs as PNG.

    Args:
        epochs: values of each epoch: `epoch`, and any of `loss`, `val_loss`, `CER`, `val_CER`, `WER`, `val_WER`.
        path: of the picture.

    Raises:
        OSError: the picture cannot be written.
    """
    from matplotlib.figure import Figure  # not pyplot, which keeps global state and looks for a screen
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(10, 4), layout="constrained")
    for axes, names, title in zip(
        figure.subplots(1, 2), (("loss",), ("CER", "WER")), ("CTC loss", "error rates, %"), strict=True
    ):
        for name in names:
            for key, style, label in ((name, "--", "training"), (f"val_{name}", "-", "validation")):
                points = [(values["epoch"], values[key]) for values in epochs if key in values]
                if points:
                    x, y = zip(*points, strict=True)
                    y = y if name == "loss" else [min(100 * rate, 110) for rate in y]
                    color = {"loss": "C0", "CER": "C1", "WER": "C2"}[name]
                    axes.plot(x, y, style, color=color, label=f"{label} {name}", marker="." if len(x) == 1 else None)
        axes.set(xlabel="epoch", title=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    write_whole(Path(path), png_of(figure))


def save_sweep(rates: Sequence[float], losses: Sequence[float], suggestion: float | None, path: str | Path) -> None:
    """Draw the loss over the learning rate as PNG.

    Args:
        rates: learning rate of each step.
        losses: smoothed loss of each step.
        suggestion: learning rate to mark, if any.
        path: of the picture.

    Raises:
        OSError: the picture cannot be written.
    """
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
    write_whole(Path(path), png_of(figure))
