"""The reproduction of the paper, from training to the files of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from chainrule_lab.figure_style import FORMATS, render
from chainrule_lab.paper.claims import Claim, answer
from chainrule_lab.paper.experiment import Outcome, declare, run
from chainrule_lab.paper.experiment_settings import Setting, of_figure
from chainrule_lab.paper.figures import LINES, draw
from chainrule_lab.paper.report import Report
from chainrule_lab.paper.results import document
from chainrule_lab.paper.table import Row, rows
from chainrule_lab.strict_json import to_json

FIGURES = tuple(LINES)
FILES = (
    "report.md",
    "report.html",
    "results.json",
    *(f"figure_{number}.{kind}" for number in FIGURES for kind in FORMATS),
)
"""Every file that a reproduction may write."""


@dataclass(frozen=True)
class Reproduction:
    """The outcomes of training, and the table and claims that follow from them.

    Attributes:
        seeds: one per member.
        epochs: the number of epochs trained.
        figures: the numbers of the figures.
        outcomes: the outcome of each setting by name.
        table: the test values beside the paper's.
        claims: the claims with their verdicts.
    """

    seeds: Sequence[int]
    epochs: int
    figures: Sequence[int]
    outcomes: Mapping[str, Outcome]
    table: Sequence[Row]
    claims: Sequence[Claim]

    def results(self) -> dict[str, Any]:
        """Return the results as plain data."""
        return document(self.outcomes, self.table, self.claims, self.seeds, self.epochs)

    def files(self) -> dict[str, bytes]:
        """Return the contents of every file by name."""
        drawn = {number: draw(number, self.outcomes) for number in self.figures}
        images = {(number, kind): render(figure, kind) for number, figure in drawn.items() for kind in FORMATS}
        report = Report(
            seeds=self.seeds,
            epochs=self.epochs,
            chosen=[outcome.setting for outcome in self.outcomes.values()],
            table=self.table,
            claims=self.claims,
            figures={number: images[number, "svg"] for number in self.figures},
        )
        texts = {
            "report.md": report.markdown(),
            "report.html": report.html(),
            "results.json": to_json(self.results()),
        }
        files = {name: text.encode() for name, text in texts.items()}
        return files | {f"figure_{number}.{kind}": image for (number, kind), image in images.items()}


def reproduce_paper(
    figure: int | None, seeds: Sequence[int], epochs: int, callbacks: Callable[[Setting], Sequence[object]]
) -> Reproduction:
    """Train the settings of one figure, or of all for None, and decide the claims about them.

    Runs on one thread, so that the numbers do not depend on the number of threads.

    Args:
        figure: 1 to 3, or None.
        seeds: at least two, which statistics over seeds need.
        epochs: at least 1.
        callbacks: a function that returns the callbacks for a setting's fit.

    Raises:
        UnknownComponentError: if a component is not installed; raised before training.
    """
    chosen = of_figure(figure)
    for setting in chosen:
        declare(setting)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        outcomes = {setting.name: run(setting, seeds, epochs, callbacks(setting)) for setting in chosen}
    finally:
        torch.set_num_threads(threads)
    return Reproduction(
        seeds=seeds,
        epochs=epochs,
        figures=FIGURES if figure is None else (figure,),
        outcomes=outcomes,
        table=rows(outcomes.values()),
        claims=answer(outcomes, figure),
    )
