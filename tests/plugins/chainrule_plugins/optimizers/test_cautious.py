import pytest
import torch

from chainrule import HyperparameterError, Optimizer
from chainrule.layers import linear
from chainrule.optimizers import adadelta, cautious, sgd
from tests.oracles import around_torch


def reference(rule, parameter, gradients):
    def change(t, before, gradient, after):
        direction = before - after
        agrees = (direction * gradient > 0).double()
        return before - direction * agrees / max(agrees.mean().item(), 1e-3)

    return around_torch(rule, parameter, gradients, change)


def test_elements_that_the_gradient_opposes_stay():
    network = linear(2, 1, bias=False).build(dtype=torch.float64)
    network.flat.data.zero_()
    updater = cautious(inner=sgd(lr=1.0, momentum=0.9)).attach(network)
    network.flat.grad.copy_(torch.tensor([1.0, 1.0]))
    updater.step()
    network.flat.grad.copy_(torch.tensor([1.0, -0.5]))  # b = 1.9 and 0.4
    updater.step()
    assert torch.equal(network.flat.data, torch.tensor([-1 - 2 * 1.9, -1.0], dtype=torch.float64))


def test_decoupled_decay_is_not_masked():
    network = linear(2, 1, bias=False).build(dtype=torch.float64)
    network.flat.data.fill_(1.0)
    updater = cautious(inner=adadelta(lr=0.5, weight_decay=0.1)).attach(network)
    updater.step()  # with a gradient of 0, all of whose elements are masked
    assert torch.allclose(network.flat.data, torch.full((2,), 1 - 0.5 * 0.1, dtype=torch.float64), rtol=0, atol=1e-15)


def test_a_rule_without_a_direction_is_refused():
    class Own(Optimizer):
        def apply(self, parameter, grad, state, step):
            parameter.sub_(grad * step.lr)

    with pytest.raises(HyperparameterError, match=r"^cautious: inner must return a direction from update, got own, "):
        cautious(inner=Own())
