import pytest
import torch

from chainrule.optimizers import adam
from tests.oracles import assert_follows, by_torch


def reference(rule, parameter, gradients):
    settings = {"lr": rule.lr, "betas": rule.betas, "eps": rule.eps}
    return by_torch(torch.optim.Adam, settings, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"betas": (0.0, 0.999)}, {"betas": (0.9, 0.0)}, {"lr": 0.1, "eps": 1e-2}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, adam, **settings)


def test_it_has_no_weight_decay():
    with pytest.raises(TypeError, match="weight_decay"):
        adam(weight_decay=0.1)
