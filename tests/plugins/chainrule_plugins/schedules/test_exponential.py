import pytest
from torch.optim.lr_scheduler import ExponentialLR

from chainrule.schedules import exponential
from tests.oracles import assert_factors_of_torch


@pytest.mark.parametrize("gamma", [0.9, 0.0, 1.01])
def test_its_factors_equal_those_of_torch(gamma):
    assert_factors_of_torch(exponential(gamma), lambda optimizer: ExponentialLR(optimizer, gamma))
