import pytest
from torch.optim.lr_scheduler import ConstantLR, LinearLR, SequentialLR

from chainrule import HyperparameterError
from chainrule.schedules import warmup_stable_decay
from tests.oracles import assert_factors_of_torch


@pytest.mark.filterwarnings("ignore:The epoch parameter")  # torch's own, of its SequentialLR
def test_its_factors_equal_those_of_three_schedules_of_torch():
    def theirs(optimizer):
        parts = [
            LinearLR(optimizer, start_factor=1 / 11, total_iters=10),
            ConstantLR(optimizer, 1.0),
            LinearLR(optimizer, start_factor=1.0, end_factor=0.1, total_iters=20),
        ]
        return SequentialLR(optimizer, parts, milestones=[10, 80])

    assert_factors_of_torch(warmup_stable_decay(100, 10, 20, 0.1), theirs)


def test_the_root_is_that_of_the_part_of_the_decay_that_is_over():
    schedule = warmup_stable_decay(total_steps=8, warmup_steps=0, decay_steps=4, decay="sqrt")
    expected = [1.0] * 5 + [1 - (n / 4) ** 0.5 for n in (1, 2, 3, 4, 4)]
    assert [schedule(t) for t in range(1, 11)] == pytest.approx(expected)


def test_its_parts_fit_into_the_steps():
    with pytest.raises(HyperparameterError, match=r"^warmup_stable_decay: total_steps must be at least .*, 15, got 10"):
        warmup_stable_decay(total_steps=10, warmup_steps=5, decay_steps=10)
