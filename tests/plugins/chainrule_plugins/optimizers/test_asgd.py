import pytest
import torch

from chainrule.layers import linear
from chainrule.optimizers import asgd
from tests.oracles import assert_follows, by_torch, torchs_scalars_in_float64


def settings_of(rule):
    return {"lr": rule.lr, "lambd": rule.weight_decay, "alpha": rule.alpha, "t0": rule.t0}


def reference(rule, parameter, gradients):
    return by_torch(torch.optim.ASGD, settings_of(rule), parameter, gradients)


@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"alpha": 1.0}, {"weight_decay": 0.0}], ids=str)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, asgd, **{"lr": 0.1, "weight_decay": 0.5, **settings})


@pytest.mark.parametrize("t0", [0, 1, 5, 1000])
def test_the_mean_that_is_evaluated_is_that_of_torch(t0):
    network = linear(3, 2, bias=False).build(dtype=torch.float64)
    rule = asgd(lr=0.1, t0=t0)
    updater = rule.attach(network)
    theta = torch.nn.Parameter(network.state_dict()["weight"].clone())
    with torchs_scalars_in_float64():
        theirs = torch.optim.ASGD([theta], **settings_of(rule))
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        network.flat.grad.normal_(generator=generator)
        theta.grad = network.flat.grad.view(2, 3).clone()
        updater.step()
        with torchs_scalars_in_float64():
            theirs.step()
        with updater.evaluating():
            torch.testing.assert_close(network.state_dict()["weight"], theirs.state[theta]["ax"], rtol=0, atol=1e-12)
