import torch

from chainrule.activations import hardswish
from tests.oracles import VALUES, assert_module_equals

KINKS = torch.tensor([3.0, -3.0], dtype=torch.float64).view(1, -1, 2)


def test_it_and_its_gradient_equal_torch():
    assert_module_equals(hardswish(), torch.nn.Hardswish(), torch.cat([VALUES, KINKS], 1))
