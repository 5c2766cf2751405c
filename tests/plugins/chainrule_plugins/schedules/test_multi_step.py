import pytest
from torch.optim.lr_scheduler import MultiStepLR

from chainrule.schedules import multi_step
from tests.oracles import assert_factors_of_torch


@pytest.mark.parametrize("milestones", [[], [1], [10, 50, 51], [50, 10, 10]], ids=str)
def test_its_factors_equal_those_of_torch(milestones):
    assert_factors_of_torch(multi_step(milestones, 0.3), lambda optimizer: MultiStepLR(optimizer, milestones, 0.3))
