import torch

from chainrule.activations import silu
from tests.oracles import assert_module_equals


def test_it_and_its_gradient_equal_torch():
    assert_module_equals(silu(), torch.nn.SiLU())
