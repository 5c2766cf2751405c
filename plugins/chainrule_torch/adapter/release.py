"""`GradientRelease`: steps of single parameters during backward, after which their gradients are freed."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from chainrule import ChainruleError, Optimizer
from chainrule.errors import label
from chainrule.updates.chain import Chain

_handles: Any = WeakTensorKeyDictionary()
"""Of each parameter, the hook of the optimizer that steps it: the one made last."""


class GradientRelease:
    """Has an optimizer step a parameter as soon as its gradient has been accumulated, and frees the gradient.

    Args:
        rule: the optimizer's.
        optimizer: the optimizer, which is not kept alive.
        step: steps a parameter of a group of the optimizer, given the group's number.

    Raises:
        ChainruleError: if the rule sums over parameters, or gradients are averaged over processes.
    """

    def __init__(self, rule: Optimizer, optimizer: Any, step: Callable[[Any, int, Tensor], None]) -> None:
        if Chain(rule).has_sums:
            raise ChainruleError(
                f"{label(rule)}: release=True must step each parameter alone, got a rule with sums over all of them. "
                "Leave release out."
            )
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            processes = torch.distributed.get_world_size()
            if processes > 1:
                raise ChainruleError(
                    f"{label(rule)}: release=True must step with the gradients of one process, got {processes} "
                    "processes, which average theirs later. Leave release out."
                )
        self._owner, self._step, self._optimizer = label(rule), step, weakref.ref(optimizer)
        self._stepped: set[Tensor] = set()
        self._places: dict[Tensor, tuple[int, int]] = {}

    def watch(self, parameters: Iterable[Tensor]) -> None:
        """Step these parameters from now on; one that needs no gradient now is left to `step`."""
        for parameter in parameters:
            if parameter.requires_grad:
                if (before := _handles.get(parameter)) is not None:
                    before.remove()
                register: Any = parameter.register_post_accumulate_grad_hook
                _handles[parameter] = register(partial(_release, weakref.ref(self)))

    def end_pass(self, closure: object) -> None:
        """Let every parameter have another gradient.

        Raises:
            ChainruleError: for a closure.
        """
        if closure is not None:
            raise ChainruleError(
                f"{self._owner}: release=True must step during backward, got a closure. "
                "Call backward() first and then step(), or leave release out."
            )
        self._stepped.clear()

    def refuse_scaler(self) -> None:
        """Raise ChainruleError for a gradient scaler."""
        raise ChainruleError(
            f"{self._owner}: release=True must step with true gradients, got a GradScaler, whose scaled ones have "
            "moved the parameters already. Train in bfloat16 without a scaler, or leave release out."
        )

    def take(self, parameter: Tensor) -> None:
        """Step a parameter that has just got its gradient.

        Raises:
            ChainruleError: if it has got one before since the optimizer's last `step`.
        """
        optimizer = self._optimizer()
        place = None if optimizer is None else self._place(optimizer.param_groups, parameter)
        if place is None:
            return
        if parameter in self._stepped:
            raise ChainruleError(
                f"{self._owner}: release=True must step at each gradient, got a second one before step(). "
                "Call step() after every backward; to accumulate gradients, use the wrapper accumulate or leave "
                "release out."
            )
        self._step(optimizer, place, parameter)
        self._stepped.add(parameter)
        parameter.grad = None

    def _place(self, groups: Sequence[dict[str, Any]], parameter: Tensor) -> int | None:
        """Return the number of a parameter's group, or None where it is in none any more."""
        i, k = self._places.get(parameter, (len(groups), 0))
        if i < len(groups) and k < len(groups[i]["params"]) and groups[i]["params"][k] is parameter:
            return i
        self._places = {one: (i, k) for i, group in enumerate(groups) for k, one in enumerate(group["params"])}
        return self._places[parameter][0] if parameter in self._places else None


def _release(release: weakref.ref[GradientRelease], parameter: Tensor) -> None:
    if (found := release()) is not None:
        found.take(parameter)
