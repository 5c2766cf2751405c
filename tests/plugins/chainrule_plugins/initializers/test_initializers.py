"""First values against their formulas: exact bounds, and moments that right initializers miss once in 10⁶ suites."""

import math

import pytest
import torch

from chainrule import Parameter
from chainrule.base.random_streams import random_stream
from chainrule.initializers import constant, he_normal, he_uniform, uniform, xavier_normal, xavier_uniform, zeros

N = 200_000
Z = 5.5  # standard errors: a normal estimate lies further out with probability 4e-8, one of all 22 with 8e-7

UNIFORM = [
    (uniform(), 1 / math.sqrt(30)),
    (he_uniform(), math.sqrt(6 / 30)),
    (he_uniform(gain=1.0), math.sqrt(3 / 30)),
    (xavier_uniform(), math.sqrt(6 / 50)),
    (xavier_uniform(gain=2.0), 2 * math.sqrt(6 / 50)),
]
NORMAL = [
    (he_normal(), math.sqrt(2 / 30)),
    (he_normal(gain=0.5), 0.5 / math.sqrt(30)),
    (xavier_normal(), math.sqrt(2 / 50)),
    (xavier_normal(gain=3.0), 3 * math.sqrt(2 / 50)),
]


def draw(initializer, seed=0):
    values = torch.zeros(N, dtype=torch.float64)
    initializer(values, fan_in=30, fan_out=20, generator=random_stream(seed, "init", "weight"))
    return values


def has_moments(values, variance, fourth_moment):
    """Say whether mean and variance lie within Z standard errors of 0 and of that variance."""
    mean_error = math.sqrt(variance / N)
    variance_error = math.sqrt((fourth_moment - variance**2) / N)
    return abs(values.mean()) < Z * mean_error and abs(values.square().mean() - variance) < Z * variance_error


@pytest.mark.parametrize(("initializer", "bound"), UNIFORM, ids=str)
def test_uniform_values_fill_the_interval_of_the_formula(initializer, bound):
    values = draw(initializer)
    # A gap of width 1e-4 of the interval at either end is left free with probability (1 − 1e-4)^N = 2e-9.
    assert bound * (1 - 2e-4) < values.max() <= bound
    assert -bound <= values.min() < -bound * (1 - 2e-4)
    assert has_moments(values, bound**2 / 3, bound**4 / 5)


@pytest.mark.parametrize(("initializer", "std"), NORMAL, ids=str)
def test_normal_values_have_the_moments_of_the_formula(initializer, std):
    values = draw(initializer)
    assert has_moments(values, std**2, 3 * std**4)
    # Of a normal, 4.55 % lie beyond two deviations; of a uniform of the same variance none.
    beyond = (values.abs() > 2 * std).double().mean()
    assert abs(beyond - 0.0455003) < Z * math.sqrt(0.0455 * 0.9545 / N)


@pytest.mark.parametrize(
    ("wrong", "std"),
    [
        (xavier_normal(), math.sqrt(2 / 50) * 1.05),  # a slip of a twentieth
        (xavier_normal(), 2 / 50),  # the variance taken for the deviation
        (xavier_normal(), math.sqrt(2 / 30)),  # fan_out left out
        (he_normal(), 1 / math.sqrt(30)),  # the gain left out
    ],
    ids=str,
)
def test_a_wrong_deviation_is_seen(wrong, std):
    assert not has_moments(draw(wrong), std**2, 3 * std**4)


def test_constants_are_what_they_say():
    assert (draw(constant(0.25)) == 0.25).all()
    assert not draw(zeros()).any()


@pytest.mark.parametrize("initializer", [initializer for initializer, _ in UNIFORM + NORMAL], ids=repr)
def test_draws_come_from_the_generator_alone(initializer):
    before = torch.get_rng_state()
    first, again = draw(initializer), draw(initializer)
    assert torch.equal(first, again)
    assert not torch.equal(first, draw(initializer, seed=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_initializers_compare_by_class_and_settings():
    assert xavier_normal() == xavier_normal(gain=1.0)
    assert hash(xavier_normal()) == hash(xavier_normal(1.0))
    assert xavier_normal() != xavier_normal(2.0)
    assert xavier_normal() != xavier_uniform()
    assert repr(xavier_normal()) == "XavierNormal(gain=1.0)"


def test_a_parameter_remembers_its_fans_for_its_initializer():
    parameter = Parameter(4, 3, 2, init=xavier_normal(), fan_in=6, fan_out=8)
    assert (parameter.shape, parameter.fan_in, parameter.fan_out) == ((4, 3, 2), 6, 8)
