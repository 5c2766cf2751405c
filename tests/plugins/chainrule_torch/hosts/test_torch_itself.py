"""Test that torch's own schedulers, scaler, checkpoints, hooks and averages work with rules as with its optimizers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler
from torch.optim.swa_utils import SWALR, AveragedModel

from chainrule_torch import optim, optimizer

from .small import RULES, batches, decayed, loss_of, network, plain_loop, stepper_for, weights

CYCLED: dict[str, Any] = {"dog": {"cycle_momentum": False}}
"""What the schedulers that cycle a momentum are told for a rule that has none."""

SCHEDULERS: dict[str, Callable[..., Any]] = {
    "ChainedScheduler": lambda s, **_: lr_scheduler.ChainedScheduler([lr_scheduler.ExponentialLR(s, 0.9)], s),
    "ConstantLR": lambda s, **_: lr_scheduler.ConstantLR(s, 0.3, 4),
    "CosineAnnealingLR": lambda s, **_: lr_scheduler.CosineAnnealingLR(s, 8),
    "CosineAnnealingWarmRestarts": lambda s, **_: lr_scheduler.CosineAnnealingWarmRestarts(s, 3),
    "CyclicLR": lambda s, **told: lr_scheduler.CyclicLR(s, 1e-3, 1e-2, 3, base_momentum=0.7, **told),
    "ExponentialLR": lambda s, **_: lr_scheduler.ExponentialLR(s, 0.9),
    "LambdaLR": lambda s, **_: lr_scheduler.LambdaLR(s, lambda t: 1 / (1 + t)),
    "LinearLR": lambda s, **_: lr_scheduler.LinearLR(s, 0.1),
    "MultiStepLR": lambda s, **_: lr_scheduler.MultiStepLR(s, [2, 5]),
    "MultiplicativeLR": lambda s, **_: lr_scheduler.MultiplicativeLR(s, lambda t: 0.9),
    "OneCycleLR": lambda s, **told: lr_scheduler.OneCycleLR(s, 1e-2, total_steps=12, **told),
    "PolynomialLR": lambda s, **_: lr_scheduler.PolynomialLR(s, 10),
    "ReduceLROnPlateau": lambda s, **_: lr_scheduler.ReduceLROnPlateau(s, patience=1),
    "SequentialLR": lambda s, **_: lr_scheduler.SequentialLR(
        s, [lr_scheduler.LinearLR(s, 0.1, total_iters=3), lr_scheduler.CosineAnnealingLR(s, 8)], [3]
    ),
    "StepLR": lambda s, **_: lr_scheduler.StepLR(s, 3),
}


def test_every_scheduler_is_among_them() -> None:
    assert set(SCHEDULERS) == set(lr_scheduler.__all__) - {"LRScheduler"}


def twin_of(stepper: Any) -> torch.optim.Optimizer:
    """Return an optimizer of torch whose groups have the same keys for schedulers."""
    group, parameter = stepper.param_groups[0], torch.nn.Parameter(torch.zeros(1))
    if "betas" in group:
        return torch.optim.Adam([parameter], lr=group["lr"], betas=group["betas"])
    return torch.optim.SGD([parameter], lr=group["lr"], momentum=group.get("momentum", 0.0))


@pytest.mark.parametrize("kind", SCHEDULERS)
@pytest.mark.parametrize("name", RULES)
def test_a_scheduler_sets_what_the_steps_go_by(name: str, kind: str) -> None:
    scheduled, by_hand = network(name), network(name)
    first, second = stepper_for(scheduled, name), stepper_for(by_hand, name)
    twin = twin_of(first)
    schedules = [SCHEDULERS[kind](one, **CYCLED.get(name, {})) for one in (first, twin)]
    (x, y), *_ = batches()
    for t in range(10):
        for key in {"lr", "betas", "momentum"} & first.param_groups[0].keys():
            second.param_groups[0][key] = twin.param_groups[0][key]
            assert first.param_groups[0][key] == twin.param_groups[0][key]
        for net, stepper in ((scheduled, first), (by_hand, second)):
            stepper.zero_grad()
            loss_of(net, x, y).backward()
            stepper.step()
        twin.step()
        for one in schedules:
            one.step(*([1.0 + t] if kind == "ReduceLROnPlateau" else []))
    torch.testing.assert_close(weights(scheduled), weights(by_hand), rtol=0, atol=0)


@pytest.mark.parametrize("name", RULES)
def test_a_scaler_leaves_the_steps_as_they_are_and_skips_those_that_overflow(name: str) -> None:
    net = network(name)
    stepper = stepper_for(net, name)
    schedule, scaler = decayed(stepper), torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=5)
    for half in range(2):
        for i, (x, y) in enumerate(batches()):
            for factor in (float("inf"), 1.0) if i == 2 else (1.0,):
                before = weights(net)
                scaler.scale(loss_of(net, x, y) * factor).backward()
                scaler.unscale_(stepper)
                scaler.step(stepper)
                scaler.update()
                stepper.zero_grad()
                assert all(map(torch.equal, weights(net), before)) == (factor != 1)
        schedule.step()
        assert {int(state["step"]) for state in stepper.state.values()} == {6 * (half + 1)}
    torch.testing.assert_close(weights(net), plain_loop(name), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:.*assuming the intent:UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", RULES)
def test_a_distributed_checkpoint_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    from torch.distributed import checkpoint
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

    def epoch(net: Any, stepper: Any) -> None:
        for x, y in batches():
            loss_of(net, x, y).backward()
            stepper.step()
            stepper.zero_grad()

    net = network(name)
    stepper = stepper_for(net, name)
    schedule = decayed(stepper)
    epoch(net, stepper)
    schedule.step()
    checkpoint.save(dict(zip(("net", "stepper"), get_state_dict(net, stepper), strict=True)), checkpoint_id=tmp_path)

    other = network(name)
    with torch.no_grad():
        for one in other.parameters():
            one.zero_()
    resumed = stepper_for(other, name)
    wanted = dict(zip(("net", "stepper"), get_state_dict(other, resumed), strict=True))
    checkpoint.load(wanted, checkpoint_id=tmp_path)
    set_state_dict(other, resumed, model_state_dict=wanted["net"], optim_state_dict=wanted["stepper"])
    epoch(other, resumed)
    torch.testing.assert_close(weights(other), plain_loop(name), rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # of torch's own import
@pytest.mark.parametrize("name", RULES)
def test_steps_inside_the_backward_pass_are_those_of_an_optimizer_for_each_parameter(name: str) -> None:
    from torch.distributed.optim import _apply_optimizer_in_backward

    net, after = network(name), network(name)
    _apply_optimizer_in_backward(getattr(optim, name), net.parameters(), RULES[name])
    steppers = [optimizer(name, [one], **RULES[name]) for one in after.parameters()]
    for x, y in batches():
        loss_of(net, x, y).backward()
        assert all(one.grad is None for one in net.parameters())
        loss_of(after, x, y).backward()
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad()
    torch.testing.assert_close(weights(net), weights(after), rtol=0, atol=0)


@pytest.mark.parametrize("name", RULES)
def test_weights_are_averaged_at_the_rate_for_it(name: str) -> None:
    net = network(name)
    stepper = stepper_for(net, name)
    rate = 0.5 * stepper.param_groups[0]["lr"]
    mean, schedule, seen = AveragedModel(net), SWALR(stepper, swa_lr=rate, anneal_epochs=2), []
    for x, y in batches():
        loss_of(net, x, y).backward()
        stepper.step()
        stepper.zero_grad()
        schedule.step()
        mean.update_parameters(net)
        seen.append(weights(net))
    assert stepper.param_groups[0]["lr"] == pytest.approx(rate)
    means = [torch.stack(each).mean(0) for each in zip(*seen, strict=True)]
    torch.testing.assert_close(weights(mean), means, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_a_step_inside_of_a_compiled_function_is_one_outside_of_it(name: str) -> None:
    net = network(name)
    stepper = stepper_for(net, name)
    schedule = decayed(stepper)

    def step(x: torch.Tensor, y: torch.Tensor) -> None:
        loss_of(net, x, y).backward()
        stepper.step()
        stepper.zero_grad()

    compiled = torch.compile(step, backend="eager")
    for _ in range(2):
        for x, y in batches():
            compiled(x, y)
        schedule.step()
    torch.testing.assert_close(weights(net), plain_loop(name), rtol=0, atol=0)
