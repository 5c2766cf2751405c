from functools import partial

import pytest
from torch.nn.init import xavier_normal_

from chainrule.initializers import xavier_normal
from tests.oracles import assert_fills_as


@pytest.mark.parametrize(("initializer", "gain"), [(xavier_normal(), 1.0), (xavier_normal(gain=3.0), 3.0)])
def test_its_values_equal_those_of_torch(initializer, gain):
    assert_fills_as(initializer, partial(xavier_normal_, gain=gain))
