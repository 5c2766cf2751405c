"""`Chain`: a rule inside its wrappers, as the one rule that the core applies to a tensor."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer, State
from chainrule.base.random_numbers import Ahead
from chainrule.base.step import Step
from chainrule.base.wrapper import Wrapper, layers_of, period_of
from chainrule.errors import label
from chainrule.updates.moment import Moment, own_step
from chainrule.updates.rule_contract import (
    FrozenState,
    expect_like,
    expect_numbers,
    expect_state,
    expect_sums,
    refuse_parameter,
)

INSIDE = "inner."
"""Prefix of the names that belong to the rule inside a wrapper."""


class Chain:
    """The layers of a rule, outermost first: its wrappers, and the rule that has the learning rate.

    Gradients are changed from the outermost layer in, directions and parameters from the innermost out. Names of state,
    scalars and sums have a prefix for each wrapper around their layer. Where a wrapper lets the rule inside it step
    less often than itself, `steps` are those of the layers that act.

    Args:
        rule: the outermost layer.
        checks: whether results must have the parameter's shape and dtype.

    Attributes:
        stride: the updater's steps to one of the innermost rule's.
    """

    def __init__(self, rule: Optimizer, *, checks: bool = True) -> None:
        self.rule = rule
        self._checks = checks
        self.layers = layers_of(rule)
        self.inner = self.layers[-1]
        wrappers = [(i, layer) for i, layer in enumerate(self.layers[:-1]) if isinstance(layer, Wrapper)]
        self._gradients = [(i, one) for i, one in wrappers if type(one).change_gradient is not Wrapper.change_gradient]
        self._turns = [
            (i, one) for i, one in reversed(wrappers) if type(one).change_direction is not Wrapper.change_direction
        ]
        self._after = [(i, one) for i, one in reversed(wrappers) if type(one).after_step is not Wrapper.after_step]
        self._sums = [(i, one) for i, one in enumerate(self.layers) if type(one).reduce is not Optimizer.reduce]
        self._labels = [label(layer) for layer in self.layers]
        self._returns_direction = type(self.inner).apply is Optimizer.apply
        periods = [period_of(wrapper) for _, wrapper in wrappers]
        self._periods = [(i, period) for i, period in enumerate(periods) if period != 1]
        self._strides = [math.prod(periods[:layer]) for layer in range(len(self.layers))]
        self.stride = self._strides[-1]

    @property
    def has_sums(self) -> bool:
        """Whether a layer sums over parameters, through `reduce`."""
        return bool(self._sums)

    @property
    def is_simple(self) -> bool:
        """Whether the rule has no wrappers and no sums."""
        return len(self.layers) == 1 and not self._sums

    @property
    def vmappable(self) -> bool:
        """Whether torch.vmap can batch every layer over the members."""
        return all(layer.vmappable for layer in self.layers)

    @property
    def ranks(self) -> list[int]:
        """The ranks of the parameters that every layer accepts."""
        return [rank for rank in self.inner.ranks if all(rank in layer.ranks for layer in self.layers)]

    def init(self, parameter: Tensor) -> State:
        """Return the initial state of all layers for this tensor.

        Raises:
            ContractError: if an init returns anything but a dict of tensors.
        """
        state: State = {}
        for i, layer in enumerate(self.layers):
            own = layer.init(parameter)
            expect_state(self._labels[i], own)
            state |= {INSIDE * i + name: entry for name, entry in own.items()}
        return state

    def states(self, state: Mapping[str, Tensor]) -> list[State]:
        """Return each layer's part of a state."""
        return [FrozenState(own) for own in self._split(state)]

    def scalars(self, t: int) -> dict[str, float | Tensor]:
        """Return the scalars of all layers at step t.

        Raises:
            ContractError: if a layer's scalars are not numbers by name.
        """
        found: dict[str, float | Tensor] = {}
        for i, layer in enumerate(self.layers):
            own: Any = layer.scalars(own_step(t, self._strides[i]))
            expect_numbers(self._labels[i], own)
            found = {**found, **{INSIDE * i + name: value for name, value in own.items()}} if i else own
        return found

    def steps(
        self,
        moment: Moment,
        key: Tensor | None = None,
        dtype: torch.dtype | None = None,
        ahead: Ahead | None = None,
    ) -> list[Step]:
        """Return the step of each layer that acts, the outermost first.

        Args:
            moment: what they have in common.
            key: that of the parameter's random numbers, (2, 1).
            dtype: the parameter's.
            ahead: keeps its coming random numbers.
        """
        if len(self.layers) == 1:
            steps = [Step(moment.t, moment.lr, moment.scalars, self._labels[0], moment.due)]
        else:
            parts = zip(self._labels, self._split(moment.scalars), strict=True)
            steps = [Step(moment.t, moment.lr, values, name, moment.due) for name, values in parts]
            if self._periods:
                for step, stride in zip(steps, self._strides, strict=True):
                    step.t, step.stride = own_step(moment.t, stride), stride
        if key is not None and dtype is not None:
            for layer, step in enumerate(reversed(steps)):  # so that a rule draws the same within wrappers as alone
                step.begin(key, dtype, ahead, layer)
        for i, period in self._periods:
            if not steps[i].every(period):
                return steps[: i + 1]
        return steps

    def reaches_inner(self, steps: list[Step]) -> bool:
        """Whether the innermost rule acts at these steps."""
        return len(steps) == len(self.layers)

    def change_gradient(self, parameter: Tensor, grad: Tensor, states: list[State], steps: list[Step]) -> Tensor:
        """Return the gradient as the wrappers change it."""
        for i, wrapper in self._gradients:
            if i >= len(steps):
                break
            grad = wrapper.change_gradient(parameter, grad, states[i], steps[i])
            if self._checks:
                expect_like(self._labels[i], "change_gradient", "gradient", grad, parameter)
        return grad

    def reduce(self, parameter: Tensor, grad: Tensor, states: list[State], steps: list[Step]) -> dict[str, Tensor]:
        """Return what the layers sum over all parameters.

        Raises:
            ContractError: if a layer's reduce returns anything but 0-dim tensors by name.
        """
        found: dict[str, Tensor] = {}
        for i, layer in self._sums:
            if i >= len(steps):
                break
            own: Any = layer.reduce(parameter, grad, states[i], steps[i])
            if self._checks:
                expect_sums(self._labels[i], own)
            found |= {INSIDE * i + name: value for name, value in own.items()}
        return found

    def add_sums(self, steps: list[Step], sums: Mapping[str, Tensor]) -> None:
        """Let the steps know the sums."""
        for step, own in zip(steps, self._split(sums), strict=False):
            if own:
                step.values = {**step.values, **own}

    def direction(self, parameter: Tensor, grad: Tensor, states: list[State], steps: list[Step]) -> Tensor:
        """Return the direction to descend along, or that of the rule's `update` where it descends by itself.

        Raises:
            ContractError: if a direction has not the parameter's shape and dtype.
        """
        direction = self.inner.update(parameter, grad, states[-1], steps[-1])
        if self._checks:
            expect_like(self._labels[-1], "update", "direction", direction, parameter)
            if direction is parameter:
                refuse_parameter(self._labels[-1])
        if self._turns:
            for i, wrapper in self._turns:
                direction = wrapper.change_direction(parameter, grad, direction, states[i], steps[i])
                if self._checks:
                    expect_like(self._labels[i], "change_direction", "direction", direction, parameter)
        return direction

    def apply(self, parameter: Tensor, grad: Tensor, states: list[State], steps: list[Step]) -> None:
        """Take the step, with the gradient already changed."""
        if self.reaches_inner(steps):
            if not self._returns_direction:
                self.inner.apply(parameter, grad, states[-1], steps[-1])
            else:
                self.inner.descend(parameter, self.direction(parameter, grad, states, steps), steps[-1])
        if self._after:
            for i, wrapper in self._after:
                if i < len(steps):
                    wrapper.after_step(parameter, states[i], steps[i])

    def take(self, parameter: Tensor, grad: Tensor, states: list[State], steps: list[Step]) -> None:
        """Take a whole step for a tensor alone: change the gradient, sum over this tensor, and apply."""
        grad = self.change_gradient(parameter, grad, states, steps)
        if self._sums:
            self.add_sums(steps, self.reduce(parameter, grad, states, steps))
        self.apply(parameter, grad, states, steps)

    @property
    def evaluates_elsewhere(self) -> bool:
        """Whether a layer evaluates with other values than it trains."""
        return self._evaluating() is not None

    def evaluation_parameter(self, parameter: Tensor, states: list[State]) -> Tensor:
        """Return the values to evaluate with: those of the outermost layer that defines them.

        Raises:
            ContractError: if they have not the parameter's shape and dtype.
        """
        i = self._evaluating()
        if i is None:
            return parameter
        found = self.layers[i].evaluation_parameter(parameter, states[i])
        if self._checks:
            expect_like(self._labels[i], "evaluation_parameter", "parameter", found, parameter)
        return found

    def _evaluating(self) -> int | None:
        own = Optimizer.evaluation_parameter
        return next((i for i, layer in enumerate(self.layers) if type(layer).evaluation_parameter is not own), None)

    def _split(self, named: Mapping[str, Any]) -> list[Any]:
        if len(self.layers) == 1:
            return [named]
        parts: list[dict[str, Any]] = [{} for _ in self.layers]
        for name, value in named.items():
            depth = 0
            while name.startswith(INSIDE):
                name, depth = name.removeprefix(INSIDE), depth + 1
            parts[depth][name] = value
        return parts
