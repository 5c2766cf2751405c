"""Which variant of a rule closes the gap between its trajectory and another's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from torch import Tensor

from chainrule import Optimizer
from chainrule_torch.comparison.trajectory import Parting, by, parting, walk
from chainrule_torch.comparison.variants import Variant, pairs, variants

FEW_STEPS = 4
"""The steps after the first differing one by which a variant is judged before it walks all of them."""


@dataclass(frozen=True)
class Explanation:
    """What the variants of a rule leave of a gap.

    Attributes:
        closing: the names of those that leave nothing above the tolerance, each with the largest difference left.
        nearest: of the others, the name of the nearest, with what it leaves; None if none leaves less than half.
        tried: their number.
    """

    closing: Mapping[str, float]
    nearest: tuple[str, float] | None
    tried: int


def explained_by(
    rule: Optimizer,
    theirs: Tensor,
    found: Parting,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    tolerance: float,
    their_decay: float,
) -> Explanation:
    """Try every variant of the rule against the other's trajectory, and every two if none closes the gap."""
    single = variants(rule, their_decay)
    closing: dict[str, float] = {}
    left: dict[str, float] = {}
    for some in (single, list(pairs(single))):
        closing, more = _tried(some, rule, theirs, found, shapes, tolerance)
        left |= more
        if closing:
            break
    nearer = {name: value for name, value in left.items() if value < found.largest / 2}
    nearest = min(nearer.items(), key=lambda item: item[1]) if nearer else None
    return Explanation(closing, nearest, len(left) + len(closing))


def _tried(
    some: Iterable[Variant],
    rule: Optimizer,
    theirs: Tensor,
    found: Parting,
    shapes: Mapping[str, tuple[int, ...]],
    tolerance: float,
) -> tuple[dict[str, float], dict[str, float]]:
    """Return what is left by those that close the gap, and by the others that walk all steps."""
    closing: dict[str, float] = {}
    left: dict[str, float] = {}
    steps = len(theirs)
    early = min(steps, (found.first or 1) + FEW_STEPS)
    before = float(found.differences[:early].max())
    for variant in some:
        try:
            start = by(variant.of(rule))
            short = parting(walk(start, shapes, early), theirs[:early], shapes, tolerance)
            if short.largest >= before:
                left[variant.name] = float("inf")
                continue
            whole = parting(walk(start, shapes, steps), theirs, shapes, tolerance)
        except Exception:  # noqa: BLE001 - a rule may not stand the change, in any way
            left[variant.name] = float("inf")
            continue
        (left if whole.first else closing)[variant.name] = whole.largest
    return closing, left
