"""Test parameters, their data and their state changed by hand, as torch's optimizers take it."""

from __future__ import annotations

import copy
from collections import defaultdict
from functools import cached_property, partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from chainrule import ChainruleError, HyperparameterError, Optimizer, StateError
from chainrule_torch import optim, optimizer
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer


def parameter(dtype: torch.dtype = torch.float32) -> torch.nn.Parameter:
    return torch.nn.Parameter(torch.ones(2, 3, dtype=dtype))


def step(only: torch.nn.Parameter, stepper: Any) -> None:
    only.sum().backward()
    stepper.step()


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
    def step_along(grad: float) -> None:
        only.grad = torch.arange(6.0).view(2, 3) * grad
        stepper.step()

    only = parameter()
    stepper = optimizer(name, [only])
    step_along(3.0)
    saved, then = copy.deepcopy(stepper.state_dict()), only.detach().clone()
    step_along(0.1)
    expected = only.detach().clone()
    stepper.state.clear()
    stepper.load_state_dict(saved)
    only.data.copy_(then)
    step_along(0.1)
    assert torch.equal(only, expected)


def test_a_parameter_that_another_replaced_is_no_part_of_the_saved_state() -> None:
    one, other, new = parameter(), parameter(), parameter()
    stepper = optim.adam([one, other])
    stepper.param_groups[0]["params"][0] = new
    assert [*stepper.state_dict()["state"]] == [1]
    assert one in stepper.state


@pytest.mark.parametrize("settings", [{}, {"release": True}])
def test_parameters_that_share_memory_all_step_there(settings: dict[str, Any]) -> None:
    table = torch.zeros(8)
    parts = [torch.nn.Parameter(table[part]) for part in (slice(0, 4), slice(2, 6), slice(2, 6), slice(6, 8))]
    stepper = optim.sgd(parts, lr=1.0, **settings)
    for part in parts:
        part.grad = torch.ones_like(part)
    stepper.step()
    assert table.tolist() == [-1.0, -1.0, -3.0, -3.0, -2.0, -2.0, -1.0, -1.0]


def test_parameters_of_16_bits_in_one_place_both_step_there() -> None:
    place = torch.zeros(4, 3, dtype=torch.bfloat16)
    one, other = torch.nn.Parameter(place.mT), torch.nn.Parameter(place.mT)
    stepper = optim.sgd([one, other], lr=1.0)
    one.grad, other.grad = torch.ones_like(one), torch.full_like(one, 2.0)
    stepper.step()
    assert torch.equal(place, torch.full_like(place, -3.0))


def test_copies_of_shared_memory_are_not_stepped_together() -> None:
    place = torch.zeros(4, dtype=torch.bfloat16)
    with pytest.raises(ChainruleError, match="prodigy: parameters of 16 bits must share no memory"):
        optim.prodigy([torch.nn.Parameter(place[:3]), torch.nn.Parameter(place[2:])])


def test_flattened_gradients_are_removed_where_a_sparse_one_took_the_place() -> None:
    table = torch.nn.Embedding(4, 2, sparse=True)
    stepper = optim.sgd(table.parameters(), lr=1.0, flatten=True)
    table.weight.grad = None
    table(torch.tensor([1])).sum().backward()
    stepper.zero_grad()
    assert table.weight.grad is None


@pytest.mark.parametrize("settings", [{}, {"release": True}])
def test_a_model_may_be_converted_before_the_first_step_of_an_optimizer_of_torch(settings: dict[str, Any]) -> None:
    only = parameter()
    stepper = optimizer("torch_adam", [only], lr=0.25, **settings)
    only.data = only.data.double()
    step(only, stepper)
    assert_close(only.detach(), torch.full_like(only, 0.75))
    assert stepper.state[only]["state.exp_avg"].dtype is torch.float64


@pytest.mark.parametrize("settings", [{}, {"flatten": True}, {"release": True}])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_a_model_may_be_converted_before_the_first_step_alone(settings: dict[str, Any], dtype: torch.dtype) -> None:
    only = parameter()
    stepper = optim.adam([only], lr=0.25, **settings)
    only.data = only.data.to(dtype)
    step(only, stepper)
    torch.testing.assert_close(only.detach(), torch.full_like(only, 0.75))
    assert stepper.state[only]["m"].dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    only.data = only.data.to(torch.float32 if dtype == torch.float64 else torch.float64)
    stepper.zero_grad()
    with pytest.raises(StateError, match="must keep dtype and device"):
        step(only, stepper)


def test_an_optimizer_may_be_made_in_inference_mode() -> None:
    only = parameter()
    with torch.inference_mode():
        stepper = optim.adam([only], lr=0.25)
    only.grad = torch.ones_like(only)
    stepper.step()
    assert torch.equal(only, torch.full_like(only, 0.75))


@pytest.mark.parametrize("name", ["adam", "sgd"])
@pytest.mark.parametrize("several", [[0.1], [0.1, 0.2, 0.3]])
def test_a_list_in_place_of_a_number_is_refused(name: str, several: list[float]) -> None:
    only = parameter()
    stepper = optimizer(name, [only])
    stepper.param_groups[0]["lr"] = several
    with pytest.raises(HyperparameterError, match="lr must be one value"):
        step(only, stepper)


def walked(make: Any, change: Any, *, reads: bool = False) -> list[Tensor]:
    """Return three parameters of one shape after steps, between which their groups were changed."""
    parameters = [torch.nn.Parameter(torch.full((2, 3), 1.0 + i)) for i in range(3)]
    stepper = make([{"params": [parameters[0]], "lr": 0.5}, {"params": [parameters[1]], "lr": 0.02}])
    for t in range(5):
        if t == 2:
            if reads:
                assert len(stepper.state) == 2
            change(stepper.param_groups, stepper.add_param_group, parameters)
        for i, one in enumerate(parameters):
            one.grad = torch.full_like(one, (t + 1) * (-1) ** (t * i))
        stepper.step()
    return [one.detach() for one in parameters]


CHANGES = {
    "another after one was removed": lambda groups, add, them: (groups.pop(0), add({"params": [them[2]]})),
    "another in place of the last": lambda groups, add, them: (groups.pop(), add({"params": [them[2]]})),
    "all removed and added in turn": lambda groups, add, them: (
        groups.clear(),
        [add({"params": [one]}) for one in reversed(them)],
    ),
    "removed and added again": lambda groups, add, them: add({"params": [*groups.pop()["params"], them[2]]}),
    "in another order": lambda groups, add, them: groups.reverse(),
}


@pytest.mark.parametrize("reads", [False, True])
@pytest.mark.parametrize("settings", [{}, {"flatten": True}, {"release": True}])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_state_is_of_parameters_whatever_the_numbers_of_their_groups(
    change: Any, settings: dict[str, Any], reads: bool
) -> None:
    expected = walked(torch.optim.Adam, change)
    for ours, theirs in zip(walked(partial(optim.adam, **settings), change, reads=reads), expected, strict=True):
        assert_close(ours, theirs)


@pytest.mark.parametrize("make", [optim.muon, optim.lamb])
def test_a_group_that_is_added_again_keeps_the_state_of_other_rules_too(make: Any) -> None:
    added_again = walked(make, lambda groups, add, them: add(groups.pop()))
    assert_close(added_again, walked(make, lambda groups, add, them: None), rtol=0, atol=0)


def test_a_group_that_is_refused_takes_no_state_of_parameters_that_were_in_one() -> None:
    only, flat = parameter(), torch.nn.Parameter(torch.ones(3))
    stepper = optim.muon([{"params": [only]}, {"params": []}], lr=0.5)
    step(only, stepper)
    moved = stepper.param_groups.pop(0)["params"]
    with pytest.raises(ChainruleError, match="must have rank 2"):
        stepper.add_param_group({"params": [*moved, flat]})
    assert stepper.state[only]["step"] == 1
    assert flat not in stepper.state


def test_state_is_made_anew_of_a_parameter_that_was_put_into_a_group_and_whose_state_was_removed() -> None:
    ends = []
    for make in (torch.optim.Adam, optim.adam):
        first, second = parameter(), parameter()
        stepper = make([first], lr=0.1)
        for t in range(5):
            if t == 2:
                stepper.param_groups[0]["params"].append(second)
            if t == 3:
                stepper.state.pop(second)
            first.grad, second.grad = torch.ones_like(first), torch.full_like(second, t + 1.0)
            stepper.step()
        ends.append((first.detach(), second.detach()))
        assert stepper.state[second]["step"] == 2
    assert_close(*ends)


REMOVALS = {
    "all cleared": lambda stepper, one: stepper.state.clear(),
    "one popped": lambda stepper, one: stepper.state.pop(one),
    "one emptied": lambda stepper, one: stepper.state.update({one: {}}),
    "another in its place": lambda stepper, one: setattr(stepper, "state", defaultdict(dict)),
}


@pytest.mark.parametrize("settings", [{}, {"flatten": True}, {"release": True}])
@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
def test_a_state_removed_before_a_group_is_added_is_made_anew(remove: Any, settings: dict[str, Any]) -> None:
    ends = []
    for make in (torch.optim.SGD, partial(optim.sgd, **settings)):
        parameters = [parameter() for _ in range(3)]
        stepper: Any = make(parameters[:2], lr=0.1, momentum=0.9)
        for t in range(4):
            if t == 2:
                remove(stepper, parameters[0])
                stepper.add_param_group({"params": parameters[2:]})
            for i, one in enumerate(parameters):
                one.grad = torch.full_like(one, t + i + 1.0)
            stepper.step()
        assert sorted(stepper.state_dict()["state"]) == [0, 1, 2]
        ends.append([one.detach() for one in parameters])
    assert_close(*ends)


def test_parameters_whose_state_was_removed_draw_other_numbers_than_those_of_a_group_that_is_added() -> None:
    first, second = parameter(), parameter()
    stepper = optim.sgld([first], temperature=1.0)
    stepper.state.clear()
    stepper.add_param_group({"params": [second]})
    first.grad, second.grad = torch.ones_like(first), torch.ones_like(second)
    stepper.step()
    assert not torch.equal(first, second)


def keys(stepper: Any) -> set[tuple[int, ...]]:
    """Return the keys of the random numbers of all parameters."""
    return {tuple(own["random_key"].flatten().tolist()) for own in stepper.state.values()}


@pytest.mark.parametrize("settings", [{}, {"release": True}])
@pytest.mark.parametrize("is_copied", [False, True])
def test_a_group_in_place_of_a_removed_one_draws_other_numbers_than_those_that_stayed(
    settings: dict[str, Any], is_copied: bool
) -> None:
    stepper = optim.sgld(
        [{"params": [parameter()]}, {"params": [parameter() for _ in range(3)]}], temperature=1.0, **settings
    )
    del stepper.state[stepper.param_groups.pop(0)["params"][0]]
    stepper = copy.deepcopy(stepper) if is_copied else stepper
    stepper.add_param_group({"params": [parameter()]})
    assert len(keys(stepper)) == 4


@pytest.mark.parametrize("settings", [{}, {"release": True}])
def test_a_parameter_whose_saved_state_is_empty_draws_numbers_of_its_own(settings: dict[str, Any]) -> None:
    parameters = [parameter() for _ in range(3)]
    stepper = optim.sgld(parameters, temperature=1.0, **settings)
    saved = stepper.state_dict()
    stepper.load_state_dict({**saved, "state": {**saved["state"], 0: {}}})
    for one in parameters:
        step(one, stepper)
    assert len(keys(stepper)) == 3


@pytest.mark.parametrize(
    ("name", "settings"), [("muon", {}), ("lars", {}), ("torch_adam", {}), ("adam", {}), ("adam", {"release": True})]
)
def test_what_is_saved_after_the_state_of_a_frozen_parameter_was_removed_can_be_loaded(
    name: str, settings: dict[str, Any]
) -> None:
    frozen, trained = parameter(), parameter()
    stepper, other = (optimizer(name, [frozen, trained], **settings) for _ in range(2))
    for t in range(3):
        frozen.grad = None if t else torch.ones_like(frozen)
        trained.grad = torch.ones_like(trained)
        stepper.step()
        stepper.state.pop(frozen, None)
    stepper.step()
    other.load_state_dict(copy.deepcopy(stepper.state_dict()))
    assert other.state[trained]["step"] == 4
    frozen.grad = torch.ones_like(frozen)
    other.step()
    assert other.state[frozen]["step"] == 1


class Cached(Optimizer):
    """Descend by a share of the gradient that is computed once."""

    beta: float = 0.9

    @cached_property
    def rest(self) -> float:
        return 1 - self.beta

    def update(self, parameter: Tensor, grad: Tensor, state: Any, step: Any) -> Tensor:
        return self.rest * grad


def test_what_a_rule_has_computed_once_follows_the_settings_of_its_group() -> None:
    only = parameter()
    made = type("Made", (RuleOptimizer,), {"factory": Cached})
    stepper = made([only], lr=1.0, beta=0.5)
    step(only, stepper)
    stepper.param_groups[0]["beta"] = 0.75
    only.grad = None
    step(only, stepper)
    assert torch.equal(only, torch.full_like(only, 1 - 0.5 - 0.25))


@pytest.mark.parametrize("settings", [{}, {"flatten": True}, {"release": True}])
def test_a_first_state_is_that_of_the_settings_at_the_first_step(settings: dict[str, Any]) -> None:
    ends = []
    for first in (0.1, 2.0):
        only = parameter()
        stepper = optim.adagrad([only], lr=0.1, initial_accumulator=first, **settings)
        assert len(stepper.state) == 1
        stepper.param_groups[0]["initial_accumulator"] = 2.0
        step(only, stepper)
        ends.append(only.detach())
    assert torch.equal(*ends)
