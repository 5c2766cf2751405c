"""Test that state which nobody has read is that of an optimizer whose state was read from the start."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import Any

import pytest
import torch

from chainrule_torch import optim
from chainrule_torch.adapter.initial_state import ALIGNMENT, zeros


def with_gradients(*shapes: Any, dtype: torch.dtype = torch.float32) -> list[torch.nn.Parameter]:
    parameters = [torch.nn.Parameter(torch.linspace(-1, 1, torch.Size(each).numel()).view(each)) for each in shapes]
    for i, each in enumerate(parameters):
        each.data = each.data.to(dtype)
        each.grad = torch.full_like(each, i + 1.0)
    return parameters


def test_parameters_have_no_entries_until_the_state_is_read() -> None:
    first, second = with_gradients((3,), (2, 2))
    stepper = optim.adam([first, second])
    stepper.step()
    assert not vars(stepper)["state"]
    assert [float(state["step"]) for state in stepper.state.values()] == [1, 1]
    torch.testing.assert_close(stepper.state[second]["m"], torch.full((2, 2), 0.2))


@pytest.mark.parametrize("flatten", [False, True])
@pytest.mark.parametrize("make", [optim.adamw, optim.schedule_free_adamw])
def test_a_state_read_late_is_that_of_one_read_from_the_start(make: Any, flatten: bool) -> None:
    found = []
    for reads in (False, True):
        parameters = with_gradients((3,), (2, 2), (2**14 + 3,), (4, 5), (6,), (7,))
        torch.manual_seed(0)
        stepper = make(parameters[:3], flatten=flatten)
        if reads:
            assert len(stepper.state) == 3
        torch.manual_seed(1)
        stepper.add_param_group({"params": parameters[3:]})
        with torch.no_grad():
            parameters[0].add_(1)
        parameters[3].grad = parameters[5].grad = None
        for t in range(3):
            stepper.step()
            parameters[1].grad = None if t else parameters[1].detach().clone()
            parameters[3].data.add_(1)
            parameters[3].grad = torch.ones(4, 5)
        found.append([[parameter.detach(), *stepper.state[parameter].items()] for parameter in parameters])
    for late, early in zip(*found, strict=True):
        assert torch.equal(late[0], early[0])
        assert dict(late[1:]).keys() == dict(early[1:]).keys()
        assert all(torch.equal(entry, dict(early[1:])[name]) for name, entry in late[1:])


@pytest.mark.parametrize("flatten", [False, True])
def test_a_state_that_starts_as_the_parameter_starts_as_all_of_it(flatten: bool) -> None:
    parameters = with_gradients((3, 2), (2**17 + 3,))
    stepper = optim.schedule_free_adamw(parameters, flatten=flatten)
    assert all(torch.equal(stepper.state[parameter]["z"], parameter) for parameter in parameters)


def test_a_model_may_be_converted_before_the_first_step() -> None:
    converted, double = (with_gradients((3,), (2, 2), dtype=dtype) for dtype in (torch.float32, torch.float64))
    stepper, other = optim.adamw(converted), optim.adamw(double)
    for one, like in zip(converted, double, strict=True):
        one.data, one.grad = like.data.clone(), like.grad
    for each in (stepper, other):
        each.step()
    assert all(map(torch.equal, converted, double))


def test_another_state_in_the_place_of_one_that_nobody_read_begins_anew() -> None:
    (parameter,) = with_gradients((3,))
    stepper = optim.sgd([parameter], momentum=0.9)
    stepper.step()
    stepper.state = defaultdict(dict)
    stepper.step()
    assert float(stepper.state[parameter]["step"]) == 1
    torch.testing.assert_close(stepper.state[parameter]["b"], torch.ones(3))


def test_an_optimizer_made_and_stepped_in_inference_mode_steps_outside_of_it() -> None:
    parameters = with_gradients((3,), (2, 2))
    with torch.inference_mode():
        stepper = optim.sgd(parameters, momentum=0.9)
        stepper.step()
    stepper.step()
    torch.testing.assert_close(stepper.state[parameters[1]]["b"], torch.full((2, 2), 3.8))


def test_states_of_several_dtypes_are_saved_together() -> None:
    parameters = [*with_gradients((2**20,)), *with_gradients((2**20,), dtype=torch.float64)]
    torch.save(optim.adam(parameters).state_dict(), io.BytesIO())  # refuses memory that tensors of two dtypes share


def test_zeros_lie_in_one_stretch_of_memory_where_torchs_tensors_would_start() -> None:
    for vectors in [zeros([3, 0, 2**19], torch.float64) for _ in range(20)]:
        assert [len(each) for each in vectors] == [3, 0, 2**19]
        assert not any(each.any() for each in vectors)
        assert [each.data_ptr() % ALIGNMENT for each in vectors if len(each)] == [0, 0]
        assert len({each.untyped_storage().data_ptr() for each in vectors}) == 1
