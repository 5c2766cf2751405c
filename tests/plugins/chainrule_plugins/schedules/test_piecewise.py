import pytest
from torch.optim.lr_scheduler import LambdaLR

from chainrule import HyperparameterError
from chainrule.schedules import piecewise
from tests.oracles import assert_factors_of_torch


def test_a_factor_holds_for_as_many_steps_as_lie_between_milestones():
    table = [1.0] * 30 + [0.5] * 50 + [0.1] * 100
    assert_factors_of_torch(
        piecewise([30, 80], [1.0, 0.5, 0.1]), lambda optimizer: LambdaLR(optimizer, table.__getitem__)
    )


@pytest.mark.parametrize(
    ("milestones", "factors", "message"),
    [
        ((80, 30), (1.0, 0.5, 0.1), r"piecewise: milestones must ascend, got \(80, 30\)\. Sort them"),
        ((30, 30), (1.0, 0.5, 0.1), "piecewise: milestones must ascend"),
        ((30, 80), (1.0, 0.5), "piecewise: factors must be 3, one more than milestones, got 2"),
    ],
)
def test_milestones_ascend_and_each_has_a_factor_after_it(milestones, factors, message):
    with pytest.raises(HyperparameterError, match=f"^{message}"):
        piecewise(milestones, factors)
