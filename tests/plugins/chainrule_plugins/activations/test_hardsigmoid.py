import torch

from chainrule.activations import hardsigmoid
from tests.oracles import VALUES, assert_module_equals

KINKS = torch.tensor([3.0, -3.0], dtype=torch.float64).view(1, -1, 2)


def test_it_and_its_gradient_equal_torch():
    assert_module_equals(hardsigmoid(), torch.nn.Hardsigmoid(), torch.cat([VALUES, KINKS], 1))
