"""Powers of a schedule's factor."""

from __future__ import annotations

import math

from torch import Tensor


def power(base: float | Tensor, exponent: int) -> float | Tensor:
    """Return ``base ** exponent``, infinite where it overflows, as a tensor's is and Python's is not."""
    try:
        return base**exponent
    except OverflowError:
        return math.inf
