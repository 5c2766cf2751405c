import torch

from chainrule.initializers import constant
from tests.oracles import assert_fills_as


def test_its_values_equal_those_of_torch():
    assert_fills_as(constant(0.25), lambda tensor, **_: torch.nn.init.constant_(tensor, 0.25))
