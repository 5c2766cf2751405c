import torch

from chainrule.layers import linear
from chainrule.optimizers import gradient_centralization, sgd
from tests.oracles import around_torch


def reference(rule, parameter, gradients):
    def centered(gradient):
        if gradient.dim() < 2:
            return gradient
        return torch.stack([row - row.sum() / row.numel() for row in gradient])

    return around_torch(rule, parameter, map(centered, gradients), lambda t, before, gradient, after: after)


def test_each_row_keeps_its_sum():
    network = linear(5, 3).build(dtype=torch.float64)
    sums = network.parameters()[0].data.sum(-1)
    bias = network.parameters()[1].data.clone()
    updater = gradient_centralization(inner=sgd(lr=0.1, momentum=0.9)).attach(network)
    for t in range(5):
        network.flat.grad.copy_(torch.arange(18.0).add(t).sin())
        updater.step()
    torch.testing.assert_close(network.parameters()[0].data.sum(-1), sums, rtol=0, atol=1e-14)
    assert (network.parameters()[1].data != bias).all()


def test_rows_of_one_number_move():
    network = linear(1, 3, bias=False).build(dtype=torch.float64)
    before = network.flat.data.clone()
    network.flat.grad.fill_(1.0)
    gradient_centralization(inner=sgd(lr=0.5)).attach(network).step()
    torch.testing.assert_close(network.flat.data, before - 0.5)
