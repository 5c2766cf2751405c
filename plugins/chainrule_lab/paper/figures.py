"""The paper's figures 1 to 3: train and validation curves of loss and accuracy, mean ± one standard deviation.

The gid of each mean line is its setting and curve, such as ``adam:train_loss``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from chainrule_lab.figure_style import STYLE, marker
from chainrule_lab.paper.experiment import Outcome

# Okabe and Ito's palette, for readers with any colour vision; line styles distinguish the lines in greyscale.
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
DASHED, DOTTED, DASH_DOT, LONG_DASHED = (0, (5, 2)), (0, (1, 1.2)), (0, (6, 2, 1, 2)), (0, (9, 2.5))


@dataclass(frozen=True)
class Line:
    """The label and style of one setting in a figure."""

    setting: str
    label: str
    color: str
    style: Any = "-"


LINES = {
    1: (Line("mse", "MSE", VERMILION), Line("sgd", "Cross-entropy", BLUE, DASHED)),
    2: (Line("xavier", "Xavier normal", VERMILION), Line("sgd", "Uniform", BLUE, DASHED)),
    3: (
        Line("sgd", "SGD", BLUE, DASHED),
        Line("adam", "Adam", VERMILION),
        Line("adagrad", "Adagrad", GREEN),
        Line("adagrad_faster", "Adagrad, lr 0.01 (ours)", GREEN, DOTTED),
        Line("rmsprop", "RMSProp", ORANGE, DASH_DOT),
        Line("adadelta", "Adadelta", PURPLE, LONG_DASHED),
    ),
}


def draw(number: int, outcomes: Mapping[str, Outcome]) -> Figure:
    """Return one of the paper's figures: losses above accuracies, train left of validation."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.2, 6.0), layout="constrained")
        axes = figure.subplots(2, 2, sharex=True, sharey="row")
        for row, quantity in zip(axes, ("loss", "accuracy"), strict=True):
            for panel, split in zip(row, ("train", "validation"), strict=True):
                for line in LINES[number]:
                    _draw_line(panel, line, outcomes[line.setting], f"{split}_{quantity}")
                panel.set_title(f"{split.capitalize()} {quantity}")
            row[0].set_ylabel("Loss per example" if quantity == "loss" else "Accuracy")
        axes[0, 0].set_ylim(bottom=0)
        axes[1, 0].yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes[1, 0].set_ylim(top=min(1.02, axes[1, 0].get_ylim()[1]))
        for panel in axes[1]:
            panel.set_xlabel("Epoch")
            panel.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        figure.align_ylabels()
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=min(3, len(labels)), handlelength=3.2)
    return figure


def _draw_line(panel: Any, line: Line, outcome: Outcome, curve: str) -> None:
    values = np.asarray(outcome.curves[curve])  # (seeds, epochs)
    epochs = np.arange(1, values.shape[1] + 1)
    mean, deviation = values.mean(0), values.std(0, ddof=1)
    panel.plot(
        epochs,
        mean,
        color=line.color,
        linestyle=line.style,
        label=line.label,
        marker=marker(epochs),
        gid=f"{line.setting}:{curve}",
    )
    panel.fill_between(epochs, mean - deviation, mean + deviation, color=line.color, alpha=0.13, linewidth=0)
