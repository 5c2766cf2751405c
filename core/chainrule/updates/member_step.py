"""One step of a rule with the parameters of one member."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from chainrule.base.optimizer import State
from chainrule.base.random_numbers import Ahead
from chainrule.updates.chain import Chain
from chainrule.updates.moment import Moment


class Tensors(NamedTuple):
    """One parameter of one member, or of all, with the key of its random numbers, (2, 1) or (2, M)."""

    data: Tensor
    grad: Tensor
    state: State
    key: Tensor
    ahead: Ahead | None = None


def take(chain: Chain, tensors: list[Tensors], states: list[list[State]], moment: Moment) -> None:
    """Take a step with the parameters of one member."""
    if chain.is_simple:
        # One object serves all parameters, since making it costs as much as an operation.
        (step,) = steps = chain.steps(moment)
        for one, own in zip(tensors, states, strict=True):
            step.begin(one.key, one.data.dtype, one.ahead)
            chain.apply(one.data, one.grad, own, steps)
        return
    take_all(chain, tensors, states, [moment] * len(tensors))


def added(parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the sums over all parameters, each over those that have a part of it."""
    names = dict.fromkeys(name for part in parts for name in part)  # not all, where their rules act at other steps
    return {name: torch.stack([part[name] for part in parts if name in part]).sum(0) for name in names}


def take_all(
    chain: Chain,
    tensors: list[Tensors],
    states: list[list[State]],
    moments: Sequence[Moment],
    add: Callable[[Sequence[Mapping[str, Tensor]]], Mapping[str, Tensor]] = added,
) -> None:
    """Take a step with parameters that may each be at a moment of its own.

    Args:
        chain: the rule.
        tensors: the parameters.
        states: theirs, layer by layer.
        moments: theirs.
        add: returns the sums over all parameters for those of each.
    """
    all_steps = [
        chain.steps(moment, one.key, one.data.dtype, one.ahead) for one, moment in zip(tensors, moments, strict=True)
    ]
    grads = [
        chain.change_gradient(one.data, one.grad, own, steps)
        for one, own, steps in zip(tensors, states, all_steps, strict=True)
    ]
    if chain.has_sums:
        parts = [
            chain.reduce(one.data, grad, own, steps)
            for one, grad, own, steps in zip(tensors, grads, states, all_steps, strict=True)
        ]
        sums = add(parts)
        for steps in all_steps:
            chain.add_sums(steps, sums)
    for one, grad, own, steps in zip(tensors, grads, states, all_steps, strict=True):
        chain.apply(one.data, grad, own, steps)
