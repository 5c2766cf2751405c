"""Checks on optimizers: descent, the learning rate, and extreme gradients."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import torch
from torch import Tensor

from chainrule.base.optimizer import Optimizer
from chainrule.base.random_streams import random_stream
from chainrule.base.wrapper import layers_of
from chainrule.errors import HyperparameterError
from chainrule.network import Network
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect, expect_close, expect_finite
from chainrule.testing.optimizers.trials import (
    STEPS,
    Alone,
    Factors,
    Weights,
    changed,
    draw_gradients,
    expect_same,
    inner_of,
    moved,
    positions,
    shapes_for,
    take,
    weights,
    without_decay,
)
from chainrule.updates.chain import Chain
from chainrule.updates.watching import is_elementwise

RATES = 13
"""The number of learning rates tried on each problem, across the search range."""

Problem = Callable[[Tensor], tuple[Tensor, Tensor]]
"""A function of points (M, 8) that returns losses (M,) and gradients (M, 8)."""

CLIMBS = "a wrong sign of the direction, a step that vanishes or grows, or an lr search range without a useful value."


def _quadratic(curvature: Tensor) -> Problem:
    def problem(x: Tensor) -> tuple[Tensor, Tensor]:
        return (curvature * x * x).sum(1) / 2, curvature * x

    return problem


@check("optimizers", cause=CLIMBS)
def descends_on_a_quadratic(rule: Optimizer) -> None:
    """The loss ½ ‖x‖² falls to a hundredth within 300 steps, at the best of 13 learning rates in the search range."""
    _expect_descent(rule, _quadratic(torch.ones(8, dtype=torch.float64)), 300, 0.01)


@check("optimizers", cause=CLIMBS)
def descends_on_an_ill_conditioned_quadratic(rule: Optimizer) -> None:
    """With curvatures from 1 to 1/1000, the loss falls to a twentieth within 1000 steps, at the best of 13 rates."""
    _expect_descent(rule, _quadratic(torch.logspace(0, -3, 8, dtype=torch.float64)), 1000, 0.05)


@check("optimizers", cause=CLIMBS)
def descends_on_rosenbrock(rule: Optimizer) -> None:
    """The Rosenbrock function falls to a fifth from (−1.2, 1), in its valley, in 1000 steps at the best of 13 rates."""

    def problem(x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = x[:, 0::2], x[:, 1::2]
        gap = b - a * a
        slopes = torch.stack([-400 * a * gap - 2 * (1 - a), 200 * gap], dim=2)
        return (100 * gap * gap + (1 - a) ** 2).sum(1), slopes.flatten(1)

    start = torch.tensor([-1.2, 1.0] * 4, dtype=torch.float64)
    _expect_descent(rule, problem, 1000, 0.2, start)


@check("optimizers", cause=CLIMBS)
def descends_in_noise(rule: Optimizer) -> None:
    """With gradient noise of size 1, the loss ½ ‖x‖² falls to a tenth within 500 steps, at the best of 13 rates."""
    noise = random_stream(0, "noise")

    def problem(x: Tensor) -> tuple[Tensor, Tensor]:
        return (x * x).sum(1) / 2, x + torch.randn(x.shape[1], generator=noise, dtype=x.dtype)

    _expect_descent(rule, problem, 500, 0.1)


def _expect_descent(rule: Optimizer, problem: Problem, steps: int, share: float, start: Tensor | None = None) -> None:
    """Raise CheckFailed unless the mean of the last tenth of losses falls to a share of the first, at the best rate."""
    (field,) = [field for field in dataclasses.fields(inner_of(rule)) if field.name == "lr"]
    low, high = field.metadata.get("search") or (1e-5, 1e1)
    rates = torch.logspace(math.log10(max(low, high * 1e-9)), math.log10(high), RATES, dtype=torch.float64)
    start = torch.tensor([3.0, -2, 4, 1, -3, 2, -1, 5], dtype=torch.float64) if start is None else start
    first, steps = problem(start.unsqueeze(0))[0].item(), steps * Chain(rule).stride
    if field.metadata.get("per_member") is not False:
        losses = _losses(changed(without_decay(rule), lr=rates, schedule=None), RATES, start, problem, steps)
    else:
        rules = [changed(without_decay(rule), lr=rate, schedule=None) for rate in rates.tolist()]
        losses = torch.cat([_losses(one, 1, start, problem, steps) for one in rules])
    reached, which = losses.nan_to_num(nan=torch.inf).min(0)
    expect(
        reached.item() <= share * first,
        f"the loss must fall from {first:.4g} to at most {share * first:.4g} within {steps} steps at one of "
        f"{RATES} learning rates from {rates[0]:.2g} to {rates[-1]:.2g}, got {reached:.4g} at lr={rates[which]:.2g}.",
    )


def _losses(rule: Optimizer, members: int, start: Tensor, problem: Problem, steps: int) -> Tensor:
    """Return each member's mean loss over the last tenth of the steps, at the evaluation parameters."""
    network = Weights(shapes_for(rule, [(8,) if 1 in Chain(rule).ranks else (4, 2)])).build(
        seeds=[0] * members, dtype=torch.float64
    )
    points, slopes = network.flat.data.view(members, 8), network.flat.grad.view(members, 8)
    points.copy_(start)
    updater, last, total = rule.attach(network), steps // 10, torch.zeros(members, dtype=torch.float64)
    for t in range(1, steps + 1):
        slopes.copy_(problem(points)[1])
        updater.step()
        if t > steps - last:
            with updater.evaluating():
                total += problem(points)[0]
    return total / last


@check("optimizers", cause="a part of the step that lr does not scale, or an apply that does not read step.lr.")
def lr_of_zero_freezes(rule: Optimizer) -> None:
    """With lr = 0 no parameter changes, since lr scales the whole step."""
    settings = {"weight_decay": 0.0} if inner_of(rule).decay_kind == "other" else {}
    try:
        frozen = changed(rule, lr=0.0, **settings)
    except HyperparameterError as error:
        raise NotApplicable(f"lr = 0 is not allowed: {error}") from error
    network = weights(rule)
    start = network.state_dict()
    for t, found in enumerate(positions(frozen, network), start=1):
        expect_same(f"with lr=0 after step {t}", found, start)


@check("optimizers", cause="self.lr in place of step.lr in apply, or a learning rate cached at an earlier step.")
def schedule_scales_lr_at_once(rule: Optimizer) -> None:
    """A schedule's factor takes effect at exactly its step.

    A constant factor of ½ equals half the learning rate. A warm-up that comes a step late, or never, ruins runs.
    """
    lr = rule.lr
    half, halved = changed(rule, schedule=Factors((0.5,))), changed(rule, lr=lr * 0.5, schedule=None)
    for t, (got, expected) in enumerate(
        zip(positions(half, weights(rule)), positions(halved, weights(rule)), strict=True), start=1
    ):
        expect_same(f"after step {t} with a factor of 0.5, as with lr={lr * 0.5},", got, expected, tolerance=1e-12)
    stride = Chain(rule).stride
    constant, later = (
        positions(changed(rule, schedule=schedule), weights(rule), 3 * stride)[stride - 1 :: stride]
        for schedule in (None, Factors((1.0, 1.0, 0.5)))
    )
    for t in (1, 2):
        expect_same(
            f"after step {t} with a factor of 0.5 from step 3 on, as without it,", later[t - 1], constant[t - 1]
        )
    same = [name for name, values in constant[2].items() if torch.equal(values, later[2][name])]
    expect(len(same) < len(later[2]), "a factor of 0.5 at step 3 must change that step, got the same parameters.")


@check("optimizers", cause="an operation over all elements, such as a mean or a norm, or a comparison that NaN evades.")
def nan_and_inf_stay_where_they_are(rule: Optimizer) -> None:
    """In an elementwise rule, a NaN or infinite gradient affects only its own element, in later steps too.

    One bad element must not spread, so that it and its member can be identified.
    """
    if not is_elementwise(rule):
        raise NotApplicable("the rule is not elementwise")
    for bad in (math.nan, math.inf):
        clean, harmed = weights(rule, [(4,), (3, 2)]), weights(rule, [(4,), (3, 2)])
        with_clean, with_harmed = rule.attach(clean), rule.attach(harmed)
        for t in range(1, STEPS + 1):
            for network in (clean, harmed):
                draw_gradients(network, t)
            if t == 2:
                harmed.flat.grad[2] = bad
            with_clean.step()
            with_harmed.step()
        others = torch.arange(len(clean.flat.data)) != 2
        what = f"the other elements after a gradient of {bad} in one"
        expect_close(what, harmed.flat.data[others], clean.flat.data[others])


@check("optimizers", cause="a square that overflows or underflows, or a division by it without eps.")
def extreme_gradients_stay_finite(rule: Optimizer) -> None:
    """Float32 parameters, and those to evaluate with, stay finite for gradients of 0 and at the ends of gradient_range.

    Gradients of each size come alone and alternating with ordinary ones; the default range is 1e−15 to 1e15.
    """
    layers = layers_of(rule)
    low, high = max(one.gradient_range[0] for one in layers), min(one.gradient_range[1] for one in layers)
    for size, others in ((0.0, 0.0), (low, low), (low, 1.0), (high, high), (high, 1.0)):
        network = weights(rule, dtype=torch.float32)
        updater = rule.attach(network)
        for t in range(1, STEPS + 1):
            draw_gradients(network, t)
            network.flat.grad.mul_(size if t % 2 else others)
            updater.step()
            when = f"after step {t} with gradients of size {size:g}"
            expect_finite(f"the parameters {when}", network.flat.data)
            with updater.evaluating():
                expect_finite(f"the parameters to evaluate with {when}", network.flat.data)


@check(
    "optimizers", cause="an assignment such as parameter = parameter - …, which creates a new tensor, or a zero step."
)
def a_step_moves_every_parameter(rule: Optimizer) -> None:
    """Five steps with nonzero gradients change every element in place, to finite values.

    Parameters are single elements and of ranks 0 to 4, as far as the rule allows, in both dtypes. In float32 an element
    may stay that moves by less than rounding in float64.
    """
    moves: dict[str, Tensor] = {}
    for dtype in (torch.float64, torch.float32):
        network = weights(rule, dtype=dtype)
        before, places = network.state_dict(), [parameter.data.data_ptr() for parameter in network.parameters()]
        moved(rule, network, STEPS * Chain(rule).stride)
        for (name, values), parameter, place in zip(
            network.state_dict().items(), network.parameters(), places, strict=True
        ):
            what = f"parameter {name} of shape {tuple(values.shape)} and {dtype}"
            expect_finite(what, values)
            expect(parameter.data.data_ptr() == place, f"{what} must be updated in place, got another memory address.")
            unmoved = values == before[name]
            if dtype == torch.float64:
                moves[name] = (values - before[name]).abs()
            else:
                unmoved &= moves[name] > STEPS * torch.finfo(dtype).eps * before[name].abs()
            stayed = int(unmoved.sum())
            expect(not stayed, f"{what} must change in all {values.numel()} elements, got {stayed} unchanged.")


@check(
    "optimizers", cause="a branch on the dtype, a computation in lower precision, or eps below the smallest float32."
)
def float32_steps_agree_with_float64(rule: Optimizer) -> None:
    """Each step on float32 parameters leads where it does in float64, to 1e-4; references are followed in float64.

    The same holds for the parameters to evaluate with.
    """
    networks = [weights(rule, dtype=dtype) for dtype in (torch.float64, torch.float32)]
    wide, narrow = (rule.attach(network) for network in networks)
    for t in range(1, STEPS * Chain(rule).stride + 1):
        take(wide, 1)
        take(narrow, 1)
        _expect_rounded(f"in float32 after step {t}", *networks)
        with wide.evaluating(), narrow.evaluating():
            _expect_rounded(f"to evaluate with in float32 after step {t}", *networks)


def _expect_rounded(what: str, wide: Network, narrow: Network) -> None:
    rounded = {name: values.float() for name, values in wide.state_dict().items()}
    expect_same(what, narrow.state_dict(), rounded, tolerance=1e-4)


@check("optimizers", cause="view(…) in place of reshape(…), or an assumption about strides.")
def transposed_parameters_move_alike(rule: Optimizer) -> None:
    """A transposed matrix is updated like a contiguous one with the same values, to 1e-12.

    Tensors from other programs are not always contiguous.
    """
    if 2 not in Chain(rule).ranks:
        raise NotApplicable("the rule does not accept matrices")
    start = weights(rule, {"w": (2, 3)}).flat.data.view(2, 3)
    ordinary, transposed = start.mT.contiguous(), start.clone().mT
    trials = Alone(rule, ordinary), Alone(rule, transposed)
    for t in range(1, STEPS + 1):
        grad = torch.randn(2, 3, generator=random_stream(t, "gradient"), dtype=torch.float64).mT
        for alone, given in zip(trials, (grad.contiguous(), grad), strict=True):
            alone.step(given, t)
        expect_close(f"a transposed parameter after step {t}", transposed, ordinary, tolerance=1e-12)
