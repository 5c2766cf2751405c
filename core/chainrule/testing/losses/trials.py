"""Trials of losses: an example under every reduction, for one member and for several."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from chainrule.base.loss import Loss
from chainrule.testing.check import NotApplicable
from chainrule.testing.compare import expect_numbers

LossExample = tuple[Loss, Tensor, Tensor]
"""A loss, a sample prediction (N, …) and a matching target."""

REDUCTIONS = ("mean", "sum", "none")


def with_reduction(loss: Loss, reduction: str, *, members: bool = False) -> Loss:
    """Return a copy with this reduction, for a single prediction or an ensemble's."""
    other = copy.deepcopy(loss)
    other.reduction, other.members = reduction, members
    return other


def every_reduction(example: LossExample) -> Iterator[tuple[str, LossExample]]:
    """Yield each reduction with the example under it, first for one row, then for all."""
    loss, prediction, target = example
    expect_defined(example)
    for rows in (1, len(prediction)):
        for reduction in REDUCTIONS:
            yield reduction, (with_reduction(loss, reduction), prediction[:rows].clone(), target[:rows].clone())


def three_members(example: LossExample) -> tuple[Tensor, Tensor]:
    """Return three different predictions (3, N, …), and for each its own order or choice of target rows."""
    loss, prediction, target = example
    predictions = torch.stack([prediction, -0.5 * prediction, 2 * prediction.flip(0)])
    predictions = reflected(loss, predictions)
    for each in predictions:
        expect_defined((loss, each, target))
    return predictions, torch.stack([target, target.flip(0), target[torch.arange(len(target)) // 2]])


def expect_defined(example: LossExample) -> None:
    """Raise NoNumbers if a term of the loss is NaN."""
    loss, prediction, target = example
    low, high = loss.domain()
    expect_numbers(
        f"every term for predictions from {low:g} to {high:g}",
        with_reduction(loss, "none")(prediction, target),
        of=[prediction, target],
        remedy="Give predictions and targets at which it is defined in examples(), and their bounds in domain() and "
        "target_domain().",
    )


def reflected(loss: Loss, prediction: Tensor) -> Tensor:
    """Return the prediction with values outside of the loss's domain reflected at its ends until they are inside."""
    low, high = loss.domain()
    if math.isinf(low) and math.isinf(high):
        return prediction
    if math.isinf(high):
        return low + (prediction - low).abs()
    if math.isinf(low):
        return high - (high - prediction).abs()
    width = high - low
    return high - ((prediction - low).remainder(2 * width) - width).abs()


def gradient(loss: Loss, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
    """Return dL/dprediction, of terms that of their sum."""
    loss(prediction, target, per_member=per_member)
    return loss.backward()


def denominators(loss: Loss, predictions: Tensor, targets: Tensor) -> Tensor:
    """Return what the mean of each member, (M, N, …), divides by, in float64 (M,)."""
    found = torch.as_tensor(loss.denominator(predictions, targets), dtype=torch.float64)
    return found.expand(len(predictions)) if found.dim() == 0 else found


def expect_independent(loss: Loss) -> None:
    """Raise NotApplicable if the terms of the loss depend on several rows."""
    if not loss.batch_independent:
        raise NotApplicable("its terms depend on several rows, as declared")
