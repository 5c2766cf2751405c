import pytest
import torch

from chainrule import HyperparameterError
from chainrule.activations import hardtanh
from tests.oracles import VALUES, assert_module_equals

KINKS = torch.tensor([-1.0, 1.0, -0.5, 2.0], dtype=torch.float64).view(1, -1, 2)


@pytest.mark.parametrize("settings", [{}, {"min_val": -0.5, "max_val": 2.0}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_module_equals(hardtanh(**settings), torch.nn.Hardtanh(**settings), torch.cat([VALUES, KINKS], 1))


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, -1.0)])
def test_the_limits_are_in_order(limits):
    with pytest.raises(HyperparameterError, match=r"^hardtanh: min_val must be below max_val, got "):
        hardtanh(*limits)
