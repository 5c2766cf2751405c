"""Checks on losses: values."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from chainrule.errors import ChainruleError
from chainrule.testing.check import check
from chainrule.testing.compare import (
    expect,
    expect_close,
    expect_error,
    expect_finite,
    expect_no_error,
)
from chainrule.testing.copies import copies_of
from chainrule.testing.losses.trials import (
    REDUCTIONS,
    LossExample,
    denominators,
    every_reduction,
    expect_independent,
    gradient,
    reflected,
    three_members,
    with_reduction,
)
from chainrule.testing.subject import Subject


@check(
    "losses",
    cause="a mean or sum over rows inside the terms; a loss whose terms depend on several rows declares "
    "batch_independent = False.",
)
def terms_are_those_of_their_rows(example: LossExample) -> None:
    """With reduction="none", the terms of each row in a batch are those of that row alone."""
    loss, prediction, target = example
    expect_independent(loss)
    each = with_reduction(loss, "none")
    terms = each(prediction, target)
    alone = [each(prediction[i : i + 1], target[i : i + 1]) for i in range(len(prediction))]
    expect_close("the terms of a batch", terms, torch.cat(alone), tolerance=1e-12, of=prediction)


@check(
    "losses",
    cause="a sum over axis 0, which is the member axis, or one member's target or denominator used for all.",
)
def value_is_per_member(example: LossExample) -> None:
    """The loss of each member equals its loss alone, with a shared target and with one per member; so the denominator.

    For every reduction: with "none" the terms of each member are those of its loss alone.
    """
    predictions, targets = three_members(example)
    for reduction in REDUCTIONS:
        single, several = (with_reduction(example[0], reduction, members=members) for members in (False, True))
        shared, own = several(predictions, targets[0]), several(predictions, targets, per_member=True)
        for what, got, of in (("a shared target", shared, [targets[0]] * 3), ("its own target", own, list(targets))):
            expected = torch.stack([single(p, t) for p, t in zip(predictions, of, strict=True)])
            expect_close(
                f'the loss of each of three members with {what}, reduction="{reduction}",',
                got,
                expected,
                tolerance=1e-12,
            )
    apart = [denominators(example[0], predictions[i : i + 1], targets[i : i + 1]) for i in range(3)]
    got = denominators(example[0], predictions, targets)
    expect_close("the denominator of each of three members", got, torch.cat(apart), tolerance=1e-12)


@check("losses", cause="a forward that divides by the number of rows, or a denominator that is no sum over the rows.")
def mean_and_sum_are_of_the_same_terms(example: LossExample) -> None:
    """The sum is that of the terms, and the mean is it over the denominator; so for a batch in parts and repeated.

    The means of a batch's parts, weighted by their denominators, give its mean, as an evaluation in batches needs;
    repeating the batch keeps the mean and doubles the sum. A loss with batch_independent = False need not do so.
    """
    loss, prediction, target = example
    mean, total, each = (with_reduction(loss, reduction) for reduction in REDUCTIONS)

    def divisor(p: Tensor, t: Tensor) -> Tensor:
        return denominators(loss, p.unsqueeze(0), t.unsqueeze(0))[0].to(once.dtype)

    once = each(prediction, target).sum()
    pairs = {
        "the sum": (total(prediction, target), once),
        f"the mean of {len(prediction)} rows": (mean(prediction, target), once / divisor(prediction, target)),
    }
    if loss.batch_independent:
        twice = prediction.repeat(2, *[1] * (prediction.dim() - 1)), target.repeat(2, *[1] * (target.dim() - 1))
        parts = [(prediction[i : i + 2], target[i : i + 2]) for i in range(0, len(prediction), 2)]
        weighted = [mean(*part) * divisor(*part) for part in parts]
        pairs |= {
            "the mean of a repeated batch": (mean(*twice), once / divisor(prediction, target)),
            "the sum of a repeated batch": (total(*twice), 2 * once),
            "the sum of the denominators of its parts": (
                torch.stack([divisor(*part) for part in parts]).sum(),
                divisor(prediction, target),
            ),
            "the sum of its parts' means times their denominators": (torch.stack(weighted).sum(), once),
        }
    for what, (got, expected) in pairs.items():
        expect_close(what, got, expected, tolerance=1e-12, of=prediction)


@check(
    "losses",
    cause="an overridden mean() that does not switch to eval mode and replaces the tensors saved for backward.",
)
def recorded_mean_changes_nothing(example: LossExample) -> None:
    """mean() returns the mean under every reduction, and does not affect a pending backward."""
    for reduction, (loss, prediction, target) in every_reduction(example):
        expected_mean = with_reduction(loss, "mean")(prediction, target)
        expected = gradient(copy.deepcopy(loss), prediction, target)
        loss(prediction, target)
        recorded = loss.mean(reflected(loss, prediction * 0.5), target)
        what = f'dL/dprediction for reduction="{reduction}", with mean() called before backward,'
        expect_close(what, loss.backward(), expected, tolerance=1e-12, of=prediction)
        again = loss.mean(prediction, target)
        expect_close(f'mean() for reduction="{reduction}"', again, expected_mean, tolerance=1e-12, of=prediction)
        expect(recorded.dim() == 0, f"mean() of a single prediction must have shape (), got {tuple(recorded.shape)}.")


@check(
    "losses",
    once=True,
    cause="a wrong sign, an offset, or log-probabilities that can exceed 0; such a loss declares non_negative = False.",
)
def value_is_non_negative_unless_declared(subject: Subject) -> None:
    """The loss is at least 0 up to rounding, also at the target, unless it declares non_negative = False.

    Then an example falls below 0 at least once.
    """
    examples = subject.make_examples()
    lowest = torch.tensor([value for example in examples for value in _values(example)]).min().item()  # NaN if any is
    if all(loss.non_negative for loss, *_ in examples):
        expect(lowest >= -1e-12, f"the loss must be at least 0, got {lowest:g}.")
    else:
        expect(lowest < 0, f"a loss with non_negative = False must fall below 0, got a minimum of {lowest:g}.")


def _values(example: LossExample) -> list[float]:
    loss, prediction, target = example
    predictions = [prediction * scale for scale in (1.0, 0.1, 10.0, -1.0, -10.0)]
    if target.shape == prediction.shape:
        predictions.append(target.to(prediction))  # a perfect prediction, where distances are lowest
    return [
        loss(reflected(loss, tried[i : i + 1]), target[i : i + 1]).min().item()
        for tried in predictions
        for i in range(len(target))
    ]


@check(
    "losses", cause="exp of large logits or log of a softmax; subtract the largest logit first, as log_softmax does."
)
def extreme_predictions_stay_finite(example: LossExample) -> None:
    """Loss and gradient are finite in float32 for predictions of 0 and ±1e4, since one NaN ruins a training run.

    In place of those outside of its domain, the loss takes the nearest one inside.
    """
    loss, prediction, target = example
    target = target.float() if target.dtype == torch.float64 else target
    sign = prediction.float().sign()
    for what, extreme in (
        ("0", 0 * sign),
        ("1e4", 0 * sign + 1e4),
        ("-1e4", 0 * sign - 1e4),
        ("±1e4", 1e4 * sign),
        ("∓1e4", -1e4 * sign),
    ):
        expect_finite(f"the loss for predictions of {what}", loss(extreme.clamp(*loss.domain()), target))
        expect_finite(f"dL/dprediction for predictions of {what}", loss.backward())


@check("losses", cause="torch.where, masked_fill or a comparison, which take NaN for a small number.")
def diverged_member_has_no_loss(example: LossExample) -> None:
    """A row of NaN in a member's prediction gives it the loss NaN, and leaves the others' as they were.

    A run that diverged would otherwise rank as the best. A row that the loss ignores, as by its target, need not show.
    """
    loss = with_reduction(example[0], "mean", members=True)
    predictions, targets = three_members(example)
    before = loss(predictions, targets, per_member=True)
    for row in range(predictions.shape[1]):
        changed, diverged = predictions.clone(), predictions.clone()
        changed[1, row] = reflected(loss, 1.5 - 2 * changed[1, row])
        diverged[1, row] = torch.nan
        other, got = (loss(each, targets, per_member=True) for each in (changed, diverged))
        hidden = not (got[1].isnan() or torch.equal(other[1], before[1]))
        expect(not hidden, f"the loss of a member with NaN in row {row} must be NaN, got {got[1].item():g}.")
        expect_close("the loss beside a member with NaN", got[::2], before[::2], tolerance=1e-12)


@check("losses", cause="a tensor created without dtype=, or a conversion that is not reversed.")
def loss_dtype_is_kept(example: LossExample) -> None:
    """For float32 arguments, loss and gradient are float32 and agree with float64 to 1e-4."""
    loss, prediction, target = example
    narrow = target.float() if target.is_floating_point() else target
    value, expected = loss(prediction.float(), narrow), loss(prediction, target).float()
    expect_close("the loss in float32", value, expected, tolerance=1e-4, of=prediction)
    got, expected = gradient(loss, prediction.float(), narrow), gradient(loss, prediction, target).float()
    expect_close("dL/dprediction in float32", got, expected, tolerance=1e-4, of=prediction)


@check("losses", cause="view() in place of reshape(), or an in-place operation on an expanded tensor.")
def loss_takes_any_memory_layout(example: LossExample) -> None:
    """Strided, transposed and expanded tensors give the same loss and gradient as contiguous copies."""
    loss, prediction, target = example

    def layouts(tensor: Tensor) -> list[Tensor]:
        strided = torch.stack([tensor, tensor], -1)[..., 0]
        return [strided, tensor.transpose(0, -1).contiguous().transpose(0, -1), tensor[:1].expand(tensor.shape)]

    for what, p, t in zip(("strided", "transposed", "expanded"), layouts(prediction), layouts(target), strict=True):
        plain = p.contiguous(), t.contiguous()
        with expect_no_error(f"the loss of {what} tensors, of shape {tuple(p.shape)} and strides {p.stride()},"):
            value, got = loss(p, t), gradient(loss, p, t)
        expect_close(f"the loss of {what} tensors", value, loss(*plain), tolerance=1e-12)
        expect_close(f"dL/dprediction of {what} tensors", got, gradient(loss, *plain), tolerance=1e-12)


@check("losses", cause="a lambda as an attribute, or an argument not stored under its own name.")
def loss_copies_are_equal(example: LossExample) -> None:
    """A deepcopy, a pickled copy and the evaluated repr have the same settings and give the same values."""
    loss, prediction, target = example
    copies = copies_of(loss)
    for what, copied in copies.items():
        expect(repr(copied) == repr(loss), f"{what} must be {loss!r}, got {copied!r}.")
        expect_close(f"the loss of {what}", copied(prediction, target), loss(prediction, target), of=prediction)


@check("losses", cause="a mean over 0 terms, which is NaN; the base class rejects it.")
def empty_batch_has_a_sum_but_no_mean(example: LossExample) -> None:
    """The sum over an empty batch is 0; the mean raises ChainruleError rather than returning NaN."""
    loss, prediction, target = example
    total = with_reduction(loss, "sum")(prediction[:0], target[:0])
    expect_close("the sum over an empty batch", total, torch.zeros_like(total))
    with expect_error("the mean over an empty batch", ChainruleError):
        with_reduction(loss, "mean")(prediction[:0], target[:0])
