import pytest
import torch

from chainrule.optimizers import nadam
from tests.oracles import assert_follows, by_torch


def reference(rule, parameter, gradients):
    settings = {name: getattr(rule, name) for name in ("lr", "betas", "eps", "momentum_decay", "weight_decay")}
    return by_torch(torch.optim.NAdam, {**settings, "decoupled_weight_decay": True}, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [{"betas": (0.0, 0.9)}, {"betas": (0.99, 0.0)}, {"momentum_decay": 0.0}, {"momentum_decay": 10.0}, {"eps": 1e-2}],
    ids=str,
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, nadam, lr=0.1, **settings)


@pytest.mark.parametrize("momentum_decay", [0.0, 4e-3, 1.0])
def test_the_products_of_the_momenta_are_those_of_a_loop_at_every_step(momentum_decay):
    rule, product = nadam(betas=(0.95, 0.999), momentum_decay=momentum_decay), 1.0
    for t in range(1, 2000):
        now, following = (0.95 * (1 - 0.5 * 0.96 ** (s * momentum_decay)) for s in (t, t + 1))
        product *= now
        found = rule.scalars(t)
        assert found["g"] == pytest.approx((1 - now) / (1 - product), rel=1e-14)
        assert found["m"] == pytest.approx(following / (1 - product * following), rel=1e-14)
