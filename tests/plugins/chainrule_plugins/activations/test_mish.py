import torch

from chainrule.activations import mish
from tests.oracles import assert_module_equals


def test_it_and_its_gradient_equal_torch():
    assert_module_equals(mish(), torch.nn.Mish())
