import pytest
import torch

from chainrule.optimizers import adamax
from tests.oracles import assert_follows, by_torch


def reference(rule, parameter, gradients):
    settings = {name: getattr(rule, name) for name in ("lr", "betas", "eps")}
    shrink = rule.lr * rule.weight_decay  # torch couples the decay
    return by_torch(torch.optim.Adamax, settings, parameter, gradients, shrink=shrink)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.0, 0.999)}, {"betas": (0.9, 0.0)}, {"eps": 1e-2}, {"weight_decay": 0.1}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, adamax, lr=0.1, **settings)
