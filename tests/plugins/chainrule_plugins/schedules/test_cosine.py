import pytest
from torch.optim.lr_scheduler import CosineAnnealingLR

from chainrule.schedules import cosine
from tests.oracles import assert_factors_of_torch


@pytest.mark.parametrize(("steps", "end"), [(120, 0.0), (119, 0.1), (130, 2.0)])
def test_its_factors_equal_those_of_torch_up_to_total_steps(steps, end):
    assert_factors_of_torch(cosine(steps, end), lambda optimizer: CosineAnnealingLR(optimizer, steps, eta_min=end))


def test_a_longer_run_stays_at_the_end():
    assert [cosine(total_steps=10, end_factor=0.1)(t) for t in (11, 12, 1000)] == pytest.approx([0.1] * 3)
