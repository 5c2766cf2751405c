"""``chainrule bench verify``: run a part of a benchmark's cells again, and name those that do not agree."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import chainrule
from chainrule import ChainruleError
from chainrule.arguments import number
from chainrule.registry.source_files import is_file
from chainrule_lab.bench.cells import Make
from chainrule_lab.bench.contenders import contender
from chainrule_lab.bench.frozen import FILE
from chainrule_lab.bench.protocol import FINAL_SEEDS, PROTOCOL, TUNING_SEEDS, counted
from chainrule_lab.bench.results import Outcome, Point, from_plain
from chainrule_lab.sweep.ensembles import groups_of, train
from chainrule_lab.sweep.record import Record
from chainrule_lab.sweep.space import Settings
from chainrule_lab.sweep.store import Store, identity_of
from chainrule_lab.sweep.trial import Keys, Trial, versions

LEAST = 30
"""The fewest cells that are run again: of a store with a fifth of them changed, one in 800 passes."""

TOLERANCE = 1e-3
"""The relative difference of losses that other processors may make, where a run does not amplify rounding."""

TWINS, NUDGE = 4, 1e-6
"""Runs from weights changed in their last digits, which show how far one amplifies it."""


@dataclass(frozen=True)
class Claim:
    """What a store or file says about a cell.

    Attributes:
        settings: the cell as the sweep keeps it.
        losses: the last validation loss and, of a final run, the test loss; +∞ where the run diverged.
    """

    settings: Settings
    losses: tuple[float, ...]

    def __str__(self) -> str:
        own: Any = self.settings
        point = Point.of(dict(own["settings"]), own["schedule"])
        return f"{own['task']}, {own['contender']}, {point}, {own['horizon']}×, seed {own['seed']}"


@dataclass(frozen=True)
class Verified:
    """What a verification has found.

    Attributes:
        cells: the number of cells.
        repeated: the number of those that were run again.
        faults: a sentence for each cell that does not agree.
    """

    cells: int
    repeated: int
    faults: Sequence[str]


def verify(path: Path | None, share: float, seed: int | None = None) -> Verified:
    """Check all keys of a store, and run a share of its cells again; of the frozen baselines if path is None.

    Args:
        path: the store.
        share: the share of cells to run again, of which there are at least 30.
        seed: that of the choice of cells; None for another choice at each call.

    Raises:
        ChainruleError: if there is no such store, or no cell of a benchmark in it.
    """
    number("verify", "share", share, at_least=0, at_most=1)
    make = Make({})
    claims, faults = _of_frozen() if path is None else _of_store(path, make)
    if not claims and not faults:
        raise ChainruleError(f"verify: {path or FILE} must have results of a benchmark, got none. Name another store.")
    count = min(len(claims), max(LEAST, math.ceil(share * len(claims))))
    chosen = random.Random(seed).sample(claims, count)  # noqa: S311 - nothing secret
    return Verified(len(claims), count, [*faults, *_repeated(chosen, make)])


def _of_frozen() -> tuple[list[Claim], list[str]]:
    if not FILE.is_file():
        return [], []
    plain = json.loads(FILE.read_text(encoding="utf-8"))
    outcomes = [from_plain(one) for one in plain["outcomes"]] if plain["protocol"] == PROTOCOL else []
    return [claim for one in outcomes for claim in _claims_of(one)], []


def _claims_of(outcome: Outcome) -> Iterator[Claim]:
    def claim(point: Point, seed: int, *losses: float) -> Claim:
        settings: Any = {
            "task": outcome.task,
            "contender": outcome.contender,
            "horizon": outcome.horizon,
            "seed": seed,
            "final": len(losses) == 2,
            "schedule": point.schedule,
            "settings": [list(pair) for pair in point.settings],
        }
        return Claim(settings, losses)

    for point, tried in outcome.tried.items():
        yield from (claim(point, seed, loss) for seed, loss in zip(TUNING_SEEDS, tried, strict=True))
    if outcome.chosen is not None:
        for seed, curve, test in zip(FINAL_SEEDS, outcome.curves, outcome.test, strict=True):
            yield claim(outcome.chosen, seed, math.inf if math.isinf(test) else curve[-1], test)


def _of_store(path: Path, make: Make) -> tuple[list[Claim], list[str]]:
    """Return what a store says about its cells, and the faults that show without running any."""
    if not is_file(path):
        raise ChainruleError(f"verify: no such store: {path}.")
    faults: list[str] = []
    cells: dict[str, Settings] = {}
    with Store(path, create=False) as store:
        for sweep in store.sweeps():
            trials = store.trials(sweep.id)
            if identity_of(trials) != sweep.id:
                faults.append(f"{sweep.name}: the list of its cells is not the one that was entered.")
            cells |= {key: settings for key, settings in trials if "contender" in settings}
        records = store.results(cells)
    faults += [f"{Claim(own, ())}: no result." for key, own in cells.items() if key not in records]
    keys, made = Keys(), dict[str, Trial]()
    claims = []
    for key, record in records.items():
        own: Any = cells[key]
        same = repr({**own, "seed": None})
        trial = made[same] = made.get(same) or _trial(own, make)
        claim = Claim(own, _losses(own, record, make))
        current = record.versions == versions()
        if record.seed != own["seed"] or (current and keys.of(trial, own["seed"]) != key):
            faults.append(f"{claim}: the result is that of other data, settings, code or seed.")
        claims.append(claim)
    return claims, faults


def _trial(settings: Settings, make: Make) -> Trial:
    own: Any = settings
    if own["contender"] not in make.contenders:
        make.contenders = {**make.contenders, own["contender"]: contender(own["contender"])}
    return make(settings)


def _losses(settings: Settings, record: Record, make: Make) -> tuple[float, ...]:
    own: Any = settings
    names = ("validation_loss", "test_loss") if own["final"] else ("validation_loss",)
    return _counted(settings, tuple(record.curves[name][-1] for name in names), make)


def _counted(settings: Settings, losses: Sequence[float], make: Make) -> tuple[float, ...]:
    """Return losses as they count: all +∞ where the last validation loss shows that the run diverged."""
    own: Any = settings
    initial = make.task(own["task"]).initial_losses[own["seed"]]
    if math.isinf(counted(losses[0], initial)):
        return (math.inf,) * len(losses)
    return tuple(loss if math.isfinite(loss) else math.inf for loss in losses)


def _repeated(claims: Sequence[Claim], make: Make) -> list[str]:
    """Run cells again, and return a sentence for each that does not agree."""
    trials = [_trial(claim.settings, make) for claim in claims]
    faults = []
    for group in groups_of(trials, Keys()):
        seeds: list[Any] = [claims[i].settings["seed"] for i in group]
        for i, trained in zip(group, train([trials[i] for i in group], seeds), strict=True):
            names = ("validation_loss", "test_loss")[: len(claims[i].losses)]
            again = tuple(trained.curves[name][-1] for name in names)
            found = _counted(claims[i].settings, again, make)
            if not _agree(claims[i].losses, found) and not _amplified(claims[i], trials[i], found, make):
                faults.append(f"{claims[i]}: {_shown(claims[i].losses)}, run again {_shown(found)}.")
    return faults


def _agree(claimed: Sequence[float], found: Sequence[float]) -> bool:
    return all(math.isclose(a, b, rel_tol=TOLERANCE) for a, b in zip(claimed, found, strict=True))


def _amplified(claim: Claim, trial: Trial, found: Sequence[float], make: Make) -> bool:
    """Return whether the claim may be that of one more twin of the run: those differ from it by rounding alone."""
    seed: Any = claim.settings["seed"]
    network = trial.built([seed] * TWINS)
    factors = 1 + NUDGE * torch.arange(1, TWINS + 1)
    for parameter in network.parameters():
        parameter.data.mul_(factors.view(-1, *[1] * len(parameter.shape)))
    history = chainrule.fit(
        network, trial.loss, trial.optimizer, train=trial.train, validation=trial.validation, **trial.fit
    )
    columns = [history["validation_loss"][-1].tolist()]
    if trial.test is not None:
        columns.append(chainrule.evaluate(network, trial.loss, trial.test)["loss"].tolist())
    twins = [_counted(claim.settings, losses, make) for losses in zip(*columns, strict=True)]
    return all(map(may_be_a_twin, claim.losses, zip(found, *twins, strict=True)))


def may_be_a_twin(claimed: float, losses: Sequence[float]) -> bool:
    """Return whether a loss may be one more of these, which differ by rounding alone; +∞ is of a run that diverged.

    It lies outside of the finite ones by at most as much as these lie apart. Where some runs diverged, it may be +∞ or
    anything above the finite ones; where all did or none, the claim is alike.
    """
    finite = [loss for loss in losses if math.isfinite(loss)]
    if math.isinf(claimed) or not finite:
        return claimed in losses
    low, high = min(finite), max(finite)
    apart = high - low + TOLERANCE * abs(low)
    return low - apart <= claimed and (claimed <= high + apart or len(finite) < len(losses))


def _shown(losses: Sequence[float]) -> str:
    names = ("validation loss", "test loss")
    return ", ".join(
        f"{name} {loss:.5g}" if math.isfinite(loss) else f"{name} diverged"
        for name, loss in zip(names, losses, strict=False)
    )
