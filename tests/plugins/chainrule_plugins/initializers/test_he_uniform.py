from functools import partial

import pytest
from torch.nn.init import kaiming_uniform_

from chainrule.initializers import he_uniform
from tests.oracles import assert_fills_as


@pytest.mark.parametrize(
    ("initializer", "nonlinearity"),
    [(he_uniform(), "relu"), (he_uniform(gain=1.0), "linear"), (he_uniform(gain=5 / 3), "tanh")],
)
def test_its_values_equal_those_of_torch(initializer, nonlinearity):
    assert_fills_as(initializer, partial(kaiming_uniform_, nonlinearity=nonlinearity))
