"""Which trials are trained together, and how an ensemble of them is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from time import perf_counter
from typing import NamedTuple, TypeAlias, TypeVar

import chainrule
from chainrule import CallbackError, ChainruleError, Run, hookimpl
from chainrule.errors import one_line
from chainrule.joining import alike, joined
from chainrule_lab.sweep.trial import Keys, Trial

Item = TypeVar("Item")

ALONE = 8
"""The trials of an ensemble that are tried alone to see whether all fail for a reason that is not their own."""


class Trained(NamedTuple):
    """What became of a trial.

    Attributes:
        curves: by name one value for each epoch until a callback stopped it; of the test split, one value.
        seconds: the time of the ensemble, divided by its members.
    """

    curves: dict[str, list[float]]
    seconds: float


Outcome: TypeAlias = Trained | ChainruleError
"""What became of a trial, or why it cannot be trained."""


def groups_of(trials: Sequence[Trial], keys: Keys) -> list[list[int]]:
    """Return the indices of the trials that can be members of one ensemble, group by group."""
    surroundings: dict[str, list[int]] = {}
    for index, trial in enumerate(trials):
        surroundings.setdefault(keys.surroundings(trial), []).append(index)
    return [
        [indices[i] for i in group]
        for indices in surroundings.values()
        for group in alike([trials[i].module for i in indices], [trials[i].optimizer for i in indices])
    ]


def chunks_of(group: Sequence[Item], most: int) -> list[list[Item]]:
    """Return a group in as few parts as have at most so many members, of nearly equal sizes."""
    count = -(-len(group) // most)
    bounds = [round(i * len(group) / count) for i in range(count + 1)]
    return [list(group[start:end]) for start, end in pairwise(bounds)]


def train_each(
    trials: Sequence[Trial], seeds: Sequence[int], on_epoch: Callable[[], None] = lambda: None
) -> list[Outcome]:
    """Train trials that are alike as one ensemble or, if that fails, as smaller ones, down to those that fail alone.

    Where the first few that are tried alone all fail with one message, the others are taken to fail as these do.
    """

    def together(members: Sequence[int]) -> list[Outcome] | None:
        """Return what became of these trials, or None if they are several and one or more fails."""
        try:
            return [*train([trials[i] for i in members], [seeds[i] for i in members], on_epoch)]
        except MembersDroppedError as error:
            return [error] * len(members)
        except Exception as error:  # noqa: BLE001 - whatever a metric raises, say, is the outcome of its trial
            return [_in_one_line(error)] if len(members) == 1 else None

    def parted(members: Sequence[int]) -> dict[int, Outcome]:
        found = together(members)
        return halves(members) if found is None else dict(zip(members, found, strict=True))

    def halves(members: Sequence[int]) -> dict[int, Outcome]:
        half = len(members) // 2
        return {i: one for part in (members[:half], members[half:]) if part for i, one in parted(part).items()}

    everyone = range(len(trials))
    if (found := together(everyone)) is not None:
        return found
    alone: dict[int, Outcome] = {}
    for index in _spread(len(trials)):
        alone |= parted([index])
        if isinstance(alone[index], Trained) or str(alone[index]) != str(alone[0]):
            break
    else:
        return [alone.get(i, alone[0]) for i in everyone]
    alone |= halves([i for i in everyone if i not in alone])
    return [alone[i] for i in everyone]


def _spread(count: int) -> list[int]:
    """Return a few of so many indices, from the first to the last at equal distances."""
    gaps = min(ALONE, count) - 1
    return [round(i * (count - 1) / gaps) for i in range(gaps + 1)]


def _in_one_line(error: Exception) -> ChainruleError:
    """Return an error that reads as a line, whoever raised it."""
    if isinstance(error, ChainruleError):
        return error
    told = ChainruleError(one_line(error))
    told.__cause__ = error
    return told


def train(trials: Sequence[Trial], seeds: Sequence[int], on_epoch: Callable[[], None] = lambda: None) -> list[Trained]:
    """Train trials that are alike, each with its seed, as one ensemble."""
    start = perf_counter()
    first = trials[0].copied()
    network = first.built(seeds)
    arguments = dict(first.fit)
    epochs = _Epochs(on_epoch)
    try:
        history = chainrule.fit(
            network,
            first.loss,
            joined([trial.optimizer for trial in trials]),
            train=first.train,
            validation=first.validation,
            callbacks=[*arguments.pop("callbacks"), epochs],
            **arguments,
        )
    except CallbackError as error:
        raise error.__cause__ if isinstance(error.__cause__, MembersDroppedError) else error from error.__cause__
    curves = {
        name: [values[: epochs.ends.get(member)] for member, values in enumerate(curve.T.tolist())]
        for name, curve in history.items()
    }
    if first.test is not None:
        found = chainrule.evaluate(network, first.loss, first.test, metrics=arguments["metrics"])
        curves |= {f"test_{name}": value.unsqueeze(1).tolist() for name, value in found.items()}
    seconds = (perf_counter() - start) / len(trials)
    return [Trained({name: curve[i] for name, curve in curves.items()}, seconds) for i in range(len(trials))]


class MembersDroppedError(ChainruleError):
    """A callback dropped members, so that a trial's result would follow from those beside it."""


class _Epochs:
    """A callback that counts the epochs, and refuses what no single run would do.

    Attributes:
        ends: the last epoch of each member that was stopped.
    """

    def __init__(self, on_epoch: Callable[[], None]) -> None:
        self.ends: dict[int, int] = {}
        self._on_epoch = on_epoch

    @hookimpl
    def chainrule_epoch_end(self, run: Run, epoch: int) -> None:
        if run.dropped_members:
            raise MembersDroppedError(
                "callbacks must leave every trial in training, got some that drop the worst. Leave them out, "
                "or let chainrule.integrations.optuna prune trials."
            )
        for member in run.stopped_members:
            self.ends.setdefault(member, epoch)
        if run.stopped and epoch < run.epochs and 1 < run.network.members != len(self.ends):
            raise ChainruleError("callbacks must stop each trial by itself, got one that stops all. Name the members.")
        self._on_epoch()
