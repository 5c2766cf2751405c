"""Test that the modes of torch around a call change neither steps nor the state that they leave."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from chainrule_torch import optimizer
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer


def made(name: str, dtype: torch.dtype = torch.float32, *, release: bool = False) -> tuple[Tensor, RuleOptimizer]:
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 6).view(3, 2).to(dtype))
    return parameter, optimizer(name, [parameter], lr=0.1, release=release)


def step(parameter: Tensor, stepper: RuleOptimizer) -> None:
    (parameter * torch.linspace(-2, 1, 6).view(3, 2)).sum().backward()
    stepper.step()
    stepper.zero_grad()


@pytest.mark.parametrize("release", [False, True])
@pytest.mark.parametrize("name", ["muon", "scion", "shampoo", "soap"])
def test_products_of_a_step_have_the_dtype_of_the_state_within_autocast(name: str, release: bool) -> None:
    (inside, one), (outside, other) = made(name, release=release), made(name, release=release)
    for _ in range(3):
        with torch.autocast("cpu"):
            step(inside, one)
        step(outside, other)
    assert torch.equal(inside, outside)


def test_a_closure_computes_as_its_caller_does() -> None:
    parameter, stepper = made("adam")
    with torch.autocast("cpu"):
        assert stepper.step(lambda: parameter @ parameter.mT).dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", ["adafactor", "lamb", "soap"])
def test_state_made_in_inference_mode_changes_outside_of_it(name: str, dtype: torch.dtype) -> None:
    parameter, stepper = made(name, dtype)
    parameter.grad = torch.ones_like(parameter)
    with torch.inference_mode():
        stepper.step()
    step(parameter, stepper)
    with torch.inference_mode():
        stepper.load_state_dict(stepper.state_dict())
    step(parameter, stepper)
    assert float(stepper.state[parameter]["step"]) == 3


def test_a_loaded_state_lies_where_its_parameter_does_whatever_the_default_device() -> None:
    parameter, stepper = made("adam", torch.bfloat16)
    step(parameter, stepper)
    with torch.device("meta"):
        stepper.load_state_dict(stepper.state_dict())
    step(parameter, stepper)
    assert {entry.device.type for entry in stepper.state[parameter].values()} == {"cpu"}
