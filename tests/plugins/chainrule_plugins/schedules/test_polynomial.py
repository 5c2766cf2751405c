import pytest
from torch.optim.lr_scheduler import PolynomialLR

from chainrule.schedules import polynomial
from tests.oracles import assert_factors_of_torch


@pytest.mark.parametrize(("steps", "power"), [(100, 1.0), (60, 0.9), (7, 3.0), (1, 2.0)])
def test_its_factors_equal_those_of_torch(steps, power):
    assert_factors_of_torch(polynomial(steps, power), lambda optimizer: PolynomialLR(optimizer, steps, power))


def test_it_ends_at_the_end_factor():
    schedule = polynomial(total_steps=4, power=2, end_factor=0.2)
    assert [schedule(t) for t in (1, 3, 5, 100)] == pytest.approx([1.0, 0.2 + 0.8 / 4, 0.2, 0.2])
