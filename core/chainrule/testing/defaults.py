"""Checks that components make tensors of the device and dtype of those they are given, not of torch's defaults."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Generator, Tensor

from chainrule.base.initializer import Initializer
from chainrule.base.loss import Loss
from chainrule.base.optimizer import Optimizer
from chainrule.testing.check import check
from chainrule.testing.compare import expect_close, expect_no_error
from chainrule.testing.initializers.trials import SHAPES, shape_that_fits
from chainrule.testing.losses.trials import LossExample, every_reduction
from chainrule.testing.metrics.trials import MetricExample, three_members, value_over
from chainrule.testing.modules.trials import Example, expect_same_pass, make_trial
from chainrule.testing.optimizers.trials import STEPS, draw_gradients, expect_same, weights

WHEN = "with another default device and dtype of torch's"

CAUSE = (
    "torch.zeros, tensor, where of two numbers or the like without device= or dtype=; pass them, or use x.new_zeros."
)


@contextmanager
def other_defaults() -> Iterator[None]:
    """Run the block with the default device meta, whose tensors have no values to pass for right ones, and float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            yield
    finally:
        torch.set_default_dtype(before)


@check("layers", "activations", cause=CAUSE)
def passes_follow_no_default(example: Example) -> None:
    """Passes in train and eval mode are the same whatever torch's default device and dtype, so also on a GPU."""
    trial = make_trial(example, members=3)
    evaluated, again = trial.module(training=False), trial.module(training=False)
    with expect_no_error(f"a pass {WHEN}"), other_defaults():
        got, output = trial.run(), again.forward(trial.x)
    expect_same_pass(WHEN, got, trial.run(), of=trial.x)
    expect_close(f"the output in eval mode {WHEN}", output, evaluated.forward(trial.x), of=trial.x)


@check("losses", cause=CAUSE)
def losses_follow_no_default(example: LossExample) -> None:
    """The loss, its gradient and its mean are the same whatever torch's default device and dtype."""
    for reduction, (loss, prediction, target) in every_reduction(example):
        expected = _results(loss, prediction, target)
        with expect_no_error(f"a call and its backward {WHEN}"), other_defaults():
            got = _results(loss, prediction, target)
        for what, value in got.items():
            expect_close(f'{what} {WHEN}, reduction="{reduction}",', value, expected[what], of=prediction)


def _results(loss: Loss, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
    value = loss(prediction, target)
    return {"the loss": value, "dL/dprediction": loss.backward(), "the mean": loss.mean(prediction, target)}


@check("metrics", cause=CAUSE)
def metrics_follow_no_default(example: MetricExample) -> None:
    """The value is the same whatever torch's default device and dtype."""
    predictions, targets = three_members(example)
    with expect_no_error(f"a value {WHEN}"), other_defaults():
        got = value_over(example[0], predictions, targets)
    expect_close(f"the value {WHEN}", got, value_over(example[0], predictions, targets))


@check("initializers", cause=CAUSE)
def values_follow_no_default(initializer: Initializer) -> None:
    """An initializer fills a tensor on the CPU with the same values whatever torch's default device and dtype."""
    got, expected = torch.full((2, *shape_that_fits(initializer, *SHAPES)), math.nan, dtype=torch.float64).unbind()
    initializer(expected, fan_in=3, fan_out=4, generator=Generator("cpu").manual_seed(0))
    generator = Generator("cpu").manual_seed(0)
    with expect_no_error(f"filling a tensor {WHEN}"), other_defaults():
        initializer(got, fan_in=3, fan_out=4, generator=generator)
    expect_close(f"the values {WHEN}", got, expected)


@check("optimizers", cause=CAUSE)
def steps_follow_no_default(rule: Optimizer) -> None:
    """Steps, and the parameters to evaluate with, are the same whatever torch's default device and dtype."""
    for seeds in (None, [0, 1]):
        networks = weights(rule, seeds=seeds), weights(rule, seeds=seeds)
        there, here = networks
        expected = rule.attach(here)
        with expect_no_error(f"attaching the rule {WHEN}"), other_defaults():
            got = rule.attach(there)
        for t in range(1, STEPS + 1):
            for network in networks:
                draw_gradients(network, t)
            expected.step()
            with expect_no_error(f"step {t} {WHEN}"), other_defaults():
                got.step()
            expect_same(f"after step {t} {WHEN}", there.state_dict(), here.state_dict())
        with expect_no_error(f"evaluating {WHEN}"), other_defaults(), got.evaluating():
            evaluated = there.state_dict()
        with expected.evaluating():
            expect_same(f"to evaluate with {WHEN}", evaluated, here.state_dict())
