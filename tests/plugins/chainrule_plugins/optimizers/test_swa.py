import pytest
import torch

from chainrule.layers import linear
from chainrule.optimizers import sgd, swa
from tests.oracles import around_torch


def reference(rule, parameter, gradients):
    return around_torch(rule, parameter, gradients, lambda t, before, gradient, after: after)


def averaged_by_torch(start, gradients, first, k):
    """Return what torch evaluates after each step of SGD from the first one of its average on."""
    model = torch.nn.Linear(3, 2, bias=False, dtype=torch.float64)
    model.weight.data.copy_(start)
    mean = torch.optim.swa_utils.AveragedModel(model)
    optimizer, passed = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), []
    for t, gradient in enumerate(gradients, start=1):
        model.weight.grad = gradient
        optimizer.step()
        if t >= first and (t - first) % k == 0:
            mean.update_parameters(model)
        passed.append((mean.module if t >= first else model).weight.detach().clone())
    return passed


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("first", [1, 20])
def test_it_evaluates_torchs_averaged_model_also_when_resumed(first, k):
    rule = swa(inner=sgd(lr=0.1, momentum=0.9), start=first, k=k)
    network = linear(3, 2, bias=False).build(dtype=torch.float64)
    updater, start = rule.attach(network), network.flat.data.clone().view(2, 3)
    gradients = torch.randn(100, 2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = []
    for t, gradient in enumerate(gradients, start=1):
        if t == 50:
            saved = network.state_dict(), updater.state_dict()
            network = linear(3, 2, bias=False).build(seed=7, dtype=torch.float64)
            updater = rule.attach(network)
            network.load_state_dict(saved[0])
            updater.load_state_dict(saved[1])
        network.flat.grad.copy_(gradient.flatten())
        updater.step()
        with updater.evaluating():
            found.append(network.flat.data.clone().view(2, 3))
    expected = averaged_by_torch(start, gradients, first, k)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
