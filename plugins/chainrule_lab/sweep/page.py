"""The page of a sweep: figures and the best trials, in one file that needs nothing from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

import chainrule
from chainrule_lab.figure_style import render
from chainrule_lab.page_templates import page_templates
from chainrule_lab.sweep.axes import axes_of, main_curve, texts_in
from chainrule_lab.sweep.figures import Figures, figures
from chainrule_lab.sweep.over_seeds import OverSeeds, over_seeds
from chainrule_lab.sweep.results import Results, Row, rank
from chainrule_lab.sweep.space import SEED

MOST = 20
"""The most trials in a table."""


@dataclass(frozen=True)
class Page:
    """What is on the page.

    Attributes:
        results: the finished trials.
        trials: how many there are in all.
        figures: by name, each with its caption.
    """

    results: Results
    trials: int
    figures: Mapping[str, tuple[Markup, str]]

    @property
    def axes(self) -> list[str]:
        """The settings that have several values, but for the seed."""
        return [axis.name for axis in axes_of(self.results)]

    @property
    def shown(self) -> list[str]:
        """The settings in the tables."""
        return [*self.axes, *([SEED] if self.seeds > 1 else [])]

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return len({row.settings[SEED] for row in self.results})

    @property
    def diverged(self) -> int:
        """The number of trials that diverged."""
        return sum(row.diverged for row in self.results)

    @property
    def seconds(self) -> float:
        """The time of training."""
        return sum(row.seconds for row in self.results)

    @property
    def each(self) -> float:
        """The time for each trial."""
        return self.seconds / max(1, len(self.results))

    @property
    def curve(self) -> str:
        """The curve by whose end trials are sorted."""
        return main_curve(self.results)

    @property
    def columns(self) -> list[str]:
        """The curves in the table, the one that trials are sorted by first."""
        return [self.curve, *(name for name in self.results.curves if name != self.curve)]

    @property
    def best(self) -> list[Row]:
        """The best trials."""
        return sorted(self.results, key=lambda row: rank(row.last(self.curve), largest=False))[:MOST]

    @property
    def means(self) -> list[OverSeeds]:
        """The best settings; none where there is one seed."""
        return over_seeds(self.results, self.curve)[:MOST] if self.seeds > 1 else []


def html(results: Results, trials: int, drawn: Figures | None = None) -> str:
    """Return the page of the finished ones among so many trials."""
    drawn = figures(results) if drawn is None else drawn
    inline = {name: (_inline(render(figure, "svg")), caption) for name, (figure, caption) in drawn.items()}
    environment = page_templates("chainrule_lab.sweep", text=texts_in(results), number=number)
    page = Page(results, trials, inline)
    return environment.get_template("sweep.html.jinja").render(page=page, version=chainrule.__version__)


def number(value: float) -> str:
    """Return a number in four digits."""
    return f"{value:.4g}" if math.isfinite(value) else "not finite"


def _inline(svg: bytes) -> Markup:
    text_of_it = svg.decode()
    return Markup(text_of_it[text_of_it.index("<svg") :])  # noqa: S704 - matplotlib's own, with its texts as outlines
