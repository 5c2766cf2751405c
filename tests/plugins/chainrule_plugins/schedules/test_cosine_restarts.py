import pytest
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from chainrule.schedules import cosine_restarts
from tests.oracles import assert_factors_of_torch


@pytest.mark.parametrize(("first", "mult", "end"), [(1, 1, 0.0), (10, 1, 0.1), (3, 2, 0.0), (5, 3, 0.2)])
def test_its_factors_equal_those_of_torch(first, mult, end):
    assert_factors_of_torch(
        cosine_restarts(first, mult, end),
        lambda optimizer: CosineAnnealingWarmRestarts(optimizer, first, T_mult=mult, eta_min=end),
    )
