"""The curves of a run as a figure: a panel for each quantity, train and validation in it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

SPLITS = {"train": "-", "validation": (0, (5, 2))}
"""The splits in a panel, with their line styles."""

FEW_EPOCHS = 15
"""Up to this number of epochs, points have markers, since a line of one point is invisible."""

LEGEND = 8
"""The most settings that the legend names, spread over all of them."""

COLORS = {"train": "#0072B2", "validation": "#D55E00"}  # of Okabe and Ito's palette

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#666666",
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.7,
    "axes.axisbelow": True,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "svg.hashsalt": "chainrule",  # identical curves give identical bytes
}


def draw(title: str, curves: Mapping[str, Any], settings: Sequence[str]) -> Figure:
    """Return the figure of curves (epochs,), or (epochs, M) with what each member is set to.

    Members of different settings have lines of their own, and each split a panel; those that differ by their seed alone
    are a median with the range from 10 to 90 %.
    """
    quantities: dict[str, dict[str, Any]] = {}
    for name, curve in curves.items():
        split = next((one for one in SPLITS if name.startswith(f"{one}_")), "")
        values = np.asarray(curve, dtype=float)
        values[~np.isfinite(values)] = np.nan
        quantities.setdefault(name.removeprefix(f"{split}_"), {})[split] = values
    distinct = list(dict.fromkeys(settings))
    is_grid = len(distinct) > 1
    rows = max(map(len, quantities.values())) if is_grid else 1
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.0 + 3.7 * len(quantities), 0.9 + 2.9 * rows), layout="constrained")
        panels = figure.subplots(rows, len(quantities), squeeze=False, sharex=True, sharey="col")
        for column, (quantity, splits) in zip(panels.T, quantities.items(), strict=True):
            for panel in column[len(splits) if is_grid else rows :]:
                panel.remove()
            for panel, (split, values) in zip(
                column if is_grid else [column[0]] * len(splits), splits.items(), strict=False
            ):
                named = f"{split}_{quantity}" if split else quantity
                if is_grid:
                    _draw_grid(panel, named, values, settings, distinct)
                else:
                    _draw_seeds(panel, named, split, values)
                panel.set_title((named if is_grid else quantity).replace("_", " ").capitalize())
                panel.set_xlabel("Epoch")
                panel.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
            if quantity == "loss" and _spans_decades(splits.values()):
                column[0].set_yscale("log")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), handlelength=2.8)
        figure.suptitle(title)
    return figure


def render(figure: Figure, kind: str) -> bytes:
    """Return the figure as "png" or "svg"; identical curves give identical bytes."""
    file = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(file, format=kind, dpi=160, metadata={"Date": None} if kind == "svg" else {"Software": None})
    return file.getvalue()


def _draw_grid(panel: Any, name: str, values: Any, settings: Sequence[str], distinct: Sequence[str]) -> None:
    told = {distinct[round(i)] for i in np.linspace(0, len(distinct) - 1, min(LEGEND, len(distinct)))}
    for index, setting in enumerate(distinct):
        color = mpl.colormaps["viridis"](0.92 * index / (len(distinct) - 1))
        several = values[:, [one == setting for one in settings]]
        lines = panel.plot(_epochs(values), several, color=color, alpha=0.85, marker=_marker(values))
        for member, line in enumerate(lines):
            line.set_gid(f"{name}:{setting}:{member}")
        if setting in told:
            lines[0].set_label(setting)


def _draw_seeds(panel: Any, name: str, split: str, values: Any) -> None:
    color = COLORS.get(split, "#009E73")
    style = {"color": color, "linestyle": SPLITS.get(split, "-"), "marker": _marker(values), "gid": name}
    if values.ndim == 1:
        panel.plot(_epochs(values), values, label=split or name, **style)
        return
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # of epochs without a finite value
        low, middle, high = np.nanquantile(values, [0.1, 0.5, 0.9], axis=1)
    panel.plot(
        _epochs(values), middle, label=f"{split or name}, median and 10 to 90 % of {values.shape[1]} seeds", **style
    )
    panel.fill_between(_epochs(values), low, high, color=color, alpha=0.15, linewidth=0)


def _epochs(values: Any) -> Any:
    return np.arange(1, len(values) + 1)


def _marker(values: Any) -> str:
    return "." if len(values) <= FEW_EPOCHS else ""


def _spans_decades(several: Iterable[Any]) -> bool:
    """Return whether positive values span more than a linear axis shows."""
    found = np.concatenate([values.ravel() for values in several])
    found = found[np.isfinite(found)]
    return bool(len(found)) and bool(found.min() > 0) and bool(found.max() > 50 * found.min())
