import math
from functools import partial

from torch.nn.init import kaiming_uniform_

from chainrule.initializers import uniform
from tests.oracles import assert_fills_as


def test_its_values_equal_those_of_a_linear_layer_of_torch():
    assert_fills_as(uniform(), partial(kaiming_uniform_, a=math.sqrt(5)))
