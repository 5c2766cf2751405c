"""Test what rules as torch's optimizers take, and what they refuse."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn import Parameter

import chainrule
from chainrule_torch import optim, register_with_timm

from .steps import adam_after, draw, take


def test_a_rate_given_as_a_tensor_may_change_in_place() -> None:
    ours, theirs = Parameter(draw((3,), 0)), Parameter(draw((3,), 0))
    rate = torch.tensor(0.1, dtype=torch.float64)
    stepper, twin = optim.adam([ours], lr=rate), torch.optim.Adam([theirs], lr=0.1)
    for lr in (0.1, 0.01, 0.2):
        rate.fill_(lr)
        twin.param_groups[0]["lr"] = lr
        take([ours], stepper, 2)
        take([theirs], twin, 2)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    assert stepper.param_groups[0]["lr"] is rate


def test_a_scheduler_writes_into_a_rate_given_as_a_tensor() -> None:
    parameters, stepper = adam_after(1, lr=torch.tensor(0.1, dtype=torch.float64))
    rate = stepper.param_groups[0]["lr"]
    schedule = torch.optim.lr_scheduler.ExponentialLR(stepper, 0.5)
    take(parameters, stepper, 1, 1)
    schedule.step()
    assert rate.item() == pytest.approx(0.05)
    assert stepper.param_groups[0]["lr"] is rate


def test_an_optimizer_steps_under_its_name_in_a_profile() -> None:
    parameter = Parameter(torch.ones(2))
    stepper = optim.lion([parameter])
    parameter.grad = torch.ones(2)
    with torch.autograd.profiler.profile() as profile:
        stepper.step()
        stepper.zero_grad()
    names = {event.key for event in profile.key_averages()}
    assert {"Optimizer.step#Lion.step", "Optimizer.zero_grad#Lion.zero_grad"} <= names


def test_a_parameter_twice_in_a_group_is_warned_of_and_stepped_as_torch_does() -> None:
    ends = []
    for kind in (optim.adam, torch.optim.Adam):
        parameter = Parameter(draw((3,), 0))
        with pytest.warns(UserWarning, match="duplicate parameters"):
            stepper = kind([parameter, parameter], lr=0.1)
        take([parameter], stepper)
        ends.append(parameter.detach())
    torch.testing.assert_close(*ends, rtol=1e-10, atol=1e-12)


def test_parameters_may_come_from_a_generator() -> None:
    own = [Parameter(torch.ones(2)), Parameter(torch.ones(3))]
    assert optim.adam(one for one in own).param_groups[0]["params"] == own


def late_group(group: Any) -> None:
    adam_after(0)[1].add_param_group(group)


def leaf() -> Parameter:
    return Parameter(torch.ones(2))


def in_two_groups() -> None:
    one = leaf()
    optim.adam([{"params": [one]}, {"params": [one]}])


FLAGS = "foreach", "fused", "capturable", "differentiable"

REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "a tensor": (lambda: optim.adam(leaf()), TypeError, "should be an iterable of Tensors or dicts"),
    "a dict": (lambda: optim.adam({"a": leaf()}), TypeError, "can only optimize Tensors"),
    "text": (lambda: optim.adam("weights"), TypeError, "can only optimize Tensors"),
    "nothing": (lambda: optim.adam([]), ValueError, "empty parameter list"),
    "a set in a group": (lambda: optim.adam([{"params": {leaf()}}]), TypeError, "ordered collections"),
    "no leaf": (lambda: optim.adam([leaf() * 2]), ValueError, "non-leaf"),
    "some names": (lambda: optim.adam([("a", leaf()), leaf()]), ValueError, "with/without names"),
    "a group without names": (
        lambda: optim.adam([{"params": [("a", leaf())]}, {"params": [leaf()]}]),
        ValueError,
        "with/without names",
    ),
    "two groups": (in_two_groups, ValueError, "more than one parameter group"),
    "a late list": (lambda: late_group([leaf()]), TypeError, "must be a dict"),
    "whole numbers": (
        lambda: optim.adam([torch.zeros(2, dtype=torch.int64)]),
        chainrule.ChainruleError,
        r"got torch\.int64\. Convert it, as by \.float\(\)",
    ),
    "complex numbers": (
        lambda: optim.adam([Parameter(leaf() * 1j)]),
        chainrule.ChainruleError,
        r"got torch\.complex64\. Train torch\.view_as_real of it",
    ),
    **{
        f"{flag}={value}": (
            lambda flag=flag, value=value: optim.adam([leaf()], **{flag: value}),
            chainrule.ChainruleError,
            f'adam: takes no argument "{flag}"',
        )
        for flag in FLAGS
        for value in (False, True)
    },
    **{
        f"{flag} of a group": (
            lambda flag=flag: optim.adam([{"params": [leaf()], flag: True}]),
            chainrule.ChainruleError,
            f"adam: a key of a parameter group must be one of .*, got '{flag}'",
        )
        for flag in FLAGS
    },
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_optimizer_takes_is_refused_in_one_line(case: str) -> None:
    refused, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message) as caught:
        refused()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["initial_lr", "max_lr", "base_momentum", "swa_lr", "lr_scale", "name"])
def test_a_group_may_have_what_schedulers_and_trainers_note_there(key: str) -> None:
    _, stepper = adam_after(0)
    late = Parameter(torch.ones(2))
    stepper.add_param_group({"params": [late], key: 1.0})
    late.grad = torch.ones(2)
    stepper.step()
    assert stepper.param_groups[1][key] == 1.0


def test_a_step_is_not_captured_into_a_cuda_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    (first, _), stepper = adam_after(1)
    before = first.detach().clone()
    for name in ("is_initialized", "is_current_stream_capturing"):
        monkeypatch.setattr(torch.cuda, name, lambda: True)
    with pytest.raises(chainrule.ChainruleError, match="adam: a step must run outside CUDA graphs"):
        stepper.step()
    assert torch.equal(first, before)
    released = leaf()
    _ = optim.adam([released], release=True)
    with pytest.raises(chainrule.ChainruleError, match="adam: a step must run outside CUDA graphs"):
        released.sum().backward()


def test_timm_is_asked_for_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm.optim._optim_factory", None)
    with pytest.raises(chainrule.ChainruleError, match="register_with_timm: timm must be importable") as caught:
        register_with_timm()
    assert "\n" not in str(caught.value)
