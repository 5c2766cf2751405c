"""Checks that components make their tensors on the device of those they are given."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from chainrule.base.initializer import Initializer
from chainrule.base.loss import Loss
from chainrule.base.optimizer import Optimizer
from chainrule.testing.check import check
from chainrule.testing.compare import expect_close, expect_no_error
from chainrule.testing.losses.trials import LossExample, every_reduction
from chainrule.testing.modules.trials import Example, expect_same_pass, make_trial
from chainrule.testing.optimizers.trials import STEPS, draw_gradients, expect_same, weights

ELSEWHERE = torch.device("meta")
"""The default device of these checks: its tensors have no values, so that none can pass for one on the CPU."""

WHEN = "with torch's default device another than that of its tensors"

CAUSE = "torch.zeros, arange, tensor or the like without device=; pass that of a given tensor, or use x.new_zeros."


@check("layers", "activations", cause=CAUSE)
def passes_stay_on_the_device_given(example: Example) -> None:
    """Passes in train and eval mode give the same with another default device, so that they run on a GPU."""
    trial = make_trial(example, members=3)
    evaluated, again = trial.module(), trial.module()
    evaluated.eval()
    again.eval()
    with expect_no_error(f"a pass {WHEN}"), ELSEWHERE:
        got, output = trial.run(), again.forward(trial.x)
    expect_same_pass(WHEN, got, trial.run(), of=trial.x)
    expect_close(f"the output in eval mode {WHEN}", output, evaluated.forward(trial.x), of=trial.x)


@check("losses", cause=CAUSE)
def losses_stay_on_the_device_given(example: LossExample) -> None:
    """The loss, its gradient and its mean are the same with another default device, so that they run on a GPU."""
    for reduction, (loss, prediction, target) in every_reduction(example):
        expected = _results(loss, prediction, target)
        with expect_no_error(f"a call and its backward {WHEN}"), ELSEWHERE:
            got = _results(loss, prediction, target)
        for what, value in got.items():
            expect_close(f'{what} {WHEN}, reduction="{reduction}",', value, expected[what], of=prediction)


def _results(loss: Loss, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
    value = loss(prediction, target)
    return {"the loss": value, "dL/dprediction": loss.backward(), "the mean": loss.mean(prediction, target)}


@check("initializers", cause=CAUSE)
def values_are_made_on_the_device_given(initializer: Initializer) -> None:
    """An initializer fills a tensor on the CPU with the same values whatever the default device."""
    got, expected = torch.full((2, 3, 4), math.nan, dtype=torch.float64).unbind()
    initializer(expected, fan_in=3, fan_out=4, generator=Generator("cpu").manual_seed(0))
    generator = Generator("cpu").manual_seed(0)
    with expect_no_error(f"filling a tensor {WHEN}"), ELSEWHERE:
        initializer(got, fan_in=3, fan_out=4, generator=generator)
    expect_close(f"the values {WHEN}", got, expected)


@check("optimizers", cause=CAUSE)
def steps_stay_on_the_device_given(rule: Optimizer) -> None:
    """Steps, and the parameters to evaluate with, are the same with another default device."""
    for seeds in (None, [0, 1]):
        networks = weights(rule, seeds=seeds), weights(rule, seeds=seeds)
        there, here = networks
        expected = rule.attach(here)
        with expect_no_error(f"attaching the rule {WHEN}"), ELSEWHERE:
            got = rule.attach(there)
        for t in range(1, STEPS + 1):
            for network in networks:
                draw_gradients(network, t)
            expected.step()
            with expect_no_error(f"step {t} {WHEN}"), ELSEWHERE:
                got.step()
            expect_same(f"after step {t} {WHEN}", there.state_dict(), here.state_dict())
        with expect_no_error(f"evaluating {WHEN}"), ELSEWHERE, got.evaluating():
            evaluated = there.state_dict()
        with expected.evaluating():
            expect_same(f"to evaluate with {WHEN}", evaluated, here.state_dict())
