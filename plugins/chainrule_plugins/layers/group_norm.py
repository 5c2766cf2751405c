"""Group normalization."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule import Module, Shape, ShapeError
from chainrule.ops import expect_flag, expect_number, expect_size
from chainrule_plugins.channels import merged, split
from chainrule_plugins.normalization import channel_parameters, expect_channels


class GroupNorm(Module):
    """Standardize groups of an example's channels, each group together, then scale and shift each channel.

    Forward:  ``y = w x̂ + b`` with ``x̂ = (x − μ) / σ`` and ``σ = √(var + eps)``, by mean μ and variance over the group
    Backward: ``dx = (g − mean(g) − x̂ mean(g x̂)) / σ`` with ``g = w dy``; ``dw = Σ dy x̂``, ``db = Σ dy`` per channel
    Shapes:   x and y (M, N, num_channels, …), w and b (M, num_channels)
    Source:   Wu & He 2018, "Group normalization", arXiv:1803.08494
    Raises:   ShapeError if num_groups does not divide num_channels, or x has another number of channels.
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True
    ) -> None:
        self.num_groups = expect_size(self, "num_groups", num_groups)
        self.num_channels = expect_size(self, "num_channels", num_channels)
        if self.num_channels % self.num_groups:
            raise ShapeError(
                f"group_norm: num_groups must divide num_channels, {self.num_channels}, got {self.num_groups}. "
                "Groups are of one size."
            )
        self.eps = expect_number(self, "eps", eps, at_least=0)
        self.affine = expect_flag(self, "affine", affine)
        self.weight, self.bias = channel_parameters(
            self.num_channels, affine=self.affine, bias=expect_flag(self, "bias", bias)
        )

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_channels(self, input_shape, self.num_channels)
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:3] != (self.num_channels,):  # after a module without a rule
            self.output_shape(x.shape[2:])
        members, columns = len(x), merged(x).contiguous()
        weight, bias = (None if each is None else each.data.flatten() for each in (self.weight, self.bias))
        rows, channels, positions = self._sizes(columns)
        y, mean, inverse = torch.native_group_norm(
            columns, weight, bias, rows, channels, positions, members * self.num_groups, self.eps
        )
        self.save_for_backward(columns, mean, inverse)
        return split(y, members)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        columns, mean, inverse = self.saved_tensors()
        members, grad = len(grad_output), merged(grad_output).contiguous()
        weight = None if self.weight is None else self.weight.data.flatten()
        wanted = [self.needs_input_grad, self.weight is not None, self.bias is not None]
        dx, dw, db = torch.ops.aten.native_group_norm_backward(
            grad, columns, mean, inverse, weight, *self._sizes(columns), members * self.num_groups, wanted
        )
        if self.weight is not None:
            self.weight.grad += dw.view_as(self.weight.grad)
        if self.bias is not None:
            self.bias.grad += db.view_as(self.bias.grad)
        return split(dx, members) if self.needs_input_grad else None

    @staticmethod
    def _sizes(columns: Tensor) -> tuple[int, int, int]:
        """Return N, M C and the number of positions of columns (N, M C, …)."""
        return columns.shape[0], columns.shape[1], math.prod(columns.shape[2:])

    @classmethod
    def examples(cls) -> list[tuple[GroupNorm, tuple[int, ...]]]:
        return [(cls(2, 4), (4,)), (cls(3, 6, 1e-3, bias=False), (6, 2, 3)), (cls(1, 2, affine=False), (2, 3))]
