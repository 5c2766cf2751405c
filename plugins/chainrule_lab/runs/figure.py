"""The curves of a run as a figure: its loss and metrics over the epochs, train and validation."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from chainrule_lab.figure_style import STYLE, marker

SPLITS = {"train": "-", "validation": (0, (5, 2))}
"""The splits, with their line styles."""

COLORS = {"train": "#0072B2", "validation": "#D55E00", "": "#009E73"}  # of Okabe and Ito's palette

COLUMNS = 3
"""The most panels side by side."""

LEGEND = 8
"""The most settings that the legend names, spread over all of them."""

Quantities: TypeAlias = Mapping[str, Mapping[str, Any]]
"""Curves by the quantity that they show, such as the loss, and by split."""


def draw(title: str, curves: Mapping[str, Any], settings: Sequence[str]) -> Figure:
    """Return the figure of curves (epochs,), or (epochs, M) with what each member is set to.

    Members of different settings have a line each, and the splits a panel each. Members that differ by their seed alone
    are a median with the range from 10 to 90 %.
    """
    quantities: dict[str, dict[str, Any]] = {}
    for name, curve in curves.items():
        split = next((one for one in SPLITS if name.startswith(f"{one}_")), "")
        values = np.asarray(curve, dtype=float)
        quantities.setdefault(name.removeprefix(f"{split}_"), {})[split] = np.where(np.isfinite(values), values, np.nan)
    with mpl.rc_context(STYLE):
        figure = _of_settings(quantities, settings) if len(set(settings)) > 1 else _of_seeds(quantities)
        for panel in figure.axes:
            panel.set_xlabel("Epoch")
            panel.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=min(4, len(labels)), handlelength=2.8)
        figure.suptitle(title)
    return figure


def _of_settings(quantities: Quantities, settings: Sequence[str]) -> Figure:
    """Return a row of panels for each quantity, and a line for each member, its colour that of its settings."""
    columns = max(map(len, quantities.values()))
    figure = Figure(figsize=(1 + 3.7 * columns, 0.9 + 2.9 * len(quantities)), layout="constrained")
    rows = figure.subplots(len(quantities), columns, squeeze=False, sharey="row")
    for row, (quantity, splits) in zip(rows, quantities.items(), strict=True):
        for panel in row[len(splits) :]:
            panel.remove()
        for panel, (split, values) in zip(row, splits.items(), strict=False):
            name = f"{split}_{quantity}" if split else quantity
            panel.set_title(_in_words(name))
            _draw_members(panel, name, values, settings)
        _choose_scale(row[0], quantity, splits.values())
    return figure


def _draw_members(panel: Any, name: str, values: Any, settings: Sequence[str]) -> None:
    distinct = list(dict.fromkeys(settings))
    told = {distinct[round(place)] for place in np.linspace(0, len(distinct) - 1, min(LEGEND, len(distinct)))}
    for index, setting in enumerate(distinct):
        color = mpl.colormaps["viridis"](0.92 * index / (len(distinct) - 1))
        members = [member for member, one in enumerate(settings) if one == setting]
        lines = panel.plot(_epochs(values), values[:, members], color=color, alpha=0.85, marker=marker(values))
        for member, line in zip(members, lines, strict=True):
            line.set_gid(f"{name}:{member}")
        if setting in told:
            lines[0].set_label(setting)


def _of_seeds(quantities: Quantities) -> Figure:
    """Return a panel for each quantity, and in it a line for each split."""
    columns = min(COLUMNS, len(quantities))
    rows = math.ceil(len(quantities) / columns)
    figure = Figure(figsize=(1 + 3.7 * columns, 0.9 + 2.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels[len(quantities) :]:
        panel.remove()
    for panel, (quantity, splits) in zip(panels, quantities.items(), strict=False):
        panel.set_title(_in_words(quantity))
        for split, values in splits.items():
            _draw_split(panel, f"{split}_{quantity}" if split else quantity, split, values)
        _choose_scale(panel, quantity, splits.values())
    return figure


def _draw_split(panel: Any, name: str, split: str, values: Any) -> None:
    color, label = COLORS[split], split or _in_words(name)
    style = {"color": color, "linestyle": SPLITS.get(split, "-"), "marker": marker(values), "gid": name}
    if values.ndim == 1:
        panel.plot(_epochs(values), values, label=label, **style)
        return
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # of epochs without a finite value
        low, middle, high = np.nanquantile(values, [0.1, 0.5, 0.9], axis=1)
    panel.plot(_epochs(values), middle, label=f"{label}, median and 10 to 90 % of {values.shape[1]} members", **style)
    panel.fill_between(_epochs(values), low, high, color=color, alpha=0.15, linewidth=0)


def _choose_scale(panel: Any, quantity: str, several: Iterable[Any]) -> None:
    """Give a loss that is positive and spans more than a linear axis shows a logarithmic one."""
    found = np.concatenate([values.ravel() for values in several])
    found = found[np.isfinite(found)]
    if quantity == "loss" and len(found) and 0 < 50 * found.min() < found.max():
        panel.set_yscale("log")


def _epochs(values: Any) -> Any:
    return np.arange(1, len(values) + 1)


def _in_words(name: str) -> str:
    return name.replace("_", " ").capitalize()
