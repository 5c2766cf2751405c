"""The figures of the scaling measurements: time and memory of a step on log axes, with the floor beside them."""

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
    "members": "MLPs 2-16-32-2, batch 20",
    "parameters": "Adam's update alone",
}
MEMORY = "memory by "
"""What the axes of memory begin with; the rest is an axis of time."""
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
    times, memories = ([axis for axis in measured if axis.startswith(MEMORY) == of] for of in (False, True))
    together = Figure(figsize=(3.2 * len(times), 3.6 * (1 + bool(memories)) + 0.4), layout="constrained")
    grid = together.subplots(1 + bool(memories), len(times), squeeze=False)
    for row, names in zip(grid, (times, memories), strict=False):
        for axes, axis in zip(row, names, strict=False):
            panel(axes, axis, measured[axis])
        for axes in row[len(names) :]:
            axes.axis("off")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    together.legend(handles, labels, frameon=False, loc="outside lower center", ncols=len(labels))
    paths.append(folder / "scaling.png")
    together.savefig(paths[-1], dpi=130)
    return paths


def panel(axes: Axes, axis: str, lines: Lines) -> None:
    """Draw one axis."""
    label, factor = ("peak memory (MB)", 1e-6) if axis.startswith(MEMORY) else ("step (µs)", 1e6)
    for name, line in lines.items():
        numbers, values = zip(*line, strict=True)
        axes.loglog(numbers, [factor * value for value in values], label=name, markersize=4, **STYLES[name])
    number = axis.removeprefix(MEMORY)
    axes.set(xlabel=number, ylabel=label, title=TITLES[number])
    axes.grid(alpha=0.3)
