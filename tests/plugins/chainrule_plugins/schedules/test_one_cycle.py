from itertools import product

import pytest
from torch.optim.lr_scheduler import OneCycleLR

from chainrule import HyperparameterError
from chainrule.schedules import one_cycle
from tests.oracles import assert_factors_of_torch

SETTINGS = list(product((120, 131), (0.0, 0.3, 0.45), ("cos", "linear"), (25.0, 4.0), (1e4, 10.0), (False, True)))


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_its_factors_equal_those_of_torch(settings):
    names = ("total_steps", "pct_start", "anneal_strategy", "div_factor", "final_div_factor", "three_phase")
    given = dict(zip(names, settings, strict=True))
    assert_factors_of_torch(
        one_cycle(**given), lambda optimizer: OneCycleLR(optimizer, max_lr=1.0, cycle_momentum=False, **given)
    )


def test_a_longer_run_stays_at_the_end_and_a_rise_of_one_step_is_at_the_top():
    schedule = one_cycle(total_steps=10, pct_start=0.1, div_factor=10, final_div_factor=100)
    assert [schedule(t) for t in (1, 10, 11, 1000)] == pytest.approx([1.0, 1e-3, 1e-3, 1e-3])


def test_three_phases_need_room_for_the_third():
    with pytest.raises(HyperparameterError, match=r"^one_cycle: pct_start must be below 0\.5 .*, got 0\.6\."):
        one_cycle(total_steps=10, pct_start=[0.2, 0.6], three_phase=True)
