"""Checks on initializers."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule.base.initializer import Initializer
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect, expect_close, expect_finite, expect_no_error
from chainrule.testing.copies import copies_of

FANS = ((6, 24), (30, 5), (16, 16))
"""Pairs of fan_in and fan_out, unequal ones first, which reveal a swap."""

ROWS, COLUMNS = 250, 400
"""The shape of the tensor whose moments are estimated, 100,000 values; neither size is a fan."""

DEVIATIONS = 5.8
"""The tolerance of a moment, in standard errors. A normal variable exceeds it with probability 6.7e-9, so three pairs
of fans and two moments give a false alarm with a probability below 5e-8."""


def drawn(
    initializer: Initializer,
    *shape: int,
    fans: tuple[int, int] = FANS[0],
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    """Return a tensor filled by the initializer, with NaN in elements that it skips."""
    tensor = torch.full(shape, math.nan, dtype=dtype)
    generator = torch.Generator().manual_seed(seed)
    initializer(tensor, fan_in=fans[0], fan_out=fans[1], generator=generator)
    return tensor


def expect_moments(what: str, initializer: Initializer, values: Tensor, fans: tuple[int, int]) -> None:
    """Raise CheckFailed unless the sample mean and standard deviation match the declared ones, within chance."""
    mean, std = initializer.mean(*fans), initializer.std(*fans)
    rounding = 1e-12 * max(1.0, abs(mean))
    centred = values - mean
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
        values = drawn(initializer, ROWS, COLUMNS, fans=fans)
        expect_moments(f"for fan_in {fans[0]} and fan_out {fans[1]}", initializer, values, fans)


@check("initializers", cause="fans inferred from the tensor's shape, which is wrong for convolutions and biases.")
def fans_are_those_given(initializer: Initializer) -> None:
    """The moments follow fan_in and fan_out whatever the tensor's shape, since only the layer knows its fans."""
    fans = FANS[0]
    for shape in ((100_000,), (10, 10_000), (1000, 4, 5, 5)):
        what = f"for a tensor {shape} with fan_in {fans[0]} and fan_out {fans[1]}"
        expect_moments(what, initializer, drawn(initializer, *shape, fans=fans), fans)


@check("initializers", cause="random numbers drawn without generator=, or state kept between calls.")
def same_seed_gives_same_values(initializer: Initializer) -> None:
    """Equal seeds give bit-identical values, whatever was filled before and whatever the global random state.

    Appending a layer must not change the values of another.
    """
    expected = drawn(initializer, 3, 4)
    before = torch.get_rng_state()
    drawn(initializer, 5, seed=1)
    torch.manual_seed(1)
    expect_close("the values after another tensor was filled", drawn(initializer, 3, 4), expected)
    torch.set_rng_state(before)
    drawn(initializer, 3, 4)
    touched = int((torch.get_rng_state() != before).sum())
    expect(not touched, f"the global random state must be unchanged, got {touched} changed bytes.")


@check("initializers", cause="a generator or seed of the initializer's own in place of the generator argument.")
def another_seed_gives_other_values(initializer: Initializer) -> None:
    """Different seeds give different values, unless the initializer is constant, so that ensemble members differ."""
    if initializer.std(*FANS[0]) == 0:
        raise NotApplicable("its standard deviation is 0")
    equal = int((drawn(initializer, 3, 4, seed=0) == drawn(initializer, 3, 4, seed=1)).sum())
    expect(equal < 12, f"the values for seeds 0 and 1 must differ, got {equal} of 12 equal.")


@check("initializers", cause="an index such as tensor.shape[1], or a new tensor filled in place of the given one.")
def every_shape_is_filled(initializer: Initializer) -> None:
    """Tensors of rank 1 to 4 are filled in place, every element, in float32 and float64."""
    for shape in ((1,), (3,), (2, 3), (1, 1), (2, 3, 2), (2, 1, 2, 3)):
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
        expect_close(f"the values of {what}", drawn(copied, 2, 3), drawn(initializer, 2, 3))
