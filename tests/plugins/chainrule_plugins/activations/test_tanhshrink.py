import torch

from chainrule.activations import tanhshrink
from tests.oracles import assert_module_equals


def test_it_and_its_gradient_equal_torch():
    assert_module_equals(tanhshrink(), torch.nn.Tanhshrink())
