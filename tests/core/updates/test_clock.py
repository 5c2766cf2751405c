"""Learning rates, schedules and scalars of several members."""

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

import chainrule
from chainrule import Optimizer, Schedule, hyperparameter
from chainrule.activations import tanh
from chainrule.layers import linear, sequential
from chainrule.losses import mse
from chainrule.optimizers import adam, sgd
from chainrule.schedules import constant
from chainrule.updates.chain import Chain
from chainrule.updates.clock import Clock

X, Y = torch.randn(2, 30, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


class Warmup(Schedule):
    """Grow to 1 over some steps.

    Factor:   ``min(t / steps, 1)``
    """

    steps: float = hyperparameter(default=3.0, above=0)

    def __call__(self, t: int) -> float:
        return min(t / self.steps, 1.0)  # which a tensor refuses


class Decay(Schedule):
    """Shrink in proportion to t.

    Factor:   ``1 / (1 + rate t)``
    """

    rate: float = hyperparameter(default=0.1, at_least=0)

    def __call__(self, t: int) -> float | Tensor:
        return 1 / (1 + self.rate * t)


@dataclass
class Given:
    factors: Tensor

    def __call__(self, t: int) -> Tensor:
        return self.factors * t


class Bounded(Optimizer):
    """Have scalars that take Python's numbers alone."""

    beta: float = hyperparameter(default=0.9, at_least=0, below=1)

    def scalars(self, t):
        return {"root": math.sqrt(1 - self.beta**t), "most": max(self.beta, 0.5), "count": t}

    def update(self, parameter, grad, state, step):
        return grad * step["root"] / step["most"] + step["count"] * 1e-3


def trained(rule, seeds, compile=False):
    network = sequential(linear(3, 4), tanh(), linear(4, 3)).build(seeds=seeds, dtype=torch.float64)
    chainrule.fit(network, mse(), rule, train=(X, Y), batch_size=15, epochs=3, compile=compile)
    return [network.member(i).flat.data for i in range(len(seeds))]


TWO = torch.tensor([2.0, 5.0]), torch.tensor([0.5, 0.25], dtype=torch.float64)
CASES = {
    "python's numbers alone": (lambda v: sgd(lr=0.1, schedule=Warmup(v)), TWO[0]),
    "algebra": (lambda v: adam(lr=0.1, schedule=Decay(v)), TWO[1]),
    "constant": (lambda v: adam(lr=0.1, schedule=constant(v)), TWO[1]),
    "scalars": (lambda v: Bounded(lr=0.1, beta=v), TWO[1]),
    "betas": (lambda v: adam(lr=0.1, betas=(0.9, v)), TWO[1]),
    "both betas": (lambda v: adam(lr=0.1, betas=(v, v)), TWO[1]),
    "rate and schedule": (lambda v: adam(lr=v, eps=v, schedule=Decay(v)), TWO[1]),
}


COMPILED = "rate and schedule"
"""The one case whose steps are traced in the normal suite; each of the others takes as long."""


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize(
    ("name", "compile"),
    [
        *((name, False) for name in CASES),
        *(pytest.param(name, True, marks=() if name == COMPILED else pytest.mark.slow) for name in CASES),
    ],
)
def test_each_member_follows_its_own_numbers(name, compile):
    make, values = CASES[name]
    together = trained(make(values), [3, 4], compile)
    for ours, value, seed in zip(together, values.tolist(), [3, 4], strict=True):
        (theirs,) = trained(make(value), [seed])
        assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_a_callable_gives_a_factor_for_each_member():
    together = trained(sgd(lr=0.1, schedule=Given(TWO[1])), [3, 4])
    for ours, factor, seed in zip(together, TWO[1].tolist(), [3, 4], strict=True):
        (theirs,) = trained(sgd(lr=0.1, schedule=lambda t: factor * t), [seed])  # noqa: B023 - called at once
        assert_close(ours, theirs, rtol=0, atol=1e-12)


class Late(Optimizer):
    """Descend; from step 1001 on with a weight that Python's numbers alone give."""

    rate: float = hyperparameter(default=0.1, at_least=0)

    def scalars(self, t):
        return {"weight": 1.0 - 0.0 * self.rate if t <= 1000 else math.exp(-self.rate)}

    def update(self, parameter, grad, state, step):
        return step["weight"] * grad


class Falling(Schedule):
    """Hold, and from step 1001 on fall along a cosine."""

    speed: float = hyperparameter(default=0.1, at_least=0)

    def __call__(self, t):
        return 1.0 + 0.0 * self.speed if t <= 1000 else 1 + math.cos(self.speed)


@pytest.mark.parametrize(
    ("rule", "of_moment", "expected"),
    [
        (Late(rate=TWO[0]), lambda moment: moment.scalars["weight"], [math.exp(-2.0), math.exp(-5.0)]),
        (sgd(lr=1.0, schedule=Falling(TWO[0])), lambda moment: moment.lr, [1 + math.cos(2.0), 1 + math.cos(5.0)]),
    ],
)
def test_a_later_phase_that_takes_no_tensors_is_computed_member_by_member(rule, of_moment, expected):
    clock = Clock(Chain(rule), 2, torch.device("cpu"), torch.float64)
    assert of_moment(clock.at(1000)).tolist() == [1.0, 1.0]
    assert_close(of_moment(clock.at(1001)), torch.tensor(expected, dtype=torch.float64))


def test_a_schedule_of_another_number_of_members_is_refused():
    with pytest.raises(
        chainrule.HyperparameterError, match=r"^sgd: schedule\.factor must be a number or one value for"
    ):
        trained(sgd(schedule=constant(torch.tensor([1.0, 2.0, 3.0]))), [0, 1])


def test_members_as_many_as_a_layer_is_wide():
    """Where a number for each member would broadcast over a wrong axis, and nothing would be seen."""
    values = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    network = linear(3, 3).build(seeds=[0, 1, 2], dtype=torch.float64)
    updater = sgd(lr=values, momentum=values, weight_decay=values).attach(network)
    singles = [linear(3, 3).build(seed=seed, dtype=torch.float64) for seed in range(3)]
    rules = [sgd(lr=v, momentum=v, weight_decay=v) for v in values.tolist()]
    alone = [rule.attach(single) for rule, single in zip(rules, singles, strict=True)]
    for t in range(4):
        network.flat.grad.fill_(1.0 + t)
        updater.step()
        for one, single in zip(alone, singles, strict=True):
            single.flat.grad.fill_(1.0 + t)
            one.step()
    for i, single in enumerate(singles):
        assert_close(network.member(i).flat.data, single.flat.data, rtol=0, atol=1e-14)


def test_a_fused_rule_takes_numbers_per_member():
    ends = []
    for compile in (False, True):
        network = linear(256, 256).build(seeds=[0, 1])
        rule = adam(lr=torch.tensor([0.1, 0.01]), betas=(0.9, torch.tensor([0.99, 0.5])), schedule=Decay(0.1))
        updater = rule.attach(network, compile=compile)
        for t in range(3):
            network.flat.grad.fill_(1.0 + t)
            updater.step()
        assert updater.compiled == compile
        ends.append(network.flat.data)
    assert_close(*ends, rtol=1e-6, atol=1e-7)


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("compile", [False, True])
def test_a_rate_beyond_the_numbers_of_the_dtype_is_one_line_with_its_step(compile):
    """As at the end of a search for the rate by a schedule that grows."""

    def end(dtype):
        network = linear(1, 1).build(dtype=dtype)
        rule = chainrule.param_groups({"*": sgd(lr=1, schedule=lambda t: 10.0 ** (13 * t))})
        data = (torch.ones(3, 1, dtype=dtype), torch.ones(3, 1, dtype=dtype))
        return chainrule.fit(network, mse(), rule, train=data, batch_size=1, compile=compile and dtype.itemsize == 4)

    with pytest.raises(chainrule.HyperparameterError, match=r"^sgd: lr at step 3 must be at most .*32, got 1e\+39\. L"):
        end(torch.float32)
    assert end(torch.float64).epochs == 1
