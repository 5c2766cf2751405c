import pytest
import torch

from chainrule import HyperparameterError
from chainrule.activations import hardshrink
from tests.oracles import VALUES, assert_module_equals

KINKS = torch.tensor([0.5, -0.5, 2.0, -2.0], dtype=torch.float64).view(1, -1, 2)


@pytest.mark.parametrize("settings", [{}, {"lambd": 0.0}, {"lambd": 2.0}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_module_equals(hardshrink(**settings), torch.nn.Hardshrink(**settings), torch.cat([VALUES, KINKS], 1))


@pytest.mark.parametrize("lambd", [-0.1, float("nan")])
def test_lambd_is_at_least_0(lambd):
    with pytest.raises(HyperparameterError, match=rf"^hardshrink: lambd must be a number of at least 0, got {lambd}\."):
        hardshrink(lambd)
