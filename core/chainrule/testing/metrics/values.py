"""Checks on metrics: values over batches and members, and what is refused."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.errors import ShapeError
from chainrule.testing.check import NotApplicable, check
from chainrule.testing.compare import expect, expect_close, expect_error, expect_finite
from chainrule.testing.docstrings import expect_sections
from chainrule.testing.metrics.trials import MetricExample, three_members, value_over
from chainrule.testing.subject import Subject

INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)


@check("metrics", once=True, cause="a missing section, or a metric without a docstring of its own.")
def metric_documents_its_value(subject: Subject) -> None:
    """The docstring begins with a sentence and has the sections Value, with the formula, and Shapes."""
    expect_sections(subject.component, ("Value:", "Shapes:"))


@check("metrics", cause="a sum over all axes, the members' included, or one_number that is not as declared.")
def each_member_has_a_finite_value(example: MetricExample) -> None:
    """The value of three members has three entries, (3,), or (3, …) with one_number = False, all finite."""
    value = value_over(example[0], *three_members(example))
    expect_finite("the value", value)


@check(
    "metrics", cause="a mean of means, whose batches have different weights, or a root or ratio taken batch by batch."
)
def batches_do_not_change_the_value(example: MetricExample) -> None:
    """The value over batches of any sizes, a single row among them, is that over all rows at once, to 1e-9."""
    predictions, targets = three_members(example)
    rows = predictions.shape[1]
    whole = value_over(example[0], predictions, targets)
    for sizes in ([1, rows - 1], [rows - 1, 1], [1] * rows):
        got = value_over(example[0], predictions, targets, sizes)
        expect_close(f"the value over batches of {sizes} rows", got, whole, tolerance=1e-9)


@check("metrics", cause="a mean, a maximum or an order taken over the members' axis too.")
def members_do_not_mix(example: MetricExample) -> None:
    """The value of each of three members is that of the member alone, to 1e-12, since an ensemble is many networks."""
    predictions, targets = three_members(example)
    together = value_over(example[0], predictions, targets)
    for i in range(3):
        alone = value_over(example[0], predictions[i : i + 1], targets[i : i + 1])
        expect_close(f"the value of member {i}", together[i : i + 1], alone, tolerance=1e-12)


@check("metrics", cause="an average over the order of the rows, such as a difference of neighbours.")
def order_of_rows_does_not_change_the_value(example: MetricExample) -> None:
    """Rows in another order, each with its target, give the same value, to 1e-12, since every epoch has its own."""
    predictions, targets = three_members(example)
    got = value_over(example[0], predictions.flip(1), targets.flip(1))
    expect_close("the value of the rows in reverse", got, value_over(example[0], predictions, targets), tolerance=1e-12)


@check("metrics", cause="a sum in the prediction's dtype; write .sum(1, dtype=torch.float64).")
def sums_are_exact(example: MetricExample) -> None:
    """For predictions in float32, sums are numbers, integers or float64, since float32 counts to 2²⁴ only."""
    metric = example[0]
    if metric.joins_rows:
        raise NotApplicable("it joins rows, and adds nothing up")
    predictions, targets = (t.float() if t.is_floating_point() else t for t in three_members(example))
    for name, value in metric.sums(predictions, targets).items():
        fits = not isinstance(value, Tensor) or value.dtype in (torch.float64, *INTEGERS)
        expect(fits, f'"{name}" of sums must have dtype torch.float64 or integers, got {getattr(value, "dtype", "")}.')


@check("metrics", cause="argmax or a comparison, which take NaN for a class; fill in NaN where a row has one.")
def diverged_member_has_no_value(example: MetricExample) -> None:
    """A NaN in one row of a member's prediction gives it NaN throughout, and leaves the others as they were."""
    predictions, targets = three_members(example)
    before = value_over(example[0], predictions, targets)
    for row in (0, predictions.shape[1] - 1):
        diverged = predictions.clone()
        diverged[1, row] = torch.nan
        for sizes in (None, [1] * predictions.shape[1]):
            got = value_over(example[0], diverged, targets, sizes)
            numbers = got[1][~got[1].isnan()].tolist()
            expect(not numbers, f"the value of a member with NaN in row {row} must be NaN, got {numbers[:1]}.")
            expect_close("the value beside a member with NaN", got[::2], before[::2], tolerance=1e-12)


@check("metrics", cause="no comparison of shapes, so that torch broadcasts target and prediction.")
def wrong_metric_shapes_raise(example: MetricExample) -> None:
    """A target with too few rows, too many axes, or a shape that would broadcast raises ShapeError."""
    metric, prediction, target = example
    wrong = {"a single row": target[:1], "one row too few": target[:-1], "one axis too many": target.unsqueeze(-1)}
    if target.dim() > 1:
        wrong["one axis too few"] = target[:, 0]
        if target.shape[1] > 1:
            wrong["a single column"] = target[:, :1]
    for what, other in wrong.items():
        with expect_error(f"a target with {what}, {tuple(other.shape)} for {tuple(prediction.shape)},", ShapeError):
            metric.sums(prediction.unsqueeze(0), other.unsqueeze(0))


@check("metrics", cause="an in-place operation on prediction or target; start from a new tensor.")
def metric_arguments_are_not_changed(example: MetricExample) -> None:
    """Prediction and target are as before, since other metrics look at them too."""
    given = three_members(example)
    before = [tensor.clone() for tensor in given]
    value_over(example[0], *given)
    for what, got, expected in zip(("the prediction", "the target"), given, before, strict=True):
        expect_close(f"{what} afterwards", got, expected)
