import pytest
import torch

from chainrule import HyperparameterError
from chainrule.optimizers import rprop
from tests.oracles import assert_follows, by_torch


def reference(rule, parameter, gradients):
    settings = {"lr": rule.lr, "etas": (rule.eta_minus, rule.eta_plus)}
    settings["step_sizes"] = (rule.lr * rule.step_min, rule.lr * rule.step_max)
    return by_torch(torch.optim.Rprop, settings, parameter, gradients)


@pytest.mark.parametrize(
    "settings", [{"eta_minus": 0.1, "eta_plus": 3.0}, {"step_min": 0.5}, {"step_max": 1.5}, {"lr": 1.0}], ids=str
)
def test_other_settings_follow_the_reference_too(settings):
    assert_follows(reference, rprop, **settings)


@pytest.mark.parametrize(
    "settings", [{"step_min": 2.0}, {"step_max": 0.5}, {"eta_minus": 1.0}, {"eta_plus": 1.0}], ids=str
)
def test_step_sizes_that_could_not_change_raise(settings):
    with pytest.raises(HyperparameterError, match=f"^rprop: {next(iter(settings))} must be "):
        rprop(**settings)
