import torch

from chainrule.activations import selu
from tests.oracles import assert_module_equals


def test_it_and_its_gradient_equal_torch():
    assert_module_equals(selu(), torch.nn.SELU())
