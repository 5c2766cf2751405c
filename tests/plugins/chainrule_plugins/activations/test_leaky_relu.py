import pytest
import torch

from chainrule.activations import leaky_relu
from tests.oracles import assert_module_equals


@pytest.mark.parametrize("settings", [{}, {"negative_slope": 0.3}, {"negative_slope": -0.5}])
def test_it_and_its_gradient_equal_torch(settings):
    assert_module_equals(leaky_relu(**settings), torch.nn.LeakyReLU(**settings))
