from functools import partial

from torch.nn.init import kaiming_normal_

from chainrule.initializers import lecun_normal
from tests.oracles import assert_fills_as


def test_its_values_equal_those_of_torch():
    assert_fills_as(lecun_normal(), partial(kaiming_normal_, nonlinearity="linear"))
