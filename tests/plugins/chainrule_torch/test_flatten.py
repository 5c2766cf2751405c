"""Test parameters and gradients that become views of vectors."""

from __future__ import annotations

import copy
import io
import pickle
from itertools import pairwise
from typing import Any

import pytest
import torch

import chainrule
from chainrule_torch import optim


def model() -> torch.nn.Sequential:
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(64, 130), torch.nn.Tanh()
    return torch.nn.Sequential(*layers, torch.nn.Linear(130, 2)).to(memory_format=torch.channels_last)


def train(net: torch.nn.Module, stepper: Any, steps: int = 4, first: int = 0, zero: Any = None) -> None:
    for t in range(first, first + steps):
        (zero or stepper).zero_grad()
        net(torch.sin(torch.arange(216.0) + t).view(2, 3, 6, 6)).square().sum().backward()
        stepper.step()


def expect_equal(one: torch.nn.Module, other: torch.nn.Module) -> None:
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def stretches(tensors: Any) -> int:
    """The number of stretches of memory in which tensors lie, one after the other."""
    spans = sorted((each.data_ptr(), each.data_ptr() + each.numel() * each.element_size()) for each in tensors)
    return 1 + sum(start != stop for (_, stop), (start, _) in pairwise(spans))


@pytest.mark.parametrize("by_module", [False, True])
@pytest.mark.parametrize("make", [optim.adamw, optim.schedule_free_adamw])
def test_weights_are_the_same_to_the_bit(make: Any, by_module: bool) -> None:
    nets = model(), model()
    for net, flatten in zip(nets, (False, True), strict=True):
        stepper = make(net.parameters(), lr=0.1, flatten=flatten)
        train(net, stepper, zero=net if by_module else None)
        assert stretches(net.parameters()) == (1 if flatten else 6)
        assert stretches(each.grad for each in net.parameters()) == (1 if flatten else 6)
    expect_equal(*nets)


@pytest.mark.parametrize("compiled", [False, True])
def test_frozen_parameters_stay_and_go_on_once_thawed(compiled: bool) -> None:
    nets = model(), model()
    for net, flatten in zip(nets, (False, True), strict=True):
        stepper = optim.adamw(net.parameters(), lr=0.1, weight_decay=0.1, flatten=flatten, compile=compiled)
        train(net, stepper, 2)
        frozen = [each.clone() for each in net[0].requires_grad_(False).parameters()]
        train(net, stepper, 2, first=2)
        assert all(map(torch.equal, frozen, net[0].parameters()))
        net[0].requires_grad_(True)
        train(net, stepper, 2, first=4)
    expect_equal(*nets)


def test_each_parameter_has_a_storage_of_its_own() -> None:
    """Of several in one, safetensors saves one alone, as shared."""
    net = model()
    whole = sum(each.numel() for each in net.parameters())
    optim.sgd(net.parameters(), flatten=True).step()
    sizes = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() // 4 for each in net.parameters()}
    assert sum(sizes.values()) == whole
    assert len(sizes) == len(list(net.parameters()))


def test_gradients_stay_and_are_set_to_zero() -> None:
    net = model()
    stepper = optim.sgd(net.parameters(), flatten=True)
    assert all(each.grad is None for each in net.parameters())
    train(net, stepper, 1)
    stepper.zero_grad()
    assert stretches(each.grad for each in net.parameters()) == 1
    assert not any(each.grad.any() for each in net.parameters())


def test_zero_grad_leaves_none_of_the_gradients_put_in_their_place() -> None:
    for set_to_none in (True, False):
        parameter = torch.nn.Parameter(torch.ones(3))
        stepper = optim.sgd([parameter], flatten=True)
        parameter.grad = torch.ones(3)
        stepper.zero_grad(set_to_none=set_to_none)
        assert parameter.grad is None if set_to_none else torch.equal(parameter.grad, torch.zeros(3))


def test_a_parameter_without_gradient_is_not_stepped() -> None:
    nets = model(), model()
    for net, flatten in zip(nets, (False, True), strict=True):
        net[3].requires_grad_(False)
        stepper = optim.adamw(net.parameters(), lr=0.1, flatten=flatten)
        train(net, stepper, 2)
        net[0].requires_grad_(False)
        train(net, stepper, 2, 2, zero=net)
    expect_equal(*nets)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])  # noqa: S301
def test_copies_go_on_alike_and_apart(copied: Any) -> None:
    net = model()
    stepper = optim.adam(net.parameters(), lr=0.1, flatten=True)
    train(net, stepper, 2)
    other, theirs = copied((net, stepper))
    train(net, stepper, 2, 2)
    train(other, theirs, 2, 2)
    expect_equal(net, other)
    assert stretches([*net.parameters(), *other.parameters()]) == 2


def test_saved_states_are_those_of_parameters_that_are_not_flattened() -> None:
    net, other = model(), model()
    stepper, theirs = optim.adam(net.parameters(), flatten=True), optim.adam(other.parameters())
    train(net, stepper, 2)
    file = io.BytesIO()
    torch.save((net.state_dict(), stepper.state_dict()), file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    other.load_state_dict(weights)
    theirs.load_state_dict(state)
    train(net, stepper, 2, 2)
    train(other, theirs, 2, 2)
    expect_equal(net, other)


def test_other_data_of_a_gradient_is_stepped_with() -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    stepper = optim.sgd([parameter], lr=1.0, flatten=True)
    parameter.grad = torch.ones(3)
    stepper.step()
    parameter.grad.data = torch.full((3,), 5.0)
    stepper.step()
    assert torch.equal(parameter.detach(), torch.full((3,), -5.0))


def test_parameters_stay_where_they_were_flattened() -> None:
    first, second = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(2, 2))
    stepper = optim.sgd([first, second], lr=1.0, flatten=True)
    places = first.data_ptr(), second.data_ptr()
    for _ in range(2):
        first.grad, second.grad = torch.ones(3), torch.ones(2, 2)
        stepper.step()
        assert (first.data_ptr(), second.data_ptr()) == places


def test_other_data_is_flattened_again() -> None:
    nets = model(), model()
    for net, flatten in zip(nets, (False, True), strict=True):
        stepper = optim.adam(net.parameters(), lr=0.1, flatten=flatten)
        train(net, stepper, 2)
        net.double().float()
        train(net, stepper, 2, 2)
    expect_equal(*nets)
    assert stretches(nets[1].parameters()) == 1


def test_autograd_knows_of_a_step() -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    stepper = optim.sgd([parameter], flatten=True)
    parameter.grad = torch.ones(3)
    loss = (parameter * parameter).sum()
    stepper.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize(
    ("refused", "reason"),
    [
        (lambda p: optim.lamb([p], flatten=True), "lamb: flatten=True must have an elementwise rule"),
        (lambda p: optim.adam([p], flatten=True, release=True), "adam: flatten=True must have .*, got release=True"),
        (
            lambda _: optim.adam([torch.nn.Parameter(torch.ones(2, 3).bfloat16().mT)], flatten=True),
            "adam: flatten=True must .*, got a parameter that is rounded and not contiguous",
        ),
        (
            lambda _: optim.adam(map(torch.nn.Parameter, torch.ones(6).unfold(0, 4, 2)), flatten=True),
            "adam: flatten=True must .*, got parameters that share memory",
        ),
        pytest.param(
            lambda p: optim.adam([p, p], flatten=True),
            "adam: flatten=True must .*, got a parameter that is there twice",
            marks=pytest.mark.filterwarnings("ignore:optimizer contains .* duplicate parameters"),
        ),
        (lambda p: optim.adam([p], flatten="yes"), "adam: flatten must be True or False, got 'yes'"),
    ],
)
def test_what_cannot_be_flattened_is_refused(refused: Any, reason: str) -> None:
    with pytest.raises(chainrule.ChainruleError, match=reason):
        refused(torch.nn.Parameter(torch.ones(3, 2)))
