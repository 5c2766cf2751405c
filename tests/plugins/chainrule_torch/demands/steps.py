"""Rules as torch's optimizers, with parameters of several shapes and steps by given gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

import chainrule
from chainrule.updates.chain import Chain
from chainrule_torch import optim
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer
from tests.built_ins import built_in_rules
from tests.forms import first_of_each_form

FIRST = first_of_each_form(built_in_rules())
RULES = [
    pytest.param(kind.examples()[0], id=kind.__name__, marks=() if kind in FIRST else pytest.mark.slow)
    for kind in built_in_rules()
]
ALONE = [each for each in RULES if not Chain(each.values[0]).has_sums]
"""The rules whose step of one parameter does not depend on the others."""
NOISELESS = [each for each in ALONE if each.id != "Sgld"]
"""Those of them that draw nothing; a parameter's random numbers follow from its place among the parameters."""


def of_rule(rule: chainrule.Optimizer, params: Any) -> RuleOptimizer:
    return type("Made", (RuleOptimizer,), {"factory": staticmethod(lambda: rule)})(params)


def shapes_for(rule: chainrule.Optimizer) -> list[tuple[int, ...]]:
    ranks = Chain(rule).ranks
    return [shape for shape in ((4, 3), (3,), (2, 3), ()) if len(shape) in ranks]


def draw(shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def parameters_for(rule: chainrule.Optimizer, dtype: torch.dtype = torch.float64) -> list[Parameter]:
    return [Parameter(draw(shape, i, dtype)) for i, shape in enumerate(shapes_for(rule))]


def take(parameters: list[Parameter], stepper: Any, steps: int = 3, first: int = 0) -> None:
    for t in range(first, first + steps):
        for i, one in enumerate(parameters):
            one.grad = draw(tuple(one.shape), 100 * t + i, one.dtype)
        stepper.step()


def values(parameters: list[Parameter]) -> list[Tensor]:
    return [one.detach().clone() for one in parameters]


def contents(stepper: RuleOptimizer) -> list[dict[str, Tensor]]:
    return [{name: entry.clone() for name, entry in state.items()} for state in stepper.state.values()]


def assert_same(one: Any, other: Any) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


def adam_after(steps: int = 3, **settings: Any) -> tuple[list[Parameter], Any]:
    parameters = [Parameter(draw((3,), 0)), Parameter(draw((2,), 1))]
    stepper = optim.adam(parameters, **settings)
    take(parameters, stepper, steps)
    return parameters, stepper
