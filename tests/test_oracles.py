"""The comparisons with an oracle fail where a component is another than its oracle."""

from functools import partial

import pytest
import torch

from chainrule.activations import tanh
from chainrule.initializers import he_normal
from chainrule.losses import mse
from chainrule.optimizers import sgd
from chainrule.schedules import constant
from tests.oracles import (
    assert_fills_as,
    assert_follows,
    assert_loss_equals,
    assert_module_equals,
    by_formula,
    by_torch,
    factors_by_torch,
)


class HalfGradient(tanh):
    def backward(self, grad_output):
        return super().backward(grad_output) / 2


class HalfLossGradient(mse):
    def gradient(self):
        return super().gradient() / 2


def by_torch_at_half_the_rate(rule, parameter, gradients):
    return by_torch(torch.optim.SGD, {"lr": rule.lr / 2}, parameter, gradients)


def by_formula_uphill(rule, parameter, gradients):
    return by_formula(lambda theta, g, *_: theta + rule.lr * g, parameter, gradients)


LOSS_DATA = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize(
    "comparison",
    [
        lambda: assert_module_equals(tanh(), torch.sigmoid),
        lambda: assert_module_equals(HalfGradient(), torch.tanh),
        lambda: assert_loss_equals(mse, torch.nn.functional.l1_loss, *LOSS_DATA),
        lambda: assert_loss_equals(HalfLossGradient, torch.nn.functional.mse_loss, *LOSS_DATA),
        lambda: assert_fills_as(he_normal(), torch.nn.init.xavier_normal_),
        lambda: assert_fills_as(he_normal(), partial(torch.nn.init.kaiming_normal_, mode="fan_out")),
        lambda: assert_follows(by_torch_at_half_the_rate, sgd, lr=0.1),
        lambda: assert_follows(by_formula_uphill, sgd, lr=0.1),
    ],
)
def test_another_component_than_the_oracle_is_seen(comparison):
    with pytest.raises(AssertionError):
        comparison()


def test_a_schedule_of_torch_is_followed_step_by_step():
    def halve(optimizer):
        return torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)

    assert factors_by_torch(halve, 5) == [1, 1, 0.5, 0.5, 0.25]
    assert [constant()(t) for t in range(1, 6)] != factors_by_torch(halve, 5)
