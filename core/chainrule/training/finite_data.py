"""Checks of all of a fit's data, before a step: its numbers are finite, and its targets such as the loss takes."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.base.loss import Loss
from chainrule.base.protocols import LossLike
from chainrule.errors import ShapeError
from chainrule.network import Network


@torch.no_grad()
def expect_finite_loss(name: str, network: Network, loss: LossLike, *, x: Tensor, y: Tensor, per_member: bool) -> None:
    """Raise ShapeError at the first row with NaN or ±∞ unless its loss is finite, as where a loss masks targets.

    One pass over x and y; the network sees such a row alone. Targets are checked as in `expect_targets`.
    """
    caller, _, split = name.partition(": ")
    for part, tensor in (("x", x), ("y", y)):
        if _is_finite(tensor):
            continue
        rows = (~tensor.isfinite()).reshape(*tensor.shape[: 2 if per_member else 1], -1).any(-1)
        row = int((rows.any(0) if per_member else rows).nonzero()[0])
        inputs, target = (network.with_member_axis(one, per_member=per_member)[:, row : row + 1] for one in (x, y))
        value = _loss_in_eval_mode(network, loss, inputs, target)
        if not value.isfinite().all():
            several = tensor[:, row] if per_member else tensor[row]
            found = several[~several.isfinite()][0].item()
            raise ShapeError(
                f"{caller}: {part} of {split} must be finite, got {found} in row {row}, the first of "
                f"{int(rows.sum())}, where the loss is not finite either. Leave such rows out, or fill them in."
            )
    expect_targets(network, loss, x, y, per_member=per_member)


@torch.no_grad()
def expect_targets(network: Network, loss: LossLike, x: Tensor, y: Tensor, *, per_member: bool) -> None:
    """Raise ShapeError unless the loss takes all targets, of which its own check sees the first batch alone."""
    if not isinstance(loss, Loss) or not y.numel():
        return
    try:
        loss.check_target(network.with_member_axis(y, per_member=per_member))
    except ShapeError:
        first = (network.with_member_axis(one, per_member=per_member)[:, :1] for one in (x, y))
        _loss_in_eval_mode(network, loss, *first)  # which says more of targets in another shape
        raise
    except (IndexError, RuntimeError):  # of another shape, which the first batch explains
        return


def _is_finite(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or tensor.element_size() == 1:  # float8, of which torch neither adds nor looks
        return True
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def _loss_in_eval_mode(network: Network, loss: LossLike, x: Tensor, y: Tensor) -> Tensor:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        return loss.mean(network.module.forward(x), y, per_member=True)
    finally:
        for module, mode in modes:
            module.training = mode
