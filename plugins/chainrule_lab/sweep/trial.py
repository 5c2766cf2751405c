"""`Trial`: one run of a sweep but for its seed, not yet built, and the key by which its result is found."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

import chainrule
from chainrule import ChainruleError, Network
from chainrule.base.protocols import LossLike, ModuleLike
from chainrule.errors import label, one_line
from chainrule_lab.identity import digest, text_of

Pair: TypeAlias = tuple[Tensor, Tensor]

WITHOUT_EFFECT = "compile"
"""The argument of a fit that changes how it is computed, to rounding, but not what."""


@dataclass(frozen=True)
class Trial:
    """One run for any seed: a module and an optimizer of its own, and what it is trained with.

    Attributes:
        module: the module, not built.
        optimizer: an optimizer, or `param_groups({…})`, with plain numbers.
        loss: the loss.
        train: x and y.
        validation: x and y, or None.
        test: x and y on which the trained network is evaluated once, or None.
        fit: further arguments of `chainrule.fit`, such as epochs.
        build: further arguments of `Module.build`: dtype and device.
        frozen: patterns of parameters that are not trained.
        beyond: what else the result depends on, by name, such as the number of a protocol.
    """

    module: ModuleLike
    optimizer: Any
    loss: LossLike
    train: Pair
    validation: Pair | None = None
    test: Pair | None = None
    fit: Mapping[str, Any] = field(default_factory=dict)
    build: Mapping[str, Any] = field(default_factory=dict)
    frozen: Sequence[str] = ()
    beyond: Mapping[str, str] = field(default_factory=dict)

    def built(self, seeds: Sequence[int]) -> Network:
        """Return an ensemble of such modules with these seeds."""
        network = Network(copy.deepcopy(self.module), seeds=seeds, **self.build)
        for pattern in self.frozen:
            network.freeze(pattern)
        return network

    def copied(self) -> Trial:
        """Return this trial with loss, metrics and callbacks for one ensemble alone."""
        loss, fit = copies_of(self.loss, self.fit)
        return replace(self, loss=loss, fit=fit)


def copies_of(loss: LossLike, fit: Mapping[str, Any]) -> tuple[LossLike, dict[str, Any]]:
    """Return a copy of the loss, and the arguments of a fit with copies of its metrics and callbacks.

    What two of them share, their copies share: a callback that anneals the loss finds the one that is trained with.
    Without callbacks nothing is copied, since nothing changes; nor is a loss or metric that cannot be, which no
    callback has.

    Raises:
        ChainruleError: if a callback holds what cannot be copied.
    """
    if not fit.get("callbacks"):
        return loss, {"metrics": None, "callbacks": [], **fit}
    memo: dict[int, Any] = {}
    callbacks = [_copied_callback(one, memo) for one in fit["callbacks"]]
    metrics, loss = (_copied_or_same(one, memo) for one in (fit.get("metrics"), loss))
    return loss, {**fit, "metrics": metrics, "callbacks": callbacks}


def _copied_callback(callback: object, memo: dict[int, Any]) -> object:
    try:
        return copy.deepcopy(callback, memo)
    except Exception as error:
        raise ChainruleError(
            f"{label(callback)}: a callback of a sweep must be possible to copy, since each ensemble gets a copy, "
            f"got {one_line(error).rstrip('.')}. Open what it holds in chainrule_fit_start."
        ) from error


def _copied_or_same(value: Any, memo: dict[int, Any]) -> Any:
    with suppress(Exception):
        return copy.deepcopy(value, memo)
    return value


class Keys:
    """Makes keys of trials, each part that trials share described once."""

    def __init__(self) -> None:
        self._shared: dict[int, tuple[object, str]] = {}  # kept with the objects, whose identities stay taken
        self._codes: dict[Any, str] = {}

    def of(self, trial: Trial, seed: int) -> str:
        """Return what a result is found by: a digest of all that it depends on, the same in every process."""
        parts = [self.surroundings(trial), self._text(trial.module), self._text(trial.optimizer)]
        return digest(f"{parts} seed {seed}")

    def surroundings(self, trial: Trial) -> str:
        """Return a digest of all but the module, the optimizer and the seed; members of one ensemble share it."""
        fit = {name: self._text(value) for name, value in trial.fit.items() if name != WITHOUT_EFFECT}
        data = [self._text(one) for one in (trial.loss, trial.train, trial.validation, trial.test)]
        dtype = trial.build.get("dtype") or torch.get_default_dtype()
        device = torch.device(trial.build.get("device", "cpu")).type
        beyond = [list(trial.frozen), sorted(trial.beyond.items())]
        return digest(repr([versions(), str(dtype), device, *data, sorted(fit.items()), *beyond]))

    def _text(self, value: object) -> str:
        if id(value) not in self._shared:
            self._shared[id(value)] = value, digest(text_of(value, codes=self._codes))
        return self._shared[id(value)][1]


def versions() -> dict[str, str]:
    """Return the versions on which results depend."""
    return {"chainrule": chainrule.__version__, "torch": str(torch.__version__)}
