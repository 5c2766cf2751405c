import pytest
from torch.optim.lr_scheduler import ConstantLR

from chainrule.schedules import constant
from tests.oracles import factors_by_torch


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.0])
def test_its_factors_equal_those_of_torch(factor):
    expected = factors_by_torch(lambda optimizer: ConstantLR(optimizer, factor, total_iters=100), steps=10)
    assert [constant(factor)(t) for t in range(1, 11)] == expected
