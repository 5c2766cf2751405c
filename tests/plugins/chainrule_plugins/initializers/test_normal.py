from functools import partial

from torch.nn.init import normal_

from chainrule.initializers import normal
from tests.oracles import assert_fills_as


def test_its_values_equal_those_of_torch():
    assert_fills_as(normal(), normal_)
    assert_fills_as(normal(loc=0.5, scale=0.02), partial(normal_, mean=0.5, std=0.02))
