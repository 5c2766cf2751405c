from functools import partial

from torch.nn.init import kaiming_uniform_

from chainrule.initializers import lecun_uniform
from tests.oracles import assert_fills_as


def test_its_values_equal_those_of_torch():
    assert_fills_as(lecun_uniform(), partial(kaiming_uniform_, nonlinearity="linear"))
