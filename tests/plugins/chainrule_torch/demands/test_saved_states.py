"""Test the hooks and the saved states of rules as torch's optimizers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.nn import Parameter
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from chainrule.optimizers import sgd
from chainrule_torch import optim

from .steps import adam_after, assert_same, contents, draw, take


def test_a_step_hook_may_change_the_arguments_and_one_for_all_optimizers_is_called() -> None:
    _, stepper = adam_after(0)
    seen: list[str] = []

    def closure(word: str) -> None:
        seen.append(word)

    stepper.register_step_pre_hook(lambda *_: ((stepper, lambda: closure("changed")), {}))
    everywhere = [
        register_optimizer_step_pre_hook(lambda *_: seen.append("before")),
        register_optimizer_step_post_hook(lambda *_: seen.append("after")),
    ]
    try:
        stepper.step(lambda: closure("given"))
    finally:
        for hook in everywhere:
            hook.remove()
    assert seen == ["before", "changed", "after"]


def test_hooks_see_and_may_replace_the_saved_state() -> None:
    _, stepper = adam_after()
    order: list[str] = []
    stepper.register_state_dict_pre_hook(lambda *_: order.append("before"))
    stepper.register_state_dict_post_hook(lambda *_: order.append("after"))
    stepper.register_state_dict_post_hook(lambda _, saved: {**saved, "epoch": 3})
    assert stepper.state_dict()["epoch"] == 3
    assert order == ["before", "after"]


def test_a_hook_may_change_what_is_loaded_before_it_is_compared() -> None:
    (first, second), stepper = adam_after()
    other = optim.adam([Parameter(draw((2,), 1)), Parameter(draw((3,), 0))])

    def swapped(_: Any, saved: dict[str, Any]) -> dict[str, Any]:
        return {**saved, "state": {0: saved["state"][1], 1: saved["state"][0]}}

    other.register_load_state_dict_pre_hook(swapped)
    other.load_state_dict(stepper.state_dict())
    assert_same(contents(other), [dict(stepper.state[one]) for one in (second, first)])


def test_a_hook_sees_and_may_change_what_has_been_loaded() -> None:
    parameter = Parameter(torch.ones(3, dtype=torch.bfloat16))
    other = optim.adam([parameter])
    seen: list[torch.dtype] = []

    def look(loaded: Any) -> None:
        seen.append(loaded.state[parameter]["random_key"].dtype)
        loaded.param_groups[0]["lr"] = 0.5

    other.register_load_state_dict_post_hook(look)
    saved = optim.adam([Parameter(torch.ones(3, dtype=torch.bfloat16))]).state_dict()
    other.load_state_dict(saved)
    assert seen == [torch.int64]
    assert other.param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("missing", ["maximize", "eps", "weight_decay"])
def test_a_state_saved_before_a_setting_existed_takes_the_present_one(missing: str) -> None:
    parameters, stepper = adam_after(**{"eps": 1e-5} if missing == "eps" else {})
    saved = copy.deepcopy(stepper.state_dict())
    del saved["param_groups"][0][missing]
    before = stepper.param_groups[0][missing]
    stepper.load_state_dict(saved)
    take(parameters, stepper, 1, 3)
    assert stepper.param_groups[0][missing] == before


def test_a_count_of_steps_may_be_a_number() -> None:
    parameters, stepper = adam_after()
    saved = copy.deepcopy(stepper.state_dict())
    for state in saved["state"].values():
        state["step"] = state["step"].item()
    stepper.load_state_dict(saved)
    take(parameters, stepper, 1, 3)
    assert [float(state["step"]) for state in stepper.state.values()] == [4, 4]


def test_a_parameter_whose_state_was_not_saved_begins_anew() -> None:
    parameters, stepper = adam_after()
    saved = copy.deepcopy(stepper.state_dict())
    del saved["state"][1]
    stepper.load_state_dict(saved)
    take(parameters, stepper, 1, 3)
    assert [float(stepper.state[one]["step"]) for one in parameters] == [4, 1]


def test_groups_of_a_copy_are_those_of_another_optimizer() -> None:
    stepper = copy.deepcopy(adam_after()[1])
    stepper.add_param_group({"params": [Parameter(torch.ones(2))]})
    other = optim.adam([{**group, "params": [Parameter(torch.ones(2))]} for group in stepper.param_groups])
    assert [group.keys() for group in other.param_groups] == [group.keys() for group in stepper.param_groups]


def test_a_state_without_steps_gives_way_to_the_weights_of_the_first() -> None:
    parameter = Parameter(torch.zeros(3))
    stepper = optim.lookahead([parameter], inner=sgd(lr=0.0), k=1, alpha=0.5)
    stepper.load_state_dict(stepper.state_dict())
    with torch.no_grad():
        parameter.fill_(5)
    parameter.grad = torch.ones(3)
    stepper.step()
    assert torch.equal(parameter, torch.full((3,), 5.0))


def test_a_state_loaded_in_place_is_kept() -> None:
    (first, _), stepper = adam_after()
    (other, _), resumed = adam_after(0)
    for saved, own in zip(stepper.state.values(), resumed.state.values(), strict=True):
        for name, entry in own.items():
            entry.copy_(saved[name])
    with torch.no_grad():
        other.copy_(first)
    for one in (first, other):
        one.grad = draw((3,), 7)
    stepper.step()
    resumed.step()
    assert_same(first.detach(), other.detach())


def test_names_of_parameters_are_no_part_of_the_match() -> None:
    def made(*names: str) -> Any:
        own = [Parameter(draw((2,), i)) for i in range(2)]
        return optim.adam(list(zip(names, own, strict=True)) if names else own)

    unnamed, named = made(), made("a", "b")
    unnamed.load_state_dict(named.state_dict())
    assert unnamed.param_groups[0]["param_names"] == ["a", "b"]
    other = made("c", "d")
    other.load_state_dict(made().state_dict())
    assert other.param_groups[0]["param_names"] == ["c", "d"]


@pytest.mark.parametrize(
    "groups",
    [[{"params": [0]}], [{"params": [0, 1]}, {"params": [2]}]],
)
def test_a_state_of_other_groups_changes_nothing(groups: Any) -> None:
    _, stepper = adam_after()
    saved, before = copy.deepcopy(stepper.state_dict()), contents(stepper)
    saved["param_groups"] = [{**saved["param_groups"][0], **group} for group in groups]
    with pytest.raises(ValueError, match="parameter group"):
        stepper.load_state_dict(saved)
    assert_same(contents(stepper), before)


def test_a_group_put_in_by_hand_gets_its_state_at_its_first_step() -> None:
    parameters, stepper = adam_after(1)
    late = Parameter(torch.ones(2))
    stepper.param_groups.append({**stepper.param_groups[0], "params": [late]})
    take([*parameters, late], stepper, 2, 1)
    assert float(stepper.state[late]["step"]) == 2
    assert stepper.state[late]["random_key"].shape == (2, 1)


@pytest.mark.parametrize("make", [optim.adam, optim.muon])
def test_a_parameter_may_take_the_place_of_another(make: Any) -> None:
    before, after, alone = (Parameter(torch.ones(2, 2)) for _ in range(3))
    stepper = make([before], lr=0.1)
    stepper.param_groups[0]["params"] = [after]
    after.grad = alone.grad = torch.tensor([[1.0, 2.0], [3.0, 5.0]])
    stepper.step()
    make([alone], lr=0.1).step()
    assert torch.equal(after, alone)
