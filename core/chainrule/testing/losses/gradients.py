"""Checks on losses: gradients, and what backward depends on."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from chainrule.base.loss import Loss
from chainrule.errors import BackwardError
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import TO_AUTOGRAD, TO_DIFFERENCES, WIDER, central_difference, expect_close, expect_error
from chainrule.testing.losses.trials import (
    REDUCTIONS,
    LossExample,
    every_reduction,
    expect_independent,
    gradient,
    reflected,
    three_members,
    with_reduction,
)


@check("losses", cause="a wrong sign, a missing factor such as 2, or a mean over rows instead of elements.")
def loss_gradient_agrees_with_differences(example: LossExample) -> None:
    """Backward returns the derivative of the loss, of terms that of their sum, with respect to the prediction.

    Central differences agree to 1e-6, for every reduction and for one member and three.
    """
    for reduction, (loss, prediction, target) in every_reduction(example):
        expected = central_difference(lambda: loss(prediction, target).sum(), prediction)  # noqa: B023 - called at once
        got = gradient(loss, prediction, target)
        what = f'dL/dprediction for reduction="{reduction}"'
        expect_close(what, got, expected, tolerance=TO_DIFFERENCES, of=prediction)
    for reduction in REDUCTIONS:
        loss = with_reduction(example[0], reduction, members=True)
        predictions, targets = three_members(example)
        got = gradient(loss, predictions, targets, per_member=True)
        expected = central_difference(
            lambda: loss(predictions, targets, per_member=True).sum(),  # noqa: B023 - called at once
            predictions,
        )
        what = f'dL/dprediction of three members for reduction="{reduction}"'
        expect_close(what, got, expected, tolerance=TO_DIFFERENCES, of=predictions)


@check("losses", cause="a small term missing from gradient, or a computation in lower precision than the prediction's.")
def loss_gradient_agrees_with_autograd(example: LossExample) -> None:
    """Backward agrees with autograd on the same forward to 1e-11, where torch can trace it."""
    for reduction, (loss, prediction, target) in every_reduction(example):
        expected = traced_gradient(loss, prediction, target)
        got = gradient(loss, prediction, target)
        what = f'dL/dprediction for reduction="{reduction}"'
        expect_close(what, got, expected, tolerance=TO_AUTOGRAD, of=prediction)


@check("losses", cause="a branch of forward for larger errors, such as a linear one, that gradient omits.")
def wide_loss_gradient_agrees_with_autograd(example: LossExample) -> None:
    """Backward agrees with autograd to 1e-9 for predictions 4 and 30 times as large, where torch can trace forward.

    Those outside of the domain are reflected at its ends.
    """
    loss, prediction, target = example
    for factor in WIDER:
        wide = reflected(loss, factor * prediction)
        got, expected = gradient(loss, wide, target), traced_gradient(loss, wide, target)
        expect_close(f"dL/dprediction for predictions times {factor}", got, expected, tolerance=1e-9, of=wide)


def traced_gradient(loss: Loss, prediction: Tensor, target: Tensor) -> Tensor:
    """Return autograd's dL/dprediction, of terms that of their sum.

    Raises:
        NotApplicable: if torch cannot trace forward.
    """
    leaf = prediction.clone().requires_grad_()
    with torch.enable_grad():
        try:
            value = copy.deepcopy(loss)(leaf, target)
        except RuntimeError as error:
            raise NotApplicable(f"torch cannot trace forward: {str(error).splitlines()[0]}") from error
        if not value.requires_grad:
            raise NotApplicable("torch cannot trace forward, whose value does not require a gradient")
        value.sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None  # noqa: S101 - backward has just set it
    return leaf.grad


@check(
    "losses",
    cause="terms in another order than the rows of the prediction, or terms that depend on several rows; such a loss "
    "declares batch_independent = False.",
)
def weighted_gradient_agrees_with_differences(example: LossExample) -> None:
    """backward(grad_output) returns the derivative of the loss times grad_output, of terms that of their weighted sum.

    Central differences agree to 1e-6, for every reduction and for one member and three.
    """
    expect_independent(example[0])
    for members in (False, True):
        prediction, target = three_members(example) if members else (example[1].clone(), example[2])
        for reduction in REDUCTIONS:
            loss = with_reduction(example[0], reduction, members=members)
            value = loss(prediction, target, per_member=members)
            weights = torch.linspace(-0.5, 2.0, value.numel(), dtype=value.dtype).view(value.shape)
            got = loss.backward(weights)
            expected = central_difference(
                lambda: (weights * loss(prediction, target, per_member=members)).sum(),  # noqa: B023 - called at once
                prediction,
            )
            what = f'backward(weights) for {3 if members else 1} members, reduction="{reduction}",'
            expect_close(what, got, expected, tolerance=TO_DIFFERENCES, of=prediction)


@check("losses", cause="tensors kept in attributes; save_for_backward releases them after one backward.")
def loss_backward_follows_one_call(example: LossExample) -> None:
    """Backward raises BackwardError without a preceding call, when repeated, and after mean() alone."""
    loss, prediction, target = example
    with expect_error("backward without a call", BackwardError):
        loss.backward()
    gradient(loss, prediction, target)
    with expect_error("a second backward after one call", BackwardError):
        loss.backward()
    loss.mean(prediction, target)
    with expect_error("backward after mean() alone, which saves nothing,", BackwardError):
        loss.backward()


@check("losses", cause="a gradient that is one of the arguments, which the mean scales in place; return a new tensor.")
def loss_arguments_are_not_changed(example: LossExample) -> None:
    """A call and its backward leave prediction and target unchanged."""
    for reduction, (loss, prediction, target) in every_reduction(example):
        before = prediction.clone(), target.clone()
        gradient(loss, prediction, target)
        for what, got, expected in zip(("the prediction", "the target"), (prediction, target), before, strict=True):
            expect_close(f'{what} after backward, reduction="{reduction}",', got, expected)


@check("losses", cause="a tensor kept in an attribute; only save_for_backward detects in-place changes.")
def loss_notices_changes_before_backward(example: LossExample) -> None:
    """Changing prediction or target in place before backward raises BackwardError or leaves the gradient intact."""
    for reduction, (loss, prediction, target) in every_reduction(example):
        expected = gradient(loss, prediction, target)
        for what in ("the prediction", "the target"):
            given = {"the prediction": prediction.clone(), "the target": target.clone()}
            loss(*given.values())
            given[what].zero_()
            try:
                got = loss.backward()
            except BackwardError:
                continue
            when = f'after an undetected in-place change of {what}, reduction="{reduction}",'
            expect_close(f"dL/dprediction {when}", got, expected, tolerance=1e-12, of=prediction)
