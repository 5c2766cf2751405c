"""Sizes and other settings that are given as one number, or as several."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chainrule import ShapeError, label
from chainrule.ops import expect_size, shown


def repeated(value: object, axes: int) -> tuple[Any, ...]:
    """Return a tuple or list as a tuple, and anything else once for each axis."""
    return tuple(value) if isinstance(value, tuple | list) else (value,) * axes


def each(numbers: Any, check: Callable[[Any], Any]) -> Any:
    """Return one number, or a tuple of several, as the check returns it; None stays None."""
    if isinstance(numbers, tuple | list):
        return tuple(map(check, numbers))
    return None if numbers is None else check(numbers)


def by_axis(owner: object, name: str, value: Any, axes: int) -> tuple[Any, ...]:
    """Return one value for each axis; raise ShapeError, naming the owner, unless it is one value or as many as axes."""
    values = repeated(value, axes)
    if len(values) != axes:
        numbers = f"{axes} numbers" if axes > 1 else "1 number"
        fix = f"Pass one number, or {axes}." if axes > 1 else "Pass one."
        raise ShapeError(f"{label(owner)}: {name} must have {numbers}, got {shown(value)}. {fix}")
    return values


def sizes_by_axis(
    owner: object, name: str, value: int | Sequence[int], axes: int, *, at_least: int = 1
) -> tuple[int, ...]:
    """Return one size for each axis, as `by_axis` does; each is an integer of at least that."""
    return tuple(expect_size(owner, name, size, at_least=at_least) for size in by_axis(owner, name, value, axes))


def expect_sizes(owner: object, name: str, sizes: int | Sequence[int]) -> tuple[int, ...]:
    """Return one or several sizes as a tuple; raise ShapeError, naming the owner, unless each is an integer above 0."""
    if not isinstance(sizes, Sequence):
        return (expect_size(owner, name, sizes),)
    if not sizes:
        raise ShapeError(f"{label(owner)}: {name} must have at least one size, got {shown(sizes)}. Pass 3, or (3, 4).")
    return tuple(expect_size(owner, name, size) for size in sizes)
