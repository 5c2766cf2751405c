import pytest
import torch

from chainrule.activations import threshold
from tests.oracles import VALUES, assert_module_equals

KINKS = torch.tensor([0.1, -2.0], dtype=torch.float64).view(1, -1, 2)


@pytest.mark.parametrize("settings", [{"threshold": 0.1, "value": 20.0}, {"threshold": -2.0, "value": -1.0}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_module_equals(threshold(**settings), torch.nn.Threshold(**settings), torch.cat([VALUES, KINKS], 1))
