from functools import partial

import pytest
from torch.nn.init import kaiming_normal_

from chainrule.initializers import he_normal
from tests.oracles import assert_fills_as


@pytest.mark.parametrize(
    ("initializer", "nonlinearity"),
    [(he_normal(), "relu"), (he_normal(gain=1.0), "linear"), (he_normal(gain=5 / 3), "tanh")],
)
def test_its_values_equal_those_of_torch(initializer, nonlinearity):
    assert_fills_as(initializer, partial(kaiming_normal_, nonlinearity=nonlinearity))
