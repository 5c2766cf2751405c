"""Kill Optuna studies at random moments and resume them: ``python tests/end_to_end/kill_studies.py``.

Every study goes on in its SQLite file until it ends; it must then have every point of its grid once, with the value of
an undisturbed study. Needs os.fork: each start is a new process that has imported torch already.
"""

from __future__ import annotations

import os
import random
import signal
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import optuna
import torch
import typer
from forked import start
from optuna.trial import TrialState

from chainrule.activations import tanh
from chainrule.integrations.optuna import optimize
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam

X = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
Y = X.square().sum(1, keepdim=True)
GRID = {"width": [4, 8], "lr": [10 ** (-k / 4) for k in range(2, 10)], "seed": [0, 1]}
POINTS = 32


def build(trial: optuna.Trial) -> Any:
    width = trial.suggest_categorical("width", GRID["width"])
    optimizer = adam(lr=trial.suggest_float("lr", 1e-4, 1.0))
    return sequential(linear(3, width), tanh(), linear(width, 1)), optimizer, trial.suggest_int("seed", 0, 1)


def run(storage: str | None) -> dict[Any, float]:
    """Return the value of every complete trial, by its parameters; raise if there are two of one point."""
    sampler, pruner = optuna.samplers.GridSampler(GRID, seed=0), optuna.pruners.NopPruner()
    study = optuna.create_study(study_name="one", storage=storage, sampler=sampler, pruner=pruner, load_if_exists=True)
    data = {"train": (X[:150], Y[:150]), "validation": (X[150:], Y[150:])}
    optimize(study, build, loss=mse(), **data, n_trials=POINTS, epochs=5, batch_size=10, batch=8)
    complete = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    left = [
        trial.number for trial in study.trials if trial.state == TrialState.RUNNING and "process" in trial.user_attrs
    ]
    values = {tuple(sorted(trial.params.items())): trial.value for trial in complete}
    if len(complete) != POINTS or len(values) != POINTS or left:
        raise SystemExit(f"{len(complete)} trials, {len(values)} points of {POINTS}; {left} left running.")
    return values


def run_to_its_end(storage: str, end: Path) -> None:
    """Resume the study and leave its values in a file."""
    torch.save(list(run(storage).items()), end.with_suffix(".part"))
    end.with_suffix(".part").replace(end)


def main(
    kills: Annotated[int, typer.Option(min=1, help="How many processes to kill.")] = 100,
    each: Annotated[int, typer.Option(min=1, help="How many of them in one study.")] = 5,
    seed: Annotated[int, typer.Option(help="Of the moments; 0 takes another each time.")] = 0,
) -> None:
    """Kill studies and compare what they end with.

    Example: python tests/end_to_end/kill_studies.py --kills 20
    """
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    random.seed(seed or time.time_ns())
    expected = run(None)
    killed = studies = 0
    while killed < kills:
        with tempfile.TemporaryDirectory() as place:
            storage, end, began = f"sqlite:///{place}/study.db", Path(place) / "end", time.perf_counter()
            run(f"sqlite:///{place}/whole.db")
            within, own, done = time.perf_counter() - began, 0, False
            while not done:
                process = start(partial(run_to_its_end, storage, end))
                if own < each and killed < kills:
                    time.sleep(random.uniform(0, within))  # noqa: S311
                    os.kill(process, signal.SIGKILL)
                _, status = os.waitpid(process, 0)
                if os.WIFSIGNALED(status):
                    own, killed = own + 1, killed + 1
                elif status:
                    raise SystemExit(f"A start after {own} kills failed; its error is above.")
                else:
                    done = True
            values = dict(torch.load(end, weights_only=True))
        studies += 1
        for point, value in expected.items():
            if not abs(values[point] - value) <= 1e-3 * abs(value):  # float32, in ensembles of other sizes
                raise SystemExit(f"{dict(point)} has {values[point]} in place of {value}.")
    print(f"{killed} kills, {studies} studies, every point of their grids once.")


if __name__ == "__main__":
    typer.run(main)
