import pytest
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from chainrule import HyperparameterError, Schedule
from chainrule.schedules import cosine, warmup
from tests.oracles import assert_factors_of_torch


@pytest.mark.parametrize("start", [0.2, None])
@pytest.mark.filterwarnings("ignore:The epoch parameter")  # torch's own, of its SequentialLR
def test_its_factors_equal_those_of_torch(start):
    def theirs(optimizer):
        first = LinearLR(optimizer, start_factor=start or 1 / 21, total_iters=20)
        return SequentialLR(optimizer, [first, CosineAnnealingLR(optimizer, 100)], milestones=[20])

    assert_factors_of_torch(warmup(20, cosine(100), start), theirs)


def test_it_rises_from_zero_before_the_first_step_to_the_factor_at_which_the_other_begins():
    schedule = warmup(3, lambda t: 0.5 / t)
    assert [schedule(t) for t in range(1, 7)] == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.25, 0.5 / 3])
    assert [warmup(1)(t) for t in (1, 2, 3)] == [0.5, 1.0, 1.0]


@pytest.mark.parametrize(
    ("inner", "fix"),
    [
        (100, "Pass a callable"),
        (torch.nn.ReLU(), "ReLU of torch.nn"),
        (lambda: 1, "a lambda"),
        (cosine, "Did you forget to call it?"),
        (Schedule, "Did you forget"),
    ],
)
def test_what_is_no_schedule_is_refused(inner, fix):
    with pytest.raises(HyperparameterError, match=rf"^warmup: inner must be a callable t -> factor, got .*{fix}"):
        warmup(10, inner)
