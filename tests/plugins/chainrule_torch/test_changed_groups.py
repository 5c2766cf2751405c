"""Test parameters and state that are put in and taken out by hand, as in torch's optimizers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch

from chainrule_torch import optim, optimizer


def parameter(dtype: torch.dtype = torch.float32) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(2, 3, dtype=dtype))


@pytest.mark.parametrize("settings", [{}, {"flatten": True}, {"release": True}, {"name": "muon"}])
def test_a_group_may_be_empty_or_become_so(settings: dict[str, Any]) -> None:
    only, given = parameter(), {"name": "adam", **settings}
    stepper = optimizer(given.pop("name"), [{"params": []}, {"params": [only]}], lr=0.5, **given)
    only.square().sum().backward()
    stepper.step()
    after = only.detach().clone()
    assert (after < 1).all()
    stepper.param_groups[1]["params"].clear()
    stepper.step()
    assert torch.equal(only, after)


@pytest.mark.parametrize("settings", [{}, {"rounding": "kahan"}, {"flatten": True}])
def test_parameters_of_16_bits_may_be_put_into_a_group(settings: dict[str, Any]) -> None:
    one, other = parameter(torch.bfloat16), parameter(torch.bfloat16)
    stepper = optim.adam([one], lr=0.25, **settings)
    stepper.param_groups[0]["params"].append(other)
    one.grad, other.grad = torch.ones_like(one), torch.ones_like(other)
    stepper.step()
    assert torch.equal(other, torch.full_like(other, 0.75))
    assert not torch.equal(stepper.state[one]["random_key"], stepper.state[other]["random_key"])


def test_a_copy_steps_parameters_of_16_bits_whose_state_was_removed() -> None:
    only = parameter(torch.bfloat16)
    stepper = optim.adam([only], lr=0.25)
    stepper.state.clear()
    only, stepper = copy.deepcopy((only, stepper))
    only.grad = torch.ones_like(only)
    stepper.step()
    assert torch.equal(only, torch.full_like(only, 0.75))


@pytest.mark.parametrize("name", ["adam", "shampoo"])
def test_a_saved_state_takes_the_place_of_one_that_was_removed(name: str) -> None:
    def step(stepper: Any, grad: float) -> None:
        only.grad = torch.arange(6.0).view(2, 3) * grad
        stepper.step()

    only = parameter()
    stepper = optimizer(name, [only])
    step(stepper, 3.0)
    saved, then = copy.deepcopy(stepper.state_dict()), only.detach().clone()
    step(stepper, 0.1)
    expected = only.detach().clone()
    stepper.state.clear()
    stepper.load_state_dict(saved)
    only.data.copy_(then)
    step(stepper, 0.1)
    assert torch.equal(only, expected)


def test_a_parameter_that_another_replaced_is_no_part_of_the_saved_state() -> None:
    one, other, new = parameter(), parameter(), parameter()
    stepper = optim.adam([one, other])
    stepper.param_groups[0]["params"][0] = new
    assert [*stepper.state_dict()["state"]] == [1]
    assert one in stepper.state
