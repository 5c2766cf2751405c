"""Checks on losses: invalid targets."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.errors import ShapeError
from chainrule.testing.check import CheckFailed, NotApplicable, check
from chainrule.testing.compare import expect_close, expect_error
from chainrule.testing.losses.trials import LossExample, gradient


@check("losses", cause="no comparison of shapes, so that torch broadcasts target and prediction.")
def wrong_target_shapes_raise(example: LossExample) -> None:
    """A target with too few rows, too many axes, or a shape that would broadcast raises ShapeError.

    A target (N, 1) broadcast against a prediction (N,) gives N² terms, and training silently continues.
    """
    loss, prediction, target = example
    wrong = {"a single row": target[:1], "one row too few": target[:-1], "one axis too many": target.unsqueeze(-1)}
    if target.dim() > 1:
        wrong["one axis too few"] = target[:, 0]
        wrong["one column too many"] = torch.cat([target, target[:, :1]], 1)
        if target.shape[1] > 1:
            wrong["a single column"] = target[:, :1]
    for what, other in wrong.items():
        with expect_error(f"a target with {what}, {tuple(other.shape)} for {tuple(prediction.shape)},", ShapeError):
            loss(prediction, other)


@check("losses", cause="no comparison of dtypes, so that torch fails later with an error of its own.")
def wrong_target_dtypes_raise(example: LossExample) -> None:
    """A target of another dtype raises ShapeError, or gives the gradient of the target converted to the right dtype."""
    loss, prediction, target = example
    for dtype in (torch.float16, torch.float32, torch.int64, torch.int32, torch.bool, torch.complex128):
        other = target.to(dtype)
        if dtype == target.dtype:
            continue
        try:
            got = gradient(loss, prediction, other)
        except ShapeError:
            continue
        except Exception as error:
            name, first_line = type(error).__name__, (str(error).splitlines() or [""])[0].rstrip(".")
            raise CheckFailed(f"a target of {dtype} must raise ShapeError, got {name}: {first_line}.") from error
        meant = _converted(other, target.dtype)
        expected = gradient(loss, prediction, meant)
        expect_close(f"dL/dprediction for a target of {dtype}, accepted silently,", got, expected, tolerance=1e-9)


def _converted(target: Tensor, dtype: torch.dtype) -> Tensor:
    return (target.real if target.is_complex() else target).to(dtype)


@check("losses", cause="an index of -1 or C passed to gather, or one that silently wraps around.")
def wrong_class_indices_raise(example: LossExample) -> None:
    """A class index below 0 or above the last class raises ShapeError, in one row or in all."""
    loss, prediction, target = example
    axis = prediction.dim() - 1 if loss.class_axis is None else loss.class_axis - 1
    shape = [*prediction.shape[:axis], *prediction.shape[axis + 1 :]]
    if target.is_floating_point() or target.dtype == torch.bool or list(target.shape) != shape:
        raise NotApplicable("its targets are not class indices")
    classes = prediction.shape[axis]
    for index in (-1, classes, classes + 100):
        for rows in (1, len(target)):
            wrong = target.clone()
            wrong[:rows] = index
            with expect_error(f"class index {index} of {classes} classes in {rows} rows", ShapeError):
                loss(prediction, wrong)
