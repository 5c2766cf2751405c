"""``report.md`` and ``report.html``: the table, comparisons, figures and conditions of a benchmark in one document."""

from __future__ import annotations

import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import scipy
import torch

import chainrule
from chainrule_lab.bench import figures, protocol
from chainrule_lab.bench.agreement import FEWEST, Agreement, agreement
from chainrule_lab.bench.cells import LoadedTask
from chainrule_lab.bench.comparisons import (
    NEAR,
    Compared,
    compared,
    flips,
    noise,
    ranks,
    robustness,
    steps_of,
    target_of,
)
from chainrule_lab.bench.contenders import BASELINES, Contender
from chainrule_lab.bench.costs import Cost
from chainrule_lab.bench.published import STUDIES, Study
from chainrule_lab.bench.results import Outcome, Track
from chainrule_lab.bench.statistics.across_tasks import mean_ranks
from chainrule_lab.bench.statistics.paired import Interval, mean_interval
from chainrule_lab.bench.statistics.trials import typical_best
from chainrule_lab.page_templates import page_templates

TRACKS = {
    "A": "published defaults, untuned",
    "B": "a grid of learning rates and weight decays",
    "C": "Sobol draws from the declared search space",
}


@dataclass(frozen=True)
class Line:
    """An optimizer's line in the table of a stage."""

    outcome: Outcome
    rank: int
    test: Interval
    metric: float
    train: float
    steps: str
    robustness: float
    best_of: float

    @property
    def is_own(self) -> bool:
        """Whether the user named it."""
        return self.outcome.contender not in BASELINES


@dataclass(frozen=True)
class Stage:
    """The table of one task, track and horizon, with the noise below which no difference counts."""

    task: str
    horizon: int
    metric: str | None
    target: float
    noise: float
    lines: Sequence[Line]


@dataclass(frozen=True)
class Report:
    """The contents of a report.

    Attributes:
        outcomes: all that was found out.
        named: the optimizers that the user named.
        tasks: by name.
        costs: by optimizer, on the first task.
        command: what was run.
        frozen: whether the baselines' results are those that come with the package.
    """

    outcomes: Sequence[Outcome]
    named: Sequence[Contender]
    tasks: Mapping[str, LoadedTask]
    costs: Mapping[str, Cost]
    command: str
    frozen: bool = False
    protocol: Any = field(default=protocol, init=False)

    @cached_property
    def tracks(self) -> list[Track]:
        """The tracks that were run."""
        return list(dict.fromkeys(one.track for one in self.outcomes))

    @cached_property
    def horizons(self) -> list[int]:
        """The horizons that were run."""
        return sorted({one.horizon for one in self.outcomes})

    def stages(self, track: Track) -> list[Stage]:
        """Return the tables of a track."""
        keys = dict.fromkeys((one.task, one.horizon) for one in self.outcomes if one.track == track)
        return [self._stage(track, task, horizon) for task, horizon in keys]

    def _stage(self, track: Track, task: str, horizon: int) -> Stage:
        own = self._of(track, horizon)[task]
        loaded, order, target = self.tasks[task], ranks(own), target_of(own)
        lines = [
            Line(
                outcome=one,
                rank=order[one.contender],
                test=mean_interval(one.test),
                metric=_mean(one.metric),
                train=_mean(one.train),
                steps=_steps_text(one, target, loaded),
                robustness=robustness(one),
                best_of=typical_best(list(one.medians().values()), protocol.FEW_TRIALS) if one.tried else math.nan,
            )
            for one in own
        ]
        metric = next(iter(loaded.task.metrics), None)
        return Stage(task, horizon, metric, target, noise(own), sorted(lines, key=lambda line: line.rank))

    def compared(self, track: Track) -> list[Compared]:
        """Return the comparisons of a track."""
        return compared(self.outcomes, track)

    def mean_ranks(self, track: Track) -> dict[str, Interval]:
        """Return the mean rank of each optimizer over the tasks at the longest horizon, the best first."""
        by_task = self._of(track, self.horizons[-1])
        names = [one.contender for one in next(iter(by_task.values()))]
        losses = {
            name: [one.test for own in by_task.values() for one in own if one.contender == name] for name in names
        }
        return dict(sorted(mean_ranks(losses).items(), key=lambda item: item[1].mean))

    def agreements(self, study: Study) -> dict[Track, Agreement]:
        """Return how far the mean ranks of each track agree with a published study, over the rules of the registry."""
        registered = {*BASELINES, *(one.name for one in self.named if one.text == one.name)}
        found = {}
        for track in self.tracks:
            own = {name: rank.mean for name, rank in self.mean_ranks(track).items() if name in registered}
            found[track] = agreement(study, own)
        return found

    def flips(self, track: Track) -> dict[str, list[tuple[str, str, int, int]]]:
        """Return by task the pairs of optimizers whose order changes with the horizon."""
        found = {}
        for task in self.tasks:
            by_horizon = {horizon: self._of(track, horizon).get(task, []) for horizon in self.horizons}
            if changed := flips(by_horizon):
                found[task] = changed
        return found

    def logged(self, track: Track) -> list[tuple[Outcome, str]]:
        """Return what happened to the grids."""
        return [(one, text) for one in self.outcomes if one.track == track for text in one.log]

    def figures(self, track: Track) -> list[tuple[str, str]]:
        """Return the SVG of each figure of a track with its caption; of several horizons the longest is drawn."""
        by_task = self._of(track, self.horizons[-1])
        at = f"horizon {self.horizons[-1]}×" if len(self.horizons) > 1 else "all tasks"
        found = []
        if track == "B":
            found.append((figures.sensitivity(by_task), SENSITIVITY.format(at=at)))
        found.append((figures.curves(by_task), CURVES.format(at=at, seeds=len(protocol.FINAL_SEEDS))))
        if track == "B":
            for name in [one.name for one in self.named]:
                own = [one for outcomes in by_task.values() for one in outcomes if one.contender == name]
                if any("weight_decay" in dict(point.settings) for point in own[0].tried):
                    found.append((figures.heat_map(own), HEAT_MAP.format(name=name)))
        if len(by_task) > 1:
            found.append((figures.profiles(by_task), PROFILES))
        return found

    def markdown(self) -> str:
        """Return the report as Markdown."""
        return self._render("report.md.jinja")

    def html(self) -> str:
        """Return the report as one self-contained HTML page."""
        return self._render("report.html.jinja")

    def _citation(self) -> str:
        compared = ", ".join(dict.fromkeys(one.contender for one in self.outcomes))
        data = ", ".join(f"{name} ({task.digest[:8]})" for name, task in self.tasks.items())
        horizons = ", ".join(f"{horizon}×" for horizon in self.horizons)
        return (
            f"chainrule {chainrule.__version__}, benchmark protocol {protocol.PROTOCOL}, "
            f"tracks {', '.join(self.tracks)}, horizons {horizons}, tasks {data}: {compared}."
        )

    def _of(self, track: Track, horizon: int) -> dict[str, list[Outcome]]:
        by_task: dict[str, list[Outcome]] = {}
        for one in self.outcomes:
            if (one.track, one.horizon) == (track, horizon):
                by_task.setdefault(one.task, []).append(one)
        return by_task

    def _render(self, template: str) -> str:
        environment = page_templates("chainrule_lab.bench", number=number, interval=interval, p_value=p_value)
        texts = environment.get_template("conditions.jinja").render(report=self, near=NEAR)
        return environment.get_template(template).render(
            report=self,
            tracks=TRACKS,
            studies=STUDIES,
            fewest=FEWEST,
            conditions=[line.removeprefix("- ") for line in texts.splitlines()],
            citation=self._citation(),
            machine=_machine(),
            versions=_versions(),
        )


SENSITIVITY = (
    "Sensitivity to the learning rate, {at}: validation loss, median over the tuning seeds, with the best decay and "
    "schedule at each rate. A line ends where runs diverge."
)
CURVES = "Final runs, {at}: validation loss over epochs, median of {seeds} seeds with quartiles."
HEAT_MAP = (
    "{name}: median validation loss of the chosen schedule over learning rate and weight decay; white is divergence."
)
PROFILES = (
    "Performance profile: on how many of the tasks an optimizer's median test loss is within a ratio of the best one's."
)


def number(value: float, digits: int = 4) -> str:
    """Return a number to four digits; a dash where there is none."""
    if math.isnan(value):
        return "–"  # noqa: RUF001
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    return f"{value:.{digits}g}".replace("-", "−")


def interval(value: Interval) -> str:
    """Return a mean and its interval: ``0.12 [0.11, 0.14]``."""
    return f"{number(value.mean, 3)} [{number(value.low, 3)}, {number(value.high, 3)}]"


def p_value(value: float) -> str:
    """Return a p-value; those below 0.0001 as such."""
    return "< 0.0001" if value < 1e-4 else f"{value:.2g}"


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _steps_text(outcome: Outcome, target: float, task: LoadedTask) -> str:
    found = steps_of(outcome, target, task.steps_per_epoch)
    total = task.steps_per_epoch * task.epochs * outcome.horizon
    shown = f"{found.median:.0f}" if math.isfinite(found.median) else f"> {total}"
    return f"{shown} ({found.reached} of {len(found.steps)})"


def _machine() -> str:
    return f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}"


def _versions() -> dict[str, str]:
    return {"chainrule": chainrule.__version__, "torch": str(torch.__version__), "scipy": scipy.__version__}
