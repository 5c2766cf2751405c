import pytest
import torch

from chainrule.optimizers import adamw
from tests.oracles import assert_follows, by_torch


def reference(rule, parameter, gradients):
    settings = {name: getattr(rule, name) for name in ("lr", "betas", "eps", "weight_decay")}
    return by_torch(torch.optim.AdamW, settings, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.0, 0.999)}, {"betas": (0.9, 0.0)}, {"weight_decay": 0.0}, {"eps": 1e-2}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, adamw, lr=0.1, **settings)
