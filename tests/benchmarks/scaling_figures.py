"""The figures of the scaling measurements: step time on log axes, with the floor beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

Lines = Mapping[str, Sequence[tuple[int, float]]]

TITLES = {
    "width": "MLP n-n-n-10, batch 128",
    "hidden layers": "width 64, batch 128",
    "batch": "MLP 256-256-256-10",
    "members": "ensembles of MLP 2-16-32-2, batch 20",
    "parameters": "Adam's update alone",
}
STYLES = {
    "chainrule": {"color": "#0072B2", "marker": "o"},
    "chainrule, compile=True": {"color": "#009E73", "marker": "s"},
    "torch, fused=True": {"color": "#D55E00", "marker": "^"},
    "floor": {"color": "#555555", "linestyle": "--"},
}
"""Colours that readers with any colour vision tell apart."""


def draw(measured: Mapping[str, Lines], folder: Path) -> list[Path]:
    """Write one PNG for each axis and one of all, and return their paths."""
    paths = []
    for axis, lines in measured.items():
        figure = Figure(figsize=(5.5, 4), layout="constrained")
        panel(figure.add_subplot(), axis, lines)
        figure.axes[0].legend(frameon=False)
        paths.append(folder / f"scaling_{axis.replace(' ', '_')}.png")
        figure.savefig(paths[-1], dpi=150)
    together = Figure(figsize=(13, 7.5), layout="constrained")
    grid = together.subplots(2, 3)
    for axes, (axis, lines) in zip(grid.flat, measured.items(), strict=False):
        panel(axes, axis, lines)
    handles = {label: h for axes in together.axes for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    last = grid.flat[-1]
    last.axis("off")
    last.legend(handles.values(), handles, frameon=False, loc="center", fontsize="large")
    paths.append(folder / "scaling.png")
    together.savefig(paths[-1], dpi=130)
    return paths


def panel(axes: Axes, axis: str, lines: Lines) -> None:
    """Draw one axis."""
    for name, line in lines.items():
        numbers, seconds = zip(*line, strict=True)
        axes.loglog(numbers, [1e6 * value for value in seconds], label=name, markersize=4, **STYLES[name])
    axes.set(xlabel=axis, ylabel="step (µs)", title=TITLES[axis])
    axes.grid(alpha=0.3)
