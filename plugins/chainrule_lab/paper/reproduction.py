"""The paper's experiments from training to the files of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from chainrule_lab.paper.claims import Claim, answer
from chainrule_lab.paper.experiment import Outcome, declare, run
from chainrule_lab.paper.experiment_settings import Setting, of_figure
from chainrule_lab.paper.figures import FORMATS, LINES, draw, render
from chainrule_lab.paper.report import Report
from chainrule_lab.paper.results import document, to_json
from chainrule_lab.paper.table import Row, rows

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
    """What was trained and what it shows.

    Attributes:
        seeds: one per member.
        epochs: trained.
        figures: their numbers.
        outcomes: by setting name.
        table: test values beside the paper's.
        claims: answered.
    """

    seeds: Sequence[int]
    epochs: int
    figures: Sequence[int]
    outcomes: Mapping[str, Outcome]
    table: Sequence[Row]
    claims: Sequence[Claim]

    def results(self) -> dict[str, Any]:
        """Return all of it as plain data."""
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
    """Train the settings of one figure, or with None of all, and answer the claims about them.

    It runs on one thread, so that its numbers do not depend on how many the machine has.

    Args:
        figure: 1 to 3.
        seeds: two or more; statistics over seeds need two.
        epochs: at least 1.
        callbacks: returns those of a setting's fit.

    Raises:
        UnknownComponentError: if a component is not installed; nothing is trained then.
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
