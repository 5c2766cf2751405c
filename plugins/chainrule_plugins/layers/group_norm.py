"""Group normalization."""

from __future__ import annotations

import math

from torch import Tensor

from chainrule import Module, Shape, ShapeError
from chainrule.ops import expect_flag, expect_number, expect_size
from chainrule_plugins.normalization import (
    channel_parameters,
    expect_channels,
    scaled,
    scaled_backward,
    standardized,
    standardized_backward,
)


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
        groups = self._groups(x)
        normalized, mean, inverse = standardized(groups, self.eps)
        self.save_for_backward(groups, normalized, mean, inverse)
        return scaled(normalized.view(x.shape), self.weight, self.bias)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        groups, normalized, mean, inverse = self.saved_tensors()
        grad = scaled_backward(grad_output, normalized.view(grad_output.shape), self.weight, self.bias)
        if not self.needs_input_grad:
            return None
        return standardized_backward(self._groups(grad), groups, mean, inverse).view(grad_output.shape)

    def _groups(self, x: Tensor) -> Tensor:
        """Return x (M, N, C, …) by groups, (M, N, num_groups, entries)."""
        return x.reshape(*x.shape[:2], self.num_groups, math.prod(x.shape[2:]) // self.num_groups)

    @classmethod
    def examples(cls) -> list[tuple[GroupNorm, tuple[int, ...]]]:
        return [(cls(2, 4), (4,)), (cls(3, 6, 1e-3, bias=False), (6, 2, 3)), (cls(1, 2, affine=False), (2, 3))]
