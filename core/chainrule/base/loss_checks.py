"""What a loss may be called with, and what its methods must return; looked at for new shapes and after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import torch
from torch import Tensor

from chainrule.base.ensemble_outputs import is_of_single
from chainrule.base.input_tensors import expect_dense
from chainrule.errors import ChainruleError, ContractError, ShapeError, label

if TYPE_CHECKING:
    from chainrule.base.loss import Loss


def refuse_members(loss: Loss, prediction: Tensor, per_member: bool) -> NoReturn:
    """Raise ShapeError for a loss without members=True that is called as one with it."""
    if per_member:
        rule = "per_member must be False for a single model, got True"
    else:
        rule = f"prediction must be that of a single network, got an ensemble's, of shape {tuple(prediction.shape)}"
    raise ShapeError(f"{label(loss)}: {rule}. Make the loss as {label(loss)}(members=True).")


def check_rows(loss: Loss, prediction: Tensor, target: Tensor, per_member: bool) -> None:
    """Raise ShapeError unless the prediction (M, N, …) has floating dtype, and the target's first axes are its own.

    With per_member=True, the target has been passed as (M, N, …).
    """
    are_groups = per_member and prediction.dim() > 2  # of rows, as by members
    if loss.members and is_of_single(prediction) and not are_groups:
        raise ShapeError(
            f"{label(loss)}: prediction must be that of an ensemble, got a single network's, of shape "
            f"{tuple(prediction.shape)}. Make the loss as {label(loss)}()."
        )
    rule, got = "", ""
    if prediction.dim() < 2:
        rule, got = "have rows, (N, …)", "()"
    elif not prediction.is_floating_point():
        rule, got = "have a floating dtype", str(prediction.dtype)
    if rule:
        raise ShapeError(f"{label(loss)}: prediction must {rule}, got {got}. Pass a network's output.")
    if prediction.shape[:2] != target.shape[:2]:
        seen, passed = prediction.shape[not loss.members :], target.shape[not per_member :]
        if not loss.members:
            fix = f"A layer keeps the rows of x; predictions (M, N, …) of an ensemble need {label(loss)}(members=True)."
        elif passed[:2] == seen[:2]:
            fix = f"A target (M, N, …) needs per_member=True, a prediction (N, …) {label(loss)}()."
        else:
            fix = f"Pass a target {'(M, N, …)' if per_member else '(N, …) that all members share'}."
        raise ShapeError(
            f"{label(loss)}: prediction and target must have the same rows, got {tuple(seen)} and {tuple(passed)}. "
            f"{fix}"
        )


def check_tensors(loss: Loss, prediction: Tensor, target: Tensor, error: Exception) -> None:
    """Raise ShapeError if what torch refused are tensors of these layouts, devices or dtypes."""
    expect_dense(loss, "prediction", prediction, prediction.device)
    expect_dense(loss, "target", target, prediction.device)
    if not prediction.is_floating_point():
        raise ShapeError(
            f"{label(loss)}: prediction must have a floating dtype, got {prediction.dtype}. Pass a network's output."
        ) from error


def check_untouched(loss: Loss, before: tuple[object, object], now: tuple[object, object]) -> None:
    """Raise ContractError if the `content` of prediction and target shows that `forward` changed one in place."""
    if now != before:
        part = "prediction" if now[0] != before[0] else "target"
        raise ContractError(
            f"{label(loss)}: forward must leave prediction and target as they are, got the {part} changed in place. "
            "Write operations without the underscore, or change a clone()."
        )


def check_terms(loss: Loss, prediction: Tensor, terms: Tensor) -> None:
    """Raise ShapeError unless `forward` returned terms (M, N, …), whose axes are the prediction's first ones."""
    if not isinstance(terms, Tensor):
        raise ContractError(
            f"{label(loss)}: forward must return a tensor of terms (M, N, …), got a {type(terms).__name__}. Return it."
        )
    shape, axis = prediction.shape, loss.class_axis
    wanted = shape[: terms.dim()] if axis is None else torch.Size([*shape[:axis], *shape[axis + 1 :]])
    fits = terms.shape == wanted if loss.batch_independent else terms.shape[:1] == shape[:1]
    if terms.dim() < 2 or not fits:
        raise ShapeError(
            f"{label(loss)}: forward must return terms (M, N, …), a shape that the prediction's begins with, "
            f"got {tuple(terms.shape)} for {tuple(shape)}. Leave the sum over the terms to the core."
        )


def check_denominator(loss: Loss, prediction: Tensor, denominator: float | Tensor) -> None:
    """Raise ShapeError unless `denominator` returned a number other than 0, or a tensor (M,)."""
    if isinstance(denominator, Tensor):
        fits, got = denominator.shape == prediction.shape[:1], f"a tensor {tuple(denominator.shape)}"
    else:
        fits, got = bool(denominator), repr(denominator)
    if not fits:
        raise ShapeError(
            f"{label(loss)}: denominator must return a number other than 0 or a tensor (M,) = ({len(prediction)},), "
            f"got {got}. Sum over the rows of each member, as with .sum(1)."
        )


def check_gradient(loss: Loss, grad: Tensor, predicted: torch.Size | None) -> None:
    """Raise ContractError unless `gradient` returned a tensor of the prediction's shape."""
    if predicted is not None:
        got = tuple(grad.shape) if isinstance(grad, Tensor) else f"a {type(grad).__name__}"
        raise ContractError(
            f"{label(loss)}: gradient must return a tensor of the prediction's shape {tuple(predicted)}, got {got}. "
            "Return the gradient of the sum of the terms."
        )


def check_grad_output(loss: Loss, grad_output: Tensor, returned: torch.Size) -> None:
    """Raise ShapeError unless dL/dloss has the loss's shape; ChainruleError where its terms take no weights."""
    if not isinstance(grad_output, Tensor) or grad_output.shape != returned:
        got = tuple(grad_output.shape) if isinstance(grad_output, Tensor) else repr(grad_output)
        raise ShapeError(
            f"{label(loss)}: grad_output must have the loss's shape {tuple(returned)}, got {got}. "
            "Pass dL/dloss of what the call returned."
        )
    if loss.reduction == "none" and not loss.batch_independent:
        raise ChainruleError(
            f"{label(loss)}: backward takes no weights of terms that depend on several rows, got grad_output "
            f"{tuple(grad_output.shape)}. Weigh them in a loss of your own."
        )
