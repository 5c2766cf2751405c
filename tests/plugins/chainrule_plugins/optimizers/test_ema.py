import torch

import chainrule
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import adam, ema, sgd
from tests.oracles import around_torch


def reference(rule, parameter, gradients):
    return around_torch(rule, parameter, gradients, lambda t, before, gradient, after: after)


def test_a_running_mean_is_evaluated():
    network = linear(1, 1, bias=False).build(dtype=torch.float64)
    network.flat.data.fill_(1.0)
    updater = ema(inner=sgd(lr=1.0), decay=0.75).attach(network)
    mean = 1.0
    for position in (0.0, -1.0, -2.0):
        network.flat.grad.fill_(1.0)
        updater.step()
        mean = 0.75 * mean + 0.25 * position
        assert network.flat.data.item() == position
        with updater.evaluating():
            assert abs(network.flat.data.item() - mean) < 1e-15


def test_the_outermost_mean_counts():
    network = linear(1, 1, bias=False).build(dtype=torch.float64)
    network.flat.data.fill_(1.0)
    updater = ema(inner=ema(inner=sgd(lr=1.0), decay=0.0), decay=0.5).attach(network)
    network.flat.grad.fill_(1.0)
    updater.step()
    with updater.evaluating():
        assert network.flat.data.item() == 0.5


def test_curves_are_those_of_the_mean():
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    network = linear(3, 1).build()
    history = chainrule.fit(
        network, mse(), ema(inner=adam(lr=0.05), decay=0.9), train=(x, x.sum(1, keepdim=True)), epochs=4
    )
    assert history["train_loss"][-1] < history["train_loss"][0]
