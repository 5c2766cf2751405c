import pytest
import torch

from chainrule import HyperparameterError
from chainrule.activations import softplus
from tests.oracles import VALUES, assert_module_equals

KINKS = torch.tensor([0.5, 20.0], dtype=torch.float64).view(1, -1, 2)


@pytest.mark.parametrize("settings", [{}, {"beta": 2.0, "threshold": 1.0}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_module_equals(softplus(**settings), torch.nn.Softplus(**settings), torch.cat([VALUES, KINKS], 1))


@pytest.mark.parametrize("beta", [0, -1.0])
def test_beta_is_above_0(beta):
    with pytest.raises(HyperparameterError, match=rf"^softplus: beta must be a number above 0, got {beta}\."):
        softplus(beta)
