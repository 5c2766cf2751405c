import torch

from chainrule.initializers import zeros
from tests.oracles import assert_fills_as


def test_its_values_equal_those_of_torch():
    assert_fills_as(zeros(), lambda tensor, **_: torch.nn.init.zeros_(tensor))
