import pytest
import torch

from chainrule.optimizers import radam
from tests.oracles import assert_follows, by_torch


def reference(rule, parameter, gradients):
    settings = {name: getattr(rule, name) for name in ("lr", "betas", "eps", "weight_decay")}
    return by_torch(torch.optim.RAdam, {**settings, "decoupled_weight_decay": True}, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.0, 0.9)}, {"betas": (0.9, 0.0)}, {"betas": (0.9, 0.5)}, {"eps": 1e-2}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, radam, lr=0.1, **settings)


def test_the_adaptive_step_comes_at_step_6_with_the_default_betas():
    assert [radam().scalars(t)["plain"] for t in range(1, 9)] == [1, 1, 1, 1, 1, 0, 0, 0]
