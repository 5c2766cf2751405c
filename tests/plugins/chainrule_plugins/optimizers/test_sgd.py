import pytest
import torch

from chainrule import HyperparameterError
from chainrule.optimizers import sgd
from tests.oracles import assert_follows, by_torch


def reference(rule, parameter, gradients):
    settings = {name: getattr(rule, name) for name in ("lr", "momentum", "nesterov", "weight_decay")}
    return by_torch(torch.optim.SGD, settings, parameter, gradients)


@pytest.mark.parametrize(
    "settings",
    [{"weight_decay": 0.1}, {"momentum": 0.9, "weight_decay": 0.1}, {"momentum": 0.5, "nesterov": True}],
    ids=str,
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, sgd, lr=0.05, **settings)


def test_nesterov_without_momentum_raises():
    with pytest.raises(HyperparameterError) as caught:
        sgd(nesterov=True)
    assert str(caught.value) == "sgd: nesterov=True needs momentum above 0, got 0. Pass momentum=0.9, for example."
