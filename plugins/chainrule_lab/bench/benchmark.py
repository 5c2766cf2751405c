"""A whole benchmark: the stages of a plan, run one after the other, and how long they will take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import chainrule
from chainrule import ChainruleError, create
from chainrule.errors import one_line
from chainrule_lab.bench.cells import Cells, LoadedTask, Make
from chainrule_lab.bench.contenders import BASELINES, Contender, baselines, contender
from chainrule_lab.bench.frozen import Key
from chainrule_lab.bench.protocol import DRAWS, FINAL_SEEDS, HORIZONS, QUICK_TASKS, SCHEDULES, TUNING_SEEDS
from chainrule_lab.bench.results import Outcome, Track
from chainrule_lab.bench.search_space import grid_of
from chainrule_lab.bench.tuning import Stage
from chainrule_lab.sweep.runner import Workers

TRIAL_MEMBERS, TRIAL_STEPS = 39, 4
"""The ensemble and its steps by which the time of a step is estimated."""

OVERHEAD = 15.0
"""Seconds for the start of the workers, the costs and the report."""

BESIDE_STEPS = 1.4
"""What evaluation, gathering of batches and the store take beside the steps, as a factor."""


@dataclass(frozen=True)
class Plan:
    """What a benchmark compares, and on what.

    Attributes:
        named: the optimizers that the user named.
        tasks: the names of the tasks.
        tracks: "A", "B", "C" or several.
        horizons: multiples of the tasks' epochs.
    """

    named: Sequence[Contender]
    tasks: Sequence[str]
    tracks: Sequence[Track]
    horizons: Sequence[int]

    @property
    def contenders(self) -> list[Contender]:
        """The six baselines, then the named optimizers that are none of them."""
        return [*baselines(), *self.named]

    def stages(self) -> list[tuple[str, Track, int]]:
        """Return the task, track and horizon of each stage."""
        return [(task, track, horizon) for task in self.tasks for track in self.tracks for horizon in self.horizons]


def plan_of(names: Sequence[str], tasks: Sequence[str], tracks: Sequence[Track], *, quick: bool) -> Plan:
    """Return the plan for the named optimizers; quick is two tasks, track B and the horizon 1.

    Raises:
        ChainruleError: if a name is unknown, or two contenders have one name.
    """
    named = [contender(name) for name in dict.fromkeys(names) if name not in BASELINES]
    taken = set(BASELINES)
    for one in named:
        if one.name in taken:
            raise ChainruleError(
                f"bench: optimizers must have different names, got two called {one.name}. Rename the class."
            )
        taken.add(one.name)
    for task in tasks:
        create("tasks", task)  # an unknown one is named before anything runs
    return Plan(named, QUICK_TASKS, ("B",), (1,)) if quick else Plan(named, tasks, tracks, HORIZONS)


def run_plan(plan: Plan, store: Path, workers: Workers, frozen: Mapping[Key, Outcome]) -> list[Outcome]:
    """Run every stage and return all outcomes; those that are frozen are not run."""
    cells = Cells(Make({one.text: one for one in plan.contenders}), store, workers)
    outcomes = []
    for task, track, horizon in plan.stages():
        known = {one.name: frozen.get((task, one.name, track, horizon)) for one in plan.contenders}
        missing = [one for one in plan.contenders if known[one.name] is None]
        run = {found.contender: found for found in Stage(cells, task, track, horizon).outcomes(missing)}
        outcomes += [known[one.name] or run[one.name] for one in plan.contenders]
    return outcomes


def trainings(one: Contender, track: Track) -> int:
    """Return how many runs a stage has for an optimizer, without extensions of its grid."""
    points = {"A": 0, "B": len(grid_of(one.innermost).points()) * len(SCHEDULES), "C": DRAWS}[track]
    return points * len(TUNING_SEEDS) + len(FINAL_SEEDS)


def estimate(plan: Plan, workers: int, frozen: Mapping[Key, Outcome]) -> float:
    """Return the seconds that a plan takes from nothing, from a few steps of every optimizer on every task."""
    total = 0.0
    for name in plan.tasks:
        task = LoadedTask(name)
        for one in plan.contenders:
            if any(
                (name, one.name, track, horizon) not in frozen for track in plan.tracks for horizon in plan.horizons
            ):
                total += seconds_of(task, one, plan.tracks, plan.horizons)
    return total / workers + OVERHEAD


def seconds_of(task: LoadedTask, one: Contender, tracks: Sequence[Track], horizons: Sequence[int]) -> float:
    """Return about how many seconds one process takes for an optimizer's runs on a task."""
    steps = task.epochs * task.steps_per_epoch * sum(horizons) * sum(trainings(one, track) for track in tracks)
    return steps * _seconds_of_a_step(task, one) * BESIDE_STEPS


def _seconds_of_a_step(task: LoadedTask, one: Contender) -> float:
    """Return the time of one step of one member in an ensemble."""
    network = task.task.network().build(seed=0, members=TRIAL_MEMBERS)
    x, y = (part[: task.batch_size] for part in task.splits.train)
    try:
        step = chainrule.training_step(network, task.task.loss(), one.optimizer({}))
        step(x, y)  # the first makes the state
        start = perf_counter()
        for _ in range(TRIAL_STEPS):
            step(x, y)
    except Exception as error:
        what = str(error) if isinstance(error, ChainruleError) else one_line(error)
        raise ChainruleError(
            f"bench: {one.name} must take steps on {task.name}, got {what.rstrip('.')}. "
            f"Mend it; chainrule check {one.text} may tell more."
        ) from error
    return (perf_counter() - start) / TRIAL_STEPS / TRIAL_MEMBERS
