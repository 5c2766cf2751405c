"""Cells: single runs of the benchmark, trained by the sweep as few ensembles, kept in its store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from chainrule import Splits, Task, Wrapper, create, evaluate
from chainrule_lab.bench.contenders import Contender
from chainrule_lab.bench.protocol import FINAL_SEEDS, PROTOCOL, TUNING_SEEDS
from chainrule_lab.bench.results import Point
from chainrule_lab.identity import code_of
from chainrule_lab.sweep.results import Row
from chainrule_lab.sweep.runner import Workers, run
from chainrule_lab.sweep.space import Settings
from chainrule_lab.sweep.trial import Trial

DATA_SEED = 0
"""That of the splits, the same for every run."""


@dataclass(frozen=True)
class Cell:
    """One run.

    Attributes:
        task: the task's name.
        contender: the text that names the optimizer.
        point: what differs from the optimizer's defaults.
        horizon: a multiple of the task's epochs.
        seed: that of the first weights, the order of batches and dropout.
        final: whether the test split is read at the end, which tuning never does.
    """

    task: str
    contender: str
    point: Point
    horizon: int
    seed: int
    final: bool = False

    def as_settings(self) -> Settings:
        """Return the cell as the sweep keeps it."""
        own: Any = {"schedule": self.point.schedule, "settings": [list(pair) for pair in self.point.settings]}
        return {**vars(self), "point": None, **own}


@dataclass
class LoadedTask:
    """A task of the benchmark with its data."""

    name: str

    @cached_property
    def task(self) -> Task:
        """The task."""
        found: Task = create("tasks", self.name)
        return found

    @cached_property
    def splits(self) -> Splits:
        """The data, the same for every run."""
        return self.task.splits(DATA_SEED)

    @cached_property
    def digest(self) -> str:
        """That of the data."""
        return self.splits.digest()

    @property
    def epochs(self) -> int:
        """The epochs of the horizon 1."""
        return int(self.task.settings["epochs"])

    @property
    def batch_size(self) -> int:
        """The rows of a step."""
        return int(self.task.settings["batch_size"])

    @property
    def steps_per_epoch(self) -> int:
        """The steps of an epoch."""
        rows = len(self.splits.train[0])
        return -(-rows // min(self.batch_size, rows))

    @cached_property
    def initial_losses(self) -> dict[int, float]:
        """The validation loss of each seed's network before training."""
        seeds = [*TUNING_SEEDS, *FINAL_SEEDS]
        found = evaluate(self.task.network().build(seeds=seeds), self.task.loss(), self.splits.validation)["loss"]
        return dict(zip(seeds, found.tolist(), strict=True))


@dataclass
class Make:
    """Makes the trial of a cell, in this process or in a worker.

    Attributes:
        contenders: by the text that names them.
    """

    contenders: Mapping[str, Contender]
    tasks: dict[str, LoadedTask] = field(default_factory=dict)

    def __reduce__(self) -> tuple[Any, ...]:
        return Make, (self.contenders,)

    def task(self, name: str) -> LoadedTask:
        """Return the task of a name, its data loaded once."""
        return self.tasks.setdefault(name, LoadedTask(name))

    def __call__(self, settings: Settings) -> Trial:
        """Return the trial of a cell, given as the sweep keeps it, whose seed makes no difference to it."""
        given: Any = settings
        loaded, contender = self.task(given["task"]), self.contenders[given["contender"]]
        epochs = loaded.epochs * given["horizon"]
        steps = epochs * loaded.steps_per_epoch
        schedule = create("schedules", "cosine", total_steps=steps) if given["schedule"] == "cosine" else None
        return Trial(
            module=loaded.task.network(),
            optimizer=contender.optimizer(dict(given["settings"]), schedule),
            loss=loaded.task.loss(),
            train=loaded.splits.train,
            validation=loaded.splits.validation,
            test=loaded.splits.test if given["final"] else None,
            fit={
                "epochs": epochs,
                "batch_size": loaded.batch_size,
                "metrics": dict(loaded.task.metrics),
                "evaluate_train": False,
            },
            beyond={
                "protocol": str(PROTOCOL),
                "task": f"{given['task']} {loaded.digest}",
                "package": contender.package,
                "wrapped": wrapped_code(contender),
            },
        )


def wrapped_code(contender: Contender) -> str:
    """Return what tells the code of the classes that rules wrap, which are no part of these; of others it is empty."""
    rule: Any = contender.rule
    kinds = [getattr(type(rule), "kind", None)]
    while isinstance(rule, Wrapper):
        rule = rule.inner
        kinds.append(getattr(type(rule), "kind", None))
    return " ".join(code_of(kind) for kind in kinds if kind is not None)


class Cells:
    """Gives the curves of cells, training those that the store lacks.

    Args:
        make: makes their trials.
        store: the path of the store.
        workers: where ensembles are trained.
    """

    def __init__(self, make: Make, store: Path, workers: Workers) -> None:
        self.make, self.store, self.workers = make, store, workers

    def rows(self, name: str, cells: Sequence[Cell]) -> list[Row]:
        """Return the row of each cell; the name is that of the progress bar."""
        found = run(name, self.make, [cell.as_settings() for cell in cells], self.store, self.workers)
        return list(found)
