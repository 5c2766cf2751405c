"""Assertions whose messages give the expected value, the actual one and where they differ most."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from chainrule.errors import ChainruleError, one_line
from chainrule.testing.check import CheckFailed, NoNumbers, NotApplicable

FEW_PLACES = 10
"""The units in the last place from which on a difference is no mere rounding."""

TO_DIFFERENCES, TO_AUTOGRAD = 1e-6, 1e-11
"""How far a gradient may be from central differences, which have about six correct digits, and from autograd's."""

WIDER = (4, 30)
"""Factors by which inputs near 1 come to where bounded and piecewise functions have their other pieces."""


def expect(holds: bool, message: str) -> None:
    """Raise CheckFailed with the message unless the condition holds."""
    if not holds:
        raise CheckFailed(message)


def expect_close(what: str, got: Tensor, expected: Tensor, *, tolerance: float = 0.0, of: Tensor | None = None) -> None:
    """Raise CheckFailed unless two tensors have the same shape, dtype and device and agree within a tolerance.

    NaN agrees with nothing, NaN included: two wrong computations give it alike.

    Args:
        what: the quantity, as the message names it.
        got: the component's value.
        expected: the correct value.
        tolerance: the largest difference, absolute for expected values below 1, relative above; 0 requires equality.
        of: the input behind the value, shown in the message if it has at most 24 elements.
    """
    expect_same_form(what, got, expected)
    if got.dtype == torch.bool:  # of which torch has no differences
        got, expected = got.int(), expected.int()
    allowed = tolerance * expected.abs().clamp(min=1.0)
    same = (got == expected) | ((got - expected).abs() <= allowed)
    if same.all():
        return
    difference = (got - expected).abs().nan_to_num(nan=torch.inf).masked_fill(same, -1.0)
    worst = tuple(int(i) for i in torch.unravel_index(difference.argmax(), got.shape))
    where = f" at {list(worst)}" if worst else ""
    given = f" for input {of.tolist()}" if of is not None and of.numel() <= 24 else ""
    shown, actual = _told_apart(expected[worst], got[worst])
    raise CheckFailed(
        f"{what} must be {shown}{where}, got {actual}{given} "
        f"({int((~same).sum())} of {same.numel()} elements differ, tolerance {tolerance:g}"
        f"{_last_places(expected[worst], got[worst])})."
    )


def expect_same_form(what: str, got: Tensor, expected: Tensor) -> None:
    """Raise CheckFailed unless two tensors have the same shape, dtype and device."""
    if got.shape != expected.shape:
        raise CheckFailed(f"{what} must have shape {tuple(expected.shape)}, got {tuple(got.shape)}.")
    if got.dtype != expected.dtype:
        raise CheckFailed(f"{what} must have dtype {expected.dtype}, got {got.dtype}.")
    if got.device != expected.device:
        raise CheckFailed(f"{what} must be on {expected.device}, got a tensor on {got.device}.")


def relative_error(got: Tensor, expected: Tensor) -> Tensor:
    """Return the difference of each element, absolute for expected values below 1, relative above; NaN for NaN."""
    error = (got - expected).abs() / expected.abs().clamp(min=1.0)
    return error.masked_fill(got == expected, 0.0)


def _told_apart(one: Tensor, other: Tensor) -> tuple[str, str]:
    """Return two numbers with twelve digits, or all seventeen if they are equal in twelve."""
    twelve, all_of_them = ((f"{one.item():.{n}g}", f"{other.item():.{n}g}") for n in (12, 17))
    return twelve if twelve[0] != twelve[1] else all_of_them


def _last_places(one: Tensor, other: Tensor) -> str:
    """Return by how many units in the last place two floating-point numbers differ, if by few."""
    if not one.is_floating_point():
        return ""
    largest = max(abs(one.item()), abs(other.item()), torch.finfo(one.dtype).tiny)
    unit = torch.finfo(one.dtype).eps * 2.0 ** (math.frexp(largest)[1] - 1) if math.isfinite(largest) else math.nan
    places = abs(one.item() - other.item()) / unit
    if not 0 < places < FEW_PLACES:
        return ""
    return f", by {max(1, round(places))} unit{'s' * (round(places) > 1)} in the last place of {one.dtype}"


def expect_different(what: str, got: Tensor, other: Tensor, message: str) -> None:
    """Raise CheckFailed unless the values of a tensor are numbers and differ from another's of its form somewhere."""
    expect_same_form(what, got, other)
    expect_finite(what, got)
    expect(not torch.equal(got, other), message)


def expect_finite(what: str, got: Tensor) -> None:
    """Raise CheckFailed if any value is NaN or infinite."""
    if not got.isfinite().all():
        raise CheckFailed(f"{what} must be finite, got {got[~got.isfinite()][0].item()}.")


def expect_numbers(what: str, got: Tensor, *, of: Iterable[Tensor], remedy: str) -> None:
    """Raise NoNumbers, with the remedy, if a value is NaN though none of the tensors behind it has one."""
    if got.isnan().any() and not any(tensor.isnan().any() for tensor in of):
        raise NoNumbers(f"{what} must be a number, got {int(got.isnan().sum())} NaN in {got.numel()}. {remedy}")


@contextmanager
def expect_error(what: str, *errors: type[Exception]) -> Iterator[None]:
    """Raise CheckFailed unless the block raises one of these errors, with a one-line message.

    Args:
        what: the case, as the message names it.
        errors: the accepted types; ChainruleError if none are given.
    """
    errors = errors or (ChainruleError,)
    names = " or ".join(error.__name__ for error in errors)
    try:
        yield
    except errors as error:
        expect("\n" not in str(error), f"{what} must raise an error with a one-line message, got {str(error)!r}.")
    except Exception as error:
        raise CheckFailed(f"{what} must raise {names}, got {one_line(error).rstrip('.')}.") from error
    else:
        raise CheckFailed(f"{what} must raise {names}, got no error.")


@contextmanager
def expect_no_error(what: str) -> Iterator[None]:
    """Raise CheckFailed, naming the case, if the block raises anything."""
    try:
        yield
    except (CheckFailed, NotApplicable):
        raise
    except Exception as error:
        raise CheckFailed(f"{what} must work, got {one_line(error).rstrip('.')}.") from error


def central_difference(function: Callable[[], Tensor], at: Tensor, step: float = 1e-6) -> Tensor:
    """Return the derivative of a scalar function with respect to each element of a tensor, by central differences.

    Args:
        function: takes no arguments and reads `at`.
        at: of any shape and float64, changed in place and restored.
        step: added to and subtracted from each element.
    """
    gradient = torch.zeros_like(at)
    values, slopes = at.view(-1), gradient.view(-1)
    for i in range(values.numel()):
        before = values[i].item()
        values[i] = before + step
        above = function()
        values[i] = before - step
        below = function()
        values[i] = before
        slopes[i] = (above - below) / (2 * step)
    return gradient
