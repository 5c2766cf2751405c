"""The tensor operations that many plugins share, written once for speed."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule.parameter import Parameter


def affine(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Return ``x Wᵀ + b`` per member.

    Shapes: x (M, N, in), weight (M, out, in), bias (M, out) or None, result (M, N, out)
    """
    if x.shape[0] == 1:  # one member: a plain matrix product is faster than a batch of one
        if bias is None:
            return torch.mm(x[0], weight[0].t()).unsqueeze(0)
        return torch.addmm(bias[0], x[0], weight[0].t()).unsqueeze(0)
    if bias is None:
        return torch.bmm(x, weight.mT)
    return torch.baddbmm(bias.unsqueeze(1), x, weight.mT)


def accumulate(weight: Parameter, bias: Parameter | None, x: Tensor, grad_output: Tensor) -> None:
    """Add the gradients of `affine`: ``dW += dyᵀ x`` and ``db += Σₙ dyₙ``.

    Shapes: x (M, N, in), grad_output (M, N, out), weight.grad (M, out, in), bias.grad (M, out)
    """
    if x.shape[0] == 1:
        weight.grad[0].addmm_(grad_output[0].t(), x[0])
    else:
        weight.grad.baddbmm_(grad_output.mT, x)
    if bias is not None:
        bias.grad.add_(grad_output.sum(1))
