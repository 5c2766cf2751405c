"""The figures of a sweep: the loss over a setting, a heat map of two, and parallel coordinates of all."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from chainrule_lab.figure_style import STYLE
from chainrule_lab.sweep.axes import Axis, axes_of, ceiling_of, ends_of, main_curve, texts_in
from chainrule_lab.sweep.results import Results, Row

WIDTH = 4.4
"""Inches; figures are read on narrow screens too."""

LINES = 6
"""The most lines in a figure."""

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # of Okabe and Ito's palette

MAP = "viridis_r"

Figures = dict[str, tuple[Figure, str]]
"""Figures by name, each with its caption."""


def figures(results: Results) -> Figures:
    """Return the figures that the searched settings allow."""
    axes, curve = axes_of(results), main_curve(results)
    found: Figures = {}
    with mpl.rc_context(STYLE):
        if axes and axes[0].is_number:
            found["lines"] = _lines(results, axes, curve)
        if len(axes) > 1:
            found["map"] = _map(results, axes[0], axes[1], curve)
        if len(axes) > 2:
            found["parallel"] = _parallel(results, axes, curve)
    return found


def _lines(results: Results, axes: Sequence[Axis], curve: str) -> tuple[Figure, str]:
    """Return the curve's last value over the first axis, a line for each combination of the others if they are few."""
    x, others, text = axes[0], axes[1:], texts_in(results)
    groups: dict[str, list[Row]] = {}
    for row in results:
        label = ", ".join(f"{_short(one.name)} {text(one.name, row.settings[one.name])}" for one in others)
        groups.setdefault(label, []).append(row)
    if len(groups) > LINES:
        groups = {"": results.rows}
    points = {repr([row.settings[axis.name] for axis in axes]) for row in results}
    is_drawn = len(axes) > 1 and len(points) == len(x.values)  # at random, so that no two have one number
    figure, panel = _panel(3.4 if len(groups) > 1 else 3.0)
    for (name, rows), color in zip(groups.items(), COLORS, strict=False):
        places, values = np.array([x.place(row) for row in rows]), ends_of(rows, curve)
        if is_drawn:
            panel.plot(places, values, "o", markersize=3.5, color=color, label=name, alpha=0.7, markeredgewidth=0)
        else:
            _line_with_band(panel, places, values, color, name)
        _mark_diverged(panel, np.unique(places[~np.isfinite(values)]), color)
    _scale(panel.set_xscale, x)
    panel.set_xlabel(x.name)
    panel.set_ylabel(_words(curve))
    _choose_scale(panel, ends_of(results.rows, curve))
    if len(groups) > 1:
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    others_told = (
        f" over {_listed([one.name for one in others])} and seeds" if len(groups) == 1 and others else " over seeds"
    )
    what = "A point for each trial" if is_drawn else f"Median{others_told}, with the range from 10 to 90 %"
    return figure, f"{_words(curve)} at the end over {x.name}. {what}; a cross at the top marks what diverged."


def _line_with_band(panel: Any, places: Any, values: Any, color: str, name: str) -> None:
    distinct = np.unique(places)
    low, middle, high = np.array(
        [np.quantile(values[places == one], [0.1, 0.5, 0.9], method="inverted_cdf") for one in distinct]
    ).T
    panel.fill_between(distinct, low, high, where=np.isfinite(high), color=color, alpha=0.15, linewidth=0)
    panel.plot(distinct, np.where(np.isfinite(middle), middle, np.nan), "o-", markersize=3, color=color, label=name)


def _mark_diverged(panel: Any, places: Any, color: str) -> None:
    panel.plot(
        places,
        np.ones(len(places)),
        "x",
        color=color,
        markersize=5,
        clip_on=False,
        transform=panel.get_xaxis_transform(),
    )


def _map(results: Results, x: Axis, y: Axis, curve: str) -> tuple[Figure, str]:
    """Return the median of the curve's last value over two axes: cells on a grid, else points."""
    cells: dict[tuple[float, float], list[Row]] = {}
    text = texts_in(results)
    for row in results:
        cells.setdefault((x.place(row), y.place(row)), []).append(row)
    medians = {
        place: float(np.quantile(ends_of(rows, curve), 0.5, method="inverted_cdf")) for place, rows in cells.items()
    }
    figure, panel = _panel(3.4)
    norm = _norm(np.array(list(medians.values())))
    is_grid = len(cells) == len(x.values) * len(y.values)
    if is_grid:
        table = [[medians[_at(x, i), _at(y, j)] for i in range(len(x.values))] for j in range(len(y.values))]
        colors = mpl.colormaps[MAP].with_extremes(bad="#ffffff")
        shown = np.ma.masked_invalid(np.array(table))
        drawn: Any = panel.imshow(shown, origin="lower", aspect="auto", cmap=colors, norm=norm)
        for j, i in zip(*np.nonzero(np.ma.getmaskarray(shown)), strict=True):
            panel.text(i, j, "×", ha="center", va="center", color="#8a8f94")
        for axis, setting in ((panel.xaxis, x), (panel.yaxis, y)):
            places = _few(len(setting.values))
            axis.set_ticks(places, [text(setting.name, setting.values[i]) for i in places])
        panel.grid(False)
    else:
        finite = [place for place, value in medians.items() if math.isfinite(value)]
        drawn = panel.scatter(
            *np.array(finite).reshape(-1, 2).T, c=[medians[one] for one in finite], cmap=MAP, norm=norm, s=18
        )
        lost = np.array([place for place in medians if place not in finite]).reshape(-1, 2)
        panel.plot(*lost.T, "x", color="#8a8f94", markersize=5)
        for scale, ticks, setting in ((panel.set_xscale, panel.set_xticks, x), (panel.set_yscale, panel.set_yticks, y)):
            _scale(scale, setting)
            if not setting.is_number:
                ticks(range(len(setting.values)), [text(setting.name, value) for value in setting.values])
    panel.set_xlabel(x.name)
    panel.set_ylabel(y.name)
    extend = "max" if any(norm.vmax < value < math.inf for value in medians.values()) else "neither"
    figure.colorbar(drawn, ax=panel, label=_words(curve), location="top", aspect=40, extend=extend)
    what = "Median over all else" if is_grid else "A point for each trial"
    return figure, f"{_words(curve)} at the end over {x.name} and {y.name}. {what}; a cross marks what diverged."


def _parallel(results: Results, axes: Sequence[Axis], curve: str) -> tuple[Figure, str]:
    """Return a line from setting to setting for each trial, from top to bottom, and its loss at the bottom."""
    ends, text = ends_of(results.rows, curve), texts_in(results)
    norm = _norm(ends)
    figure = Figure(figsize=(WIDTH, 0.8 + 0.7 * (len(axes) + 1)), layout="constrained")
    panel = figure.subplots()
    lines, colors = [], []
    for index in np.argsort(-ends, kind="stable"):  # the best are drawn last
        row, is_finite = results.rows[index], math.isfinite(ends[index])
        last = min(1.0, float(norm(ends[index]))) if is_finite else 1.0
        lines.append([(place, -level) for level, place in enumerate([*(axis.share(row) for axis in axes), last])])
        colors.append(mpl.colormaps[MAP](last) if is_finite else (0.6, 0.6, 0.6, 1.0))
    panel.add_collection(LineCollection(lines, colors=colors, linewidths=1.0, alpha=min(1.0, 0.25 + 20 / len(lines))))
    for level, axis in enumerate(axes):
        ends_alone = [0, len(axis.values) - 1]
        told = ends_alone if axis.is_number else _few(len(axis.values))
        shares = [0.0, 1.0] if axis.is_number else [index / ends_alone[1] for index in told]
        texts = [text(axis.name, axis.values[i]) for i in told]
        _draw_axis(panel, -level, axis.name, dict(zip(shares, texts, strict=True)))
    _draw_axis(panel, -len(axes), _words(curve), {0.0: f"{norm.vmin:.3g}", 1.0: f"{norm.vmax:.3g}"})
    panel.set_xlim(-0.02, 1.02)
    panel.set_ylim(-len(axes) - 0.3, 0.7)
    panel.set_axis_off()
    return (
        figure,
        f"A line for each trial, from its settings to its {_words(curve).lower()} at the end; grey lines diverged.",
    )


def _draw_axis(panel: Any, level: float, name: str, ends: Mapping[float, str]) -> None:
    """Draw a level line with its name in the middle above it, and texts at places from 0 to 1 below it."""
    white = {"bbox": {"facecolor": "#ffffff", "edgecolor": "none", "alpha": 0.8, "pad": 0.6}, "fontsize": 8}
    panel.plot([0, 1], [level, level], color="#444444", linewidth=0.9)
    panel.annotate(name, (0.5, level), (0, 4), textcoords="offset points", ha="center", va="bottom", **white)
    for place, told in ends.items():
        side = "left" if place == 0 else "right" if place == 1 else "center"
        panel.annotate(told, (place, level), (0, -4), textcoords="offset points", ha=side, va="top", **white)


def _panel(height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def _norm(values: Any) -> Any:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return Normalize(0, 1)
    low, high = float(finite.min()), min(float(finite.max()), ceiling_of(values))
    return LogNorm(low, high) if 0 < 20 * low < high else Normalize(low, high if high > low else low + 1)


def _choose_scale(panel: Any, values: Any) -> None:
    finite = values[np.isfinite(values)]
    if not len(finite):
        return
    if 0 < 20 * finite.min() < finite.max():
        panel.set_yscale("log")
    if (top := ceiling_of(values)) < finite.max():
        panel.set_ylim(finite.min() / 1.5, top)


def _scale(choose: Any, axis: Axis) -> None:
    if axis.is_log:
        choose("log")


def _at(axis: Axis, index: int) -> float:
    value: Any = axis.values[index]
    return float(value) if axis.is_number else float(index)


def _few(count: int) -> list[int]:
    """Return at most six indices, spread over all."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(6, count))})


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
