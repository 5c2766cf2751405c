import torch

from chainrule.activations import relu6
from tests.oracles import VALUES, assert_module_equals

KINKS = torch.tensor([6.0, -6.0], dtype=torch.float64).view(1, -1, 2)


def test_it_and_its_gradient_equal_torch():
    assert_module_equals(relu6(), torch.nn.ReLU6(), torch.cat([VALUES, KINKS], 1))
