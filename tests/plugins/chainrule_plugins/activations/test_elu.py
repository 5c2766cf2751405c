import pytest
import torch

from chainrule import HyperparameterError
from chainrule.activations import elu
from tests.oracles import assert_module_equals


@pytest.mark.parametrize("settings", [{}, {"alpha": 0.5}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_module_equals(elu(**settings), torch.nn.ELU(**settings))


@pytest.mark.parametrize("alpha", [0, -1.0])
def test_alpha_is_above_0(alpha):
    with pytest.raises(HyperparameterError, match=rf"^elu: alpha must be a number above 0, got {alpha}\."):
        elu(alpha)
