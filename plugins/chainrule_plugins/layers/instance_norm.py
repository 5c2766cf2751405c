"""Instance normalization."""

from __future__ import annotations

import math

from torch import Tensor

from chainrule import Shape, ShapeError
from chainrule.ops import expect_number
from chainrule_plugins.normalization import (
    expect_channels,
    scaled,
    scaled_backward,
    standardized,
    standardized_backward,
)
from chainrule_plugins.running_statistics import TracksStatistics


class InstanceNorm(TracksStatistics):
    """Standardize each channel of each example over its positions, then, if affine, scale and shift it.

    Forward:  ``y = w x̂ + b`` with ``x̂ = (x − μ) / σ`` and ``σ = √(var + eps)``, by mean μ and variance over positions;
              with track_running_stats, eval mode takes running ones, of which train mode makes
              ``r ← (1 − momentum) r + momentum v`` from the mean v over the batch, of variances by n − 1
    Backward: ``dx = (g − mean(g) − x̂ mean(g x̂)) / σ`` with ``g = w dy``; ``dw = Σ dy x̂``, ``db = Σ dy`` per channel
    Shapes:   x and y (M, N, num_features, …); w, b, running_mean and running_var (M, num_features)
    Source:   Ulyanov, Vedaldi & Lempitsky 2016, "Instance normalization", arXiv:1607.08022
    Raises:   ShapeError if x has another number of channels, or fewer than 2 positions.

    As in torch, num_batches_tracked stays 0.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, affine, track_running_stats, bias=bias)
        self.momentum = expect_number(self, "momentum", momentum, at_least=0, at_most=1)

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_channels(self, input_shape, self.num_features)
        positions = [size for size in input_shape[1:] if isinstance(size, int)]
        if input_shape[:1] != (...,) and len(positions) == len(input_shape) - 1 and math.prod(positions) < 2:
            raise ShapeError(
                f"instance_norm: x must have at least 2 positions for each channel, got {math.prod(positions)}. "
                "The variance of one value is 0."
            )
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:3] != (self.num_features,) or x.shape[3:].numel() < 2:  # after a module without a rule
            self.output_shape(x.shape[2:])
        rows, statistics = x.flatten(3).contiguous(), self.statistics  # rows (M, N, C, positions)
        if statistics and not self.training:
            self.save_for_backward()
            mean, var = (each[:, None, :, None] for each in statistics)
            return scaled(((rows - mean) / (var + self.eps).sqrt()).view(x.shape), self.weight, self.bias)
        normalized, mean, inverse = standardized(rows, self.eps)
        self.save_for_backward(rows, normalized, mean, inverse)
        if statistics:
            by_n = inverse.square().reciprocal() - self.eps  # rows.var(3) takes ten times as long
            var = by_n * (rows.shape[3] / (rows.shape[3] - 1))
            for running, values in zip(statistics, (mean, var), strict=True):
                running.lerp_(values.squeeze(3).mean(1), self.momentum)
        return scaled(normalized.view(x.shape), self.weight, self.bias)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        rows, normalized, mean, inverse = self.saved_tensors()
        grad = scaled_backward(grad_output, normalized.view(grad_output.shape), self.weight, self.bias)
        if not self.needs_input_grad:
            return None
        return standardized_backward(grad.flatten(3).contiguous(), rows, mean, inverse).view(grad_output.shape)

    @classmethod
    def examples(cls) -> list[tuple[InstanceNorm, tuple[int, ...]]]:
        return [
            (cls(2), (2, 3)),
            (cls(3, 1e-3, affine=True, bias=False), (3, 1, 2)),
            (cls(2, affine=True, track_running_stats=True), (2, 3)),
        ]
