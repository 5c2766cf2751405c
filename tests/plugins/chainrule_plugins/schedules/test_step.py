import pytest
from torch.optim.lr_scheduler import StepLR

from chainrule.schedules import step
from tests.oracles import assert_factors_of_torch


@pytest.mark.parametrize(("step_size", "gamma"), [(1, 0.9), (7, 0.5), (30, 0.0)])
def test_its_factors_equal_those_of_torch(step_size, gamma):
    assert_factors_of_torch(step(step_size, gamma), lambda optimizer: StepLR(optimizer, step_size, gamma))
