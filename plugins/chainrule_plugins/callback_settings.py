"""Checks of the numbers that callbacks are given."""

from __future__ import annotations

import math
import operator
from typing import Any

from chainrule import HyperparameterError
from chainrule.ops import shown


def checked_number(owner: str, name: str, value: Any, *, at_least: float = -math.inf, below: float = math.inf) -> float:
    """Return a finite number between bounds, or raise HyperparameterError in the owner's name."""
    found = value.item() if hasattr(value, "item") and not getattr(value, "ndim", 0) else value
    is_number = isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found)
    if not is_number or not at_least <= found < below:
        bounds = [f"of at least {at_least}"] + ([f"below {below}"] if below < math.inf else [])
        raise HyperparameterError(
            f"{owner}: {name} must be a number {' and '.join(bounds)}, got {shown(value)}. Pass one."
        )
    return float(found)


def checked_count(owner: str, name: str, value: Any, *, at_least: int) -> int:
    """Return an integer from a bound on, or raise HyperparameterError in the owner's name."""
    try:
        found = -1 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        found = -1
    if found < at_least:
        raise HyperparameterError(
            f"{owner}: {name} must be an integer of at least {at_least}, got {shown(value)}. Pass 10, for example."
        )
    return found
