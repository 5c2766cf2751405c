"""Test that state which nobody has read is that of an optimizer whose state was read from the start."""

from __future__ import annotations

import io
from collections import defaultdict
from typing import Any

import pytest
import torch
from torch import Tensor

import chainrule
from chainrule_torch import optim
from chainrule_torch.adapter.initial_state import ALIGNMENT, zeros
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer


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
        assert vectors[2].data_ptr() - vectors[0].data_ptr() == ALIGNMENT


def test_a_wrapper_of_the_optimizers_class_that_passes_on_what_it_has_not() -> None:
    """As Lightning's, which has no attributes of an optimizer of its own."""

    class Wrapper:
        def __init__(self, wrapped: Any) -> None:
            self._wrapped = wrapped
            self.__class__ = type("Wrapper", (Wrapper, type(wrapped)), {})

        def __getattr__(self, name: str) -> Any:
            return getattr(self._wrapped, name)

    only = torch.nn.Parameter(torch.ones(3))
    stepper = optim.adam([only])
    wrapper: Any = Wrapper(stepper)
    wrapper.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))]})
    only.grad = torch.ones(3)
    stepper.step()
    assert len(wrapper.state_dict()["state"]) == len(wrapper.state) == 2
    wrapper.load_state_dict(stepper.state_dict())
    assert stepper.state[only]["step"] == 1


def test_a_state_that_is_set_takes_the_place_of_one_that_nobody_has_read() -> None:
    only = torch.nn.Parameter(torch.ones(3))
    stepper = optim.adam([only])
    for _ in range(2):
        only.grad = torch.ones(3)
        stepper.step()
    stepper.__setstate__({"state": defaultdict(dict)})
    stepper.step()
    assert stepper.state[only]["step"] == 1
    torch.testing.assert_close(stepper.state[only]["m"], torch.full((3,), 0.1))


def test_what_is_no_parameter_stays_in_the_saved_state() -> None:
    stepper = optim.adam([torch.nn.Parameter(torch.ones(3))])
    stepper.state["note"] = {"epoch": 3}
    assert stepper.state_dict()["state"]["note"] == {"epoch": 3}


def test_large_states_lie_in_storages_of_their_own() -> None:
    parameters = [torch.nn.Parameter(torch.zeros(2**18)) for _ in range(8)]
    stepper = optim.adam(parameters)
    assert {stepper.state[each]["m"].untyped_storage().nbytes() for each in parameters} == {2**20}


def test_an_initial_state_that_differs_from_place_to_place_does() -> None:
    class Drawn(chainrule.Optimizer):
        elementwise = True

        def init(self, parameter: Tensor) -> Any:
            return {"z": torch.randn(parameter.shape)}

        def update(self, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Tensor:
            return grad

    only = torch.nn.Parameter(torch.zeros(8))
    stepper = type("Made", (RuleOptimizer,), {"factory": Drawn})([only], lr=1.0)
    assert len(stepper.state[only]["z"].unique()) == 8
