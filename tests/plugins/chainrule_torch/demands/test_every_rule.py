"""Test of every rule as torch's optimizer what torch's own tests demand of each of theirs."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor
from torch.nn import Parameter

import chainrule

from .steps import ALONE, NOISELESS, RULES, assert_same, contents, draw, of_rule, parameters_for, take, values


@pytest.mark.parametrize("rule", RULES)
def test_nothing_changes_without_gradients(rule: chainrule.Optimizer) -> None:
    parameters = parameters_for(rule)
    stepper = of_rule(rule, parameters)
    take(parameters, stepper)
    before, state = values(parameters), contents(stepper)
    stepper.zero_grad()
    stepper.step()
    assert_same(values(parameters), before)
    assert_same(contents(stepper), state)


@pytest.mark.parametrize("rule", RULES)
def test_ascent_is_descent_along_opposite_gradients(rule: chainrule.Optimizer) -> None:
    ends = []
    for sign in (1, -1):
        parameters = parameters_for(rule)
        stepper = of_rule(rule, parameters)
        stepper.param_groups[0]["maximize"] = sign == -1
        for t in range(3):
            for i, one in enumerate(parameters):
                one.grad = sign * draw(tuple(one.shape), 100 * t + i)
            stepper.step()
        ends.append(values(parameters))
    assert_same(*ends)


@pytest.mark.parametrize("rule", RULES)
def test_strides_do_not_matter(rule: chainrule.Optimizer) -> None:
    (whole, *_), rows = parameters_for(rule), []
    for stored in (whole.detach().clone(), whole.detach().mT.clone(memory_format=torch.contiguous_format).mT):
        parameter = Parameter(stored)
        stepper = of_rule(rule, [parameter])
        for t in range(3):
            parameter.grad = draw((4, 3), t) if t % 2 else draw((4, 3), t).mT.contiguous().mT
            stepper.step()
        rows.append(parameter.detach().clone())
    torch.testing.assert_close(*rows, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rule", ALONE)
def test_a_nan_or_an_infinity_stays_in_its_parameter(rule: chainrule.Optimizer) -> None:
    ends = []
    for number in (0.5, float("nan"), float("inf")):
        parameters = parameters_for(rule)
        stepper = of_rule(rule, parameters)
        for t in range(3):
            for i, one in enumerate(parameters):
                one.grad = draw(tuple(one.shape), 100 * t + i)
            parameters[0].grad = torch.full_like(parameters[0], number)
            stepper.step()
        ends.append(values(parameters[1:]))
    assert_same(ends[1:], ends[:1] * 2)


@pytest.mark.parametrize("rule", NOISELESS)
def test_dtypes_may_be_mixed_and_the_order_does_not_matter(rule: chainrule.Optimizer) -> None:
    def trained(together: bool) -> list[Tensor]:
        parameters = [*parameters_for(rule), *parameters_for(rule, torch.float32)]
        order = list(reversed(parameters)) if together else parameters
        steppers = [of_rule(rule, order)] if together else [of_rule(rule, [one]) for one in order]
        for t in range(3):
            for i, one in enumerate(parameters):
                one.grad = draw(tuple(one.shape), 100 * t + i, one.dtype)
            for stepper in steppers:
                stepper.step()
        return values(parameters)

    torch.testing.assert_close(trained(True), trained(False), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("rule", RULES)
def test_a_state_survives_a_file_and_the_run_goes_on_bit_for_bit(rule: chainrule.Optimizer) -> None:
    parameters = parameters_for(rule)
    stepper = of_rule(rule, parameters)
    take(parameters, stepper)
    file = io.BytesIO()
    torch.save(stepper.state_dict(), file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    assert saved["param_groups"] == stepper.state_dict()["param_groups"]
    assert_same(saved["state"], stepper.state_dict()["state"])
    others = [Parameter(one.detach().clone()) for one in parameters]
    resumed = of_rule(rule, others)
    resumed.load_state_dict(saved)
    take(parameters, stepper, 2, 3)
    take(others, resumed, 2, 3)
    assert_same(values(parameters), values(others))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("of", "to"), [(torch.float64, torch.float32), (torch.float32, torch.float64)])
def test_a_state_can_be_loaded_for_parameters_of_another_dtype(
    rule: chainrule.Optimizer, of: torch.dtype, to: torch.dtype
) -> None:
    parameters = parameters_for(rule, of)
    stepper = of_rule(rule, parameters)
    take(parameters, stepper)
    others = [Parameter(one.detach().to(to)) for one in parameters]
    converted = of_rule(rule, others)
    kinds = [{name: entry.dtype for name, entry in state.items()} for state in contents(converted)]
    converted.load_state_dict(stepper.state_dict())
    assert [{name: entry.dtype for name, entry in state.items()} for state in contents(converted)] == kinds
    take(others, converted, 1, 3)
    assert all(one.isfinite().all() for one in others)


@pytest.mark.parametrize("rule", RULES)
def test_a_loaded_state_is_a_copy_of_its_own(rule: chainrule.Optimizer) -> None:
    parameters = parameters_for(rule)
    stepper = of_rule(rule, parameters)
    take(parameters, stepper)
    others = [Parameter(one.detach().clone()) for one in parameters]
    resumed = of_rule(rule, others)
    resumed.load_state_dict(stepper.state_dict())
    before = copy.deepcopy(contents(resumed))
    take(parameters, stepper, 2, 3)
    assert_same(contents(resumed), before)
    take(others, resumed, 2, 3)
    assert_same(values(parameters), values(others))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("rule", RULES)
def test_a_state_can_be_loaded_for_parameters_on_another_device(rule: chainrule.Optimizer) -> None:
    parameters = parameters_for(rule)
    stepper = of_rule(rule, parameters)
    take(parameters, stepper)
    others = [Parameter(one.detach().to("cuda")) for one in parameters]
    moved = of_rule(rule, others)
    moved.load_state_dict(stepper.state_dict())
    for t in (3, 4):
        for i, (one, other) in enumerate(zip(parameters, others, strict=True)):
            one.grad = draw(tuple(one.shape), 100 * t + i)
            other.grad = one.grad.to("cuda")
        stepper.step()
        moved.step()
    assert {state["step"].device.type for state in moved.state.values()} == {"cpu"}
    torch.testing.assert_close([one.cpu() for one in values(others)], values(parameters), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("rule", RULES)
def test_a_copy_has_all_attributes_and_goes_on_alike(rule: chainrule.Optimizer) -> None:
    parameters = parameters_for(rule)
    stepper = of_rule(rule, parameters)
    take(parameters, stepper)
    others, theirs = copy.deepcopy((parameters, stepper))
    public = [{name for name in vars(each) if not name.startswith("_")} for each in (stepper, theirs)]
    assert public[0] == public[1]
    take(parameters, stepper, 2, 3)
    take(others, theirs, 2, 3)
    assert_same(values(parameters), values(others))
