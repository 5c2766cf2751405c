import pytest

from chainrule import HyperparameterError
from chainrule.schedules import constant


def test_the_factor_is_the_same_at_every_step():
    assert [constant(0.5)(t) for t in (1, 2, 1000)] == [0.5] * 3
    assert constant()(1) == 1


@pytest.mark.parametrize("factor", [-0.1, float("nan")])
def test_a_factor_below_zero_raises(factor):
    with pytest.raises(HyperparameterError, match=rf"^constant: factor must be at least 0, got {factor}\."):
        constant(factor)
