"""Checks on losses: batches of many rows, and predictions that equal their targets."""

from __future__ import annotations

import torch

from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect, expect_close, expect_finite
from chainrule.testing.losses.trials import LossExample, expect_independent, gradient, reflected, with_reduction

ROWS, PART = 70, 7
"""The rows of a large batch, more than examples have, and of its parts."""

STEP = 1e-6


@check("losses", cause="a special case for the number of rows, such as a sum in parts that leaves some out.")
def loss_of_many_rows_is_that_of_its_parts(example: LossExample) -> None:
    """With reduction="none", terms and gradients of 70 rows are those of its parts of 7 rows."""
    loss, prediction, target = example
    expect_independent(loss)
    index = torch.arange(ROWS) % len(prediction)
    scale = torch.linspace(0.5, 1.0, ROWS, dtype=prediction.dtype).view(-1, *[1] * (prediction.dim() - 1))
    p, t, each = reflected(loss, prediction[index] * scale), target[index], with_reduction(loss, "none")
    parts = [slice(i, i + PART) for i in range(0, ROWS, PART)]
    terms, gradients = (torch.cat([of(each, p[i], t[i]) for i in parts]) for of in (type(each).__call__, gradient))
    expect_close(f"the terms of {ROWS} rows", each(p, t), terms, tolerance=1e-12)
    expect_close(f"dL/dprediction of {ROWS} rows", gradient(each, p, t), gradients, tolerance=1e-12)


@check("losses", cause="a division by the error or its root, or a case for equality that has another sign or size.")
def gradient_at_the_target_is_between_the_slopes(example: LossExample) -> None:
    """Where the prediction equals the target, each derivative is between the slopes on both sides, to 1e-4.

    In float32, too, loss and derivatives are finite there. A perfect prediction is common for a rounded target, and its
    NaN would ruin a run.
    """
    loss, prediction, target = example
    if (target.shape, target.dtype) != (prediction.shape, prediction.dtype):
        raise NotApplicable("its target has another form than the prediction")
    if not target.equal(target.clamp(*loss.domain())):
        raise NotApplicable("its target is outside of its domain")
    total, at = with_reduction(loss, "sum"), target.clone()
    for exact in (target.float(), target):
        where = f"where the prediction equals the target, in {exact.dtype}"
        expect_finite(f"the loss {where}", total(exact.clone(), exact))
        expect_finite(f"dL/dprediction {where}", total.backward())
    here = total(at, target).item()
    got = gradient(total, at, target)
    for i, derivative in enumerate(got.flatten().tolist()):
        values = []
        for moved in (-STEP, STEP):
            beside = at.clone()
            beside.view(-1)[i] += moved
            beside.clamp_(*loss.domain())
            values.append((total(beside, target).item() - here) / moved)
        low, high = min(values) - 1e-4, max(values) + 1e-4
        expect(
            not derivative < low and not derivative > high,
            f"dL/dprediction of element {i}, which equals its target {at.view(-1)[i]:.6g}, must be from {low:.6g} "
            f"to {high:.6g}, got {derivative:.6g}.",
        )
