"""What holds of every built-in schedule in training."""

import dataclasses

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from chainrule import fit
from chainrule.layers import linear
from chainrule.losses import mse
from chainrule.optimizers import sgd
from chainrule.registry import load
from chainrule.schedules import cosine, exponential, multi_step, step, warmup
from tests.built_ins import BUILT_IN

EXAMPLES = [one for record in BUILT_IN if record.kind == "schedules" for one in load(record).examples()]
SHARES = torch.tensor([1.0, 0.9, 0.7], dtype=torch.float64)


def per_member(value):
    """Return a different number for each of three members in place of every float."""
    if isinstance(value, tuple):
        return tuple(per_member(item) for item in value)
    return value * SHARES if isinstance(value, float) else value


def of_member(value, i):
    if isinstance(value, tuple):
        return tuple(of_member(item, i) for item in value)
    return value[i].item() if isinstance(value, Tensor) else value


@pytest.mark.parametrize("schedule", EXAMPLES, ids=repr)
def test_every_float_may_be_given_per_member(schedule):
    settings = {field.name: per_member(getattr(schedule, field.name)) for field in dataclasses.fields(schedule)}
    together = sgd(schedule=type(schedule)(**settings)).attach(linear(1, 1).build(seeds=[0, 1, 2]))
    each = [type(schedule)(**{name: of_member(value, i) for name, value in settings.items()}) for i in range(3)]
    for t in range(1, 130):
        (moment,) = together.advance()
        factors = torch.tensor([one(t) for one in each], dtype=torch.float64)
        assert_close(torch.as_tensor(moment.lr, dtype=torch.float64).expand(3), 1e-3 * factors, rtol=0, atol=1e-15)


@pytest.mark.slow  # it compiles
def test_a_compiled_fit_follows_a_schedule():
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    ends = []
    for compile in (False, True):
        network = linear(3, 3).build(seeds=[0, 1])
        schedule = warmup(3, cosine(total_steps=7, end_factor=[0.1, 0.5]))
        fit(network, mse(), sgd(lr=0.5, schedule=schedule), train=(x, x), batch_size=8, epochs=2, compile=compile)
        ends.append(network.flat.data)
    assert_close(*ends)


@pytest.mark.parametrize(
    "schedule",
    [exponential(gamma=2.0), step(step_size=1, gamma=2.0), multi_step(milestones=tuple(range(1, 1200)), gamma=2.0)],
    ids=repr,
)
def test_a_factor_that_grows_beyond_the_floats_is_infinite(schedule):
    assert schedule(1025) == torch.inf
    assert schedule(1024) == 2.0**1023
