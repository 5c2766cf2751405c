"""Comparisons whose failure shows the numbers: expected, got, and where they differ most."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.testing.check import CheckFailed, NotApplicable


def expect(holds: bool, message: str) -> None:
    """Raise CheckFailed with the message unless the condition holds."""
    if not holds:
        raise CheckFailed(message)


def expect_close(what: str, got: Tensor, expected: Tensor, *, tolerance: float = 0.0, of: Tensor | None = None) -> None:
    """Raise CheckFailed unless both tensors agree within tolerance, absolute and relative; 0 means bit for bit.

    Args:
        what: the quantity, as the message names it.
        got: what the component gave.
        expected: what is right.
        tolerance: the largest difference, for values below 1 absolute, above relative.
        of: the input that leads to it, shown in the message if it is small.
    """
    if got.shape != expected.shape:
        raise CheckFailed(f"{what} must have shape {tuple(expected.shape)}, got {tuple(got.shape)}.")
    if got.dtype != expected.dtype:
        raise CheckFailed(f"{what} must have dtype {expected.dtype}, got {got.dtype}.")
    allowed = tolerance * expected.abs().clamp(min=1.0)
    same = (got == expected) | ((got - expected).abs() <= allowed) | (got.isnan() & expected.isnan())
    if same.all():
        return
    difference = (got - expected).abs().nan_to_num(nan=torch.inf).masked_fill(same, -1.0)
    worst = tuple(int(i) for i in torch.unravel_index(difference.argmax(), got.shape))
    where = f" at {list(worst)}" if worst else ""
    given = f" for input {of.tolist()}" if of is not None and of.numel() <= 24 else ""
    raise CheckFailed(
        f"{what} must be {expected[worst].item():.12g}{where}, got {got[worst].item():.12g}{given} "
        f"({int((~same).sum())} of {same.numel()} elements differ, tolerance {tolerance:g})."
    )


def expect_finite(what: str, got: Tensor) -> None:
    """Raise CheckFailed if a value is NaN or infinite."""
    if not got.isfinite().all():
        raise CheckFailed(f"{what} must be finite, got {got[~got.isfinite()][0].item()}.")


@contextmanager
def expect_error(what: str, *errors: type[Exception]) -> Iterator[None]:
    """Raise CheckFailed unless the block raises one of these errors, by default ChainruleError, in one line."""
    errors = errors or (ChainruleError,)
    names = " or ".join(error.__name__ for error in errors)
    try:
        yield
    except errors as error:
        expect("\n" not in str(error), f"{what} must raise a message of one line, got {str(error)!r}.")
    except Exception as error:
        raise CheckFailed(f"{what} must raise {names}, got {type(error).__name__}: {error}.") from error
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
        shown = " ".join(str(error).split())
        raise CheckFailed(f"{what} must work, got {type(error).__name__}: {shown}.") from error


def central_difference(function: Callable[[], Tensor], at: Tensor, step: float = 1e-6) -> Tensor:
    """Return the derivative of the scalar function with respect to each element of `at`, which it reads.

    Shapes: at any, float64, changed in place and restored; result as at
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
