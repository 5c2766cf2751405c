"""The figures of a report: sensitivity to lr, validation curves, heat maps, and performance profiles."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from chainrule_lab.bench.contenders import BASELINES
from chainrule_lab.bench.results import Outcome
from chainrule_lab.bench.statistics.across_tasks import performance_profile
from chainrule_lab.figure_style import STYLE, render

# Okabe and Ito's palette, for readers with any colour vision; line styles distinguish the lines in greyscale.
COLORS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#0072B2", "#999999")
OWN_COLORS = ("#D55E00", "#000000", "#8c510a", "#5e3c99")
STYLES: Sequence[Any] = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (9, 2.5)), (0, (3, 1, 1, 1, 1, 1)))

COLUMNS = 2


def sensitivity(by_task: Mapping[str, Sequence[Outcome]]) -> str:
    """Return an SVG of the validation loss over the learning rate, with the best decay and schedule at each."""

    def draw(panel: Any, outcomes: Sequence[Outcome]) -> None:
        best = min(loss for one in outcomes for loss in one.by_rate().values())
        for one, style in _styled(outcomes):
            rates = one.by_rate()
            panel.plot(list(rates), [loss if math.isfinite(loss) else np.nan for loss in rates.values()], **style)
        panel.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="validation loss")
        panel.set_ylim(best / 1.3, min(best * 100, panel.get_ylim()[1]))

    return _panels(by_task, draw)


def curves(by_task: Mapping[str, Sequence[Outcome]]) -> str:
    """Return an SVG of the final runs' validation losses over epochs: medians, with bands of the quartiles."""

    def draw(panel: Any, outcomes: Sequence[Outcome]) -> None:
        for one, style in _styled(outcomes):
            if not one.curves:
                continue
            low, middle, high = np.quantile(np.asarray(one.curves), [0.25, 0.5, 0.75], axis=0, method="higher")
            epochs = np.arange(1, len(middle) + 1)
            panel.plot(epochs, middle, **style)
            panel.fill_between(
                epochs, low, np.where(np.isfinite(high), high, 1e9), color=style["color"], alpha=0.12, lw=0
            )
        ends = [curve[-1] for one in outcomes for curve in one.curves if math.isfinite(curve[-1])]
        starts = [curve[0] for one in outcomes for curve in one.curves if math.isfinite(curve[0])]
        panel.set(yscale="log", xlabel="epoch", ylabel="validation loss")
        if ends:
            panel.set_ylim(min(ends) / 1.2, 1.3 * float(np.quantile(starts, 0.9)))

    return _panels(by_task, draw)


def heat_map(outcomes: Sequence[Outcome]) -> str:
    """Return an SVG of the median validation losses of one optimizer on each task over lr and weight decay.

    The schedule is the chosen one; white is where the runs diverged.
    """
    with mpl.rc_context({**STYLE, "axes.grid": False}):
        figure, panels = _figure(len(outcomes), 2.9)
        for panel, one in zip(panels, outcomes, strict=True):
            schedule = one.chosen.schedule if one.chosen else "constant"
            found = {p: loss for p, loss in one.medians().items() if p.schedule == schedule}
            rates = sorted({dict(point.settings)["lr"] for point in found})
            decays = sorted({dict(point.settings).get("weight_decay", 0.0) for point in found})
            table = np.full((len(decays), len(rates)), np.nan)
            for point, loss in found.items():
                own = dict(point.settings)
                row, column = decays.index(own.get("weight_decay", 0.0)), rates.index(own["lr"])
                table[row, column] = loss if math.isfinite(loss) else np.nan
            least = np.nanmin(table) if np.isfinite(table).any() else 1.0
            image = panel.imshow(
                table, origin="lower", aspect="auto", cmap="viridis_r", norm=LogNorm(least, 10 * least, clip=True)
            )
            panel.set_xticks(range(0, len(rates), 2), [f"{rate:.1g}" for rate in rates[::2]], rotation=45)
            panel.set_yticks(range(len(decays)), [f"{decay:g}" for decay in decays])
            panel.set(title=f"{one.task}, {schedule}", xlabel="learning rate", ylabel="weight decay")
            figure.colorbar(image, ax=panel, label="validation loss")
        return _svg(figure)


def profiles(by_task: Mapping[str, Sequence[Outcome]]) -> str:
    """Return an SVG of the share of tasks on which each optimizer's median test loss is within a ratio of the best."""
    names = [one.contender for one in next(iter(by_task.values()))]
    costs = {
        name: [
            float(np.quantile(one.test, 0.5, method="higher"))
            for own in by_task.values()
            for one in own
            if one.contender == name
        ]
        for name in names
    }
    ratios = np.geomspace(1, 4, 200).tolist()
    found = performance_profile(costs, ratios)
    with mpl.rc_context(STYLE):
        figure, (panel,) = _figure(1, 3.2, width=6.5)
        for one, style in _styled(next(iter(by_task.values()))):
            panel.step(ratios, found[one.contender], where="post", **style)
        panel.set(xscale="log", xlabel="test loss, relative to the best optimizer's", ylabel="share of tasks")
        panel.set_xticks([1, 1.5, 2, 3, 4], ["1", "1.5", "2", "3", "4"], minor=False)
        panel.minorticks_off()
        panel.set_ylim(0, 1.03)
        _legend(figure, panel)
        return _svg(figure)


def _panels(by_task: Mapping[str, Sequence[Outcome]], draw: Any) -> str:
    with mpl.rc_context(STYLE):
        figure, panels = _figure(len(by_task), 2.7)
        for panel, (task, outcomes) in zip(panels, by_task.items(), strict=True):
            draw(panel, outcomes)
            panel.set_title(task)
        _legend(figure, panels[0])
        return _svg(figure)


def _figure(count: int, height: float, width: float = 4.2) -> tuple[Figure, list[Any]]:
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(width * columns, height * rows + 0.6), layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for spare in panels[count:]:
        spare.set_axis_off()
    return figure, panels[:count]


def _styled(outcomes: Sequence[Outcome]) -> list[tuple[Outcome, dict[str, Any]]]:
    """Return each outcome with the style of its line; those of the named optimizers are thick."""
    own = 0
    found = []
    for i, one in enumerate(outcomes):
        style: dict[str, Any] = {"label": one.contender, "linestyle": STYLES[i % len(STYLES)], "linewidth": 1.3}
        if one.contender in BASELINES:
            style["color"] = COLORS[list(BASELINES).index(one.contender)]
        else:
            style |= {"color": OWN_COLORS[own % len(OWN_COLORS)], "linewidth": 2.4, "linestyle": "-", "zorder": 3}
            own += 1
        found.append((one, style))
    return found


def _legend(figure: Figure, panel: Any) -> None:
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=min(4, len(labels)), handlelength=3)


def _svg(figure: Figure) -> str:
    text = render(figure, "svg").decode()
    return text[text.index("<svg") :]
