"""Checks on initializers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule.base.initializer import Initializer
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect, expect_close, expect_finite, expect_no_error
from chainrule.testing.copies import copies_of
from chainrule.testing.initializers.trials import FANS, SHAPES, drawn, fits, shape_that_fits

ROWS, COLUMNS = 250, 400
"""The shape of the tensor whose moments are estimated, 100,000 values; neither size is a fan."""

SEEDS = 200
"""The number of matrices whose moments are estimated instead where values depend on the shape."""

DEVIATIONS = 5.8
"""The tolerance of a moment, in standard errors. A normal variable exceeds it with probability 6.7e-9, so three pairs
of fans and two moments give a false alarm with a probability below 5e-8."""


def expect_moments(what: str, initializer: Initializer, values: Tensor, fans: tuple[int, int]) -> None:
    """Raise CheckFailed unless the sample mean and standard deviation match the declared ones, within chance.

    Values (seeds, …) that depend on the shape may have another mean at each position.
    """
    mean, std = initializer.mean(*fans), initializer.std(*fans)
    rounding = 1e-12 * max(1.0, abs(mean))
    centred = values - mean
    if initializer.depends_on_shape:
        centred = (values - values.mean(0)) * math.sqrt(len(values) / (len(values) - 1))
    # Standard errors: std / √n for the mean; for the variance, from the fourth moment.
    allowed = DEVIATIONS * std / math.sqrt(values.numel()) + rounding
    got = values.mean().item()
    expect(abs(got - mean) <= allowed, f"{what}, the mean must be {mean:.6g} ± {allowed:.2g}, got {got:.6g}.")
    variance = centred.square().mean().item()
    spread = math.sqrt(max(centred.pow(4).mean().item() - variance**2, 0.0))
    allowed = DEVIATIONS * spread / math.sqrt(values.numel()) + rounding
    expect(
        abs(variance - std**2) <= allowed,
        f"{what}, the standard deviation must be {std:.6g}, got {math.sqrt(variance):.6g} "
        f"(variance {std**2:.6g} ± {allowed:.2g}).",
    )


@check(
    "initializers", cause="a variance in place of a standard deviation, fan_in and fan_out swapped, or a missing gain."
)
def moments_are_as_declared(initializer: Initializer) -> None:
    """The sample mean and standard deviation match mean() and std() for several fans, within chance.

    A correct initializer fails with a probability below 1e-7.
    """
    for fans in FANS:
        values = _of_matrices(initializer, fans) if initializer.depends_on_shape else _of_one(initializer, fans)
        expect_moments(f"for fan_in {fans[0]} and fan_out {fans[1]}", initializer, values, fans)


def _of_one(initializer: Initializer, fans: tuple[int, int]) -> Tensor:
    return drawn(initializer, ROWS, COLUMNS, fans=fans)


def _of_matrices(initializer: Initializer, fans: tuple[int, int]) -> Tensor:
    """Return matrices (fan_out, fan_in), or kernels of one element, from many seeds."""
    shape = shape_that_fits(initializer, fans[::-1], (*fans[::-1], 1))
    return torch.stack([drawn(initializer, *shape, fans=fans, seed=seed) for seed in range(SEEDS)])


@check("initializers", cause="fans inferred from the tensor's shape, which is wrong for convolutions and biases.")
def fans_are_those_given(initializer: Initializer) -> None:
    """The moments follow fan_in and fan_out whatever the tensor's shape, since only the layer knows its fans."""
    if initializer.depends_on_shape:
        raise NotApplicable("its values depend on the shape, as declared")
    fans = FANS[0]
    for shape in ((100_000,), (10, 10_000), (1000, 4, 5, 5)):
        what = f"for a tensor {shape} with fan_in {fans[0]} and fan_out {fans[1]}"
        expect_moments(what, initializer, drawn(initializer, *shape, fans=fans), fans)


@check("initializers", cause="random numbers drawn without generator=, or state kept between calls.")
def same_seed_gives_same_values(initializer: Initializer) -> None:
    """Equal seeds give bit-identical values, whatever was filled before and whatever the global random state.

    Appending a layer must not change the values of another.
    """
    shape = shape_that_fits(initializer, *SHAPES)
    expected = drawn(initializer, *shape)
    before = torch.get_rng_state()
    drawn(initializer, 8, *shape[1:], seed=1)
    torch.manual_seed(1)
    expect_close("the values after another tensor was filled", drawn(initializer, *shape), expected)
    torch.set_rng_state(before)
    drawn(initializer, *shape)
    touched = int((torch.get_rng_state() != before).sum())
    expect(not touched, f"the global random state must be unchanged, got {touched} changed bytes.")


@check("initializers", cause="a generator or seed of the initializer's own in place of the generator argument.")
def another_seed_gives_other_values(initializer: Initializer) -> None:
    """Different seeds give different values, unless the initializer is constant, so that ensemble members differ."""
    if initializer.std(*FANS[0]) == 0:
        raise NotApplicable("its standard deviation is 0")
    shape = shape_that_fits(initializer, *SHAPES)
    equal = int((drawn(initializer, *shape, seed=0) == drawn(initializer, *shape, seed=1)).sum())
    expect(equal < 12, f"the values for seeds 0 and 1 must differ, got {equal} of 12 equal.")


@check("initializers", cause="an index such as tensor.shape[1], or a new tensor filled in place of the given one.")
def every_shape_is_filled(initializer: Initializer) -> None:
    """Tensors of rank 1 to 4 are filled in place, every element, in float32 and float64.

    Where values depend on the shape, one that does not fit raises ShapeError instead; not all may.
    """
    shapes = [(1,), (3,), (2, 3), (1, 1), (2, 3, 2), (2, 1, 2, 3)]
    if initializer.depends_on_shape:
        shape_that_fits(initializer, *shapes)
        shapes = [shape for shape in shapes if fits(initializer, shape)]
    for shape in shapes:
        for dtype in (torch.float64, torch.float32):
            with expect_no_error(f"filling a tensor {shape}, {dtype},"):
                values = drawn(initializer, *shape, dtype=dtype)
            expect_finite(f"every value of a tensor {shape}, {dtype},", values)


@check("initializers", cause="a lambda as an attribute, or an argument not stored under its own name.")
def initializer_copies_are_equal(initializer: Initializer) -> None:
    """A deepcopy, a pickled copy and the evaluated repr equal the initializer and give the same values."""
    copies = copies_of(initializer)
    for what, copied in copies.items():
        expect(copied == initializer, f"{what} must equal {initializer!r}, got {copied!r}.")
        shape = shape_that_fits(initializer, *SHAPES)
        expect_close(f"the values of {what}", drawn(copied, *shape), drawn(initializer, *shape))
