import pytest
import torch

from chainrule.layers import linear
from chainrule.optimizers import adamw, lamb, sgd, trust_ratio
from chainrule.testing.optimizers.trials import expect_same, positions, weights
from chainrule_plugins.optimizers.adam import Adam
from tests.oracles import around_torch


def reference(rule, parameter, gradients):
    def change(t, before, gradient, after):
        direction = (before - after) / rule.inner.lr
        length, own = (before**2).sum().sqrt().item(), (direction**2).sum().sqrt().item()
        ratio = rule.trust_coefficient * length / own if length and own else 1.0
        return before - rule.inner.lr * ratio * direction

    return around_torch(rule, parameter, gradients, change)


class Decayed(Adam):
    """Adam with weight decay in its direction."""

    decay_kind = "other"
    weight_decay: float = 0.0

    def update(self, parameter, grad, state, step):
        return super().update(parameter, grad, state, step) + self.weight_decay * parameter


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_around_adam_with_decay_in_its_direction_it_is_lamb(decay):
    ours = trust_ratio(inner=Decayed(lr=0.1, betas=(0.8, 0.99), eps=1e-4, weight_decay=decay))
    theirs = lamb(lr=0.1, betas=(0.8, 0.99), eps=1e-4, weight_decay=decay)
    for mine, other in zip(positions(ours, weights(ours), 50), positions(theirs, weights(ours), 50), strict=True):
        expect_same("as lamb's", mine, other, tolerance=1e-12)


def test_decoupled_decay_is_not_scaled():
    network = linear(2, 1, bias=False).build(dtype=torch.float64)
    network.flat.data.copy_(torch.tensor([3.0, 4.0]))
    network.flat.grad.copy_(torch.tensor([1.0, 0.0]))
    trust_ratio(inner=adamw(lr=0.1, eps=0.0, weight_decay=0.5)).attach(network).step()
    expected = torch.tensor([3.0 * 0.95 - 0.1 * 5, 4.0 * 0.95], dtype=torch.float64)
    torch.testing.assert_close(network.flat.data, expected)


@pytest.mark.parametrize(("start", "grad", "end"), [(0.0, 2.0, -1.0), (2.0, 0.0, 2.0)])
def test_the_ratio_is_one_where_a_norm_is_zero(start, grad, end):
    network = linear(1, 1, bias=False).build(dtype=torch.float64)
    network.flat.data.fill_(start)
    network.flat.grad.fill_(grad)
    trust_ratio(inner=sgd(lr=0.5), trust_coefficient=0.01).attach(network).step()
    assert network.flat.data.item() == end
