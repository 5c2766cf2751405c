import pytest
from torch.optim.lr_scheduler import LinearLR

from chainrule.schedules import linear_decay
from tests.oracles import assert_factors_of_torch


@pytest.mark.parametrize(("start", "end", "steps"), [(1.0, 0.0, 100), (0.1, 1.0, 7), (0.5, 0.25, 1)])
def test_its_factors_equal_those_of_torch(start, end, steps):
    assert_factors_of_torch(
        linear_decay(steps, start, end),
        lambda optimizer: LinearLR(optimizer, start_factor=start, end_factor=end, total_iters=steps),
    )


def test_by_default_it_falls_to_zero_after_the_last_step():
    assert [linear_decay(total_steps=4)(t) for t in range(1, 7)] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
