"""Batch normalization."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Shape, ShapeError
from chainrule.ops import expect_number
from chainrule_plugins.channels import merged, split
from chainrule_plugins.normalization import expect_channels
from chainrule_plugins.running_statistics import TracksStatistics


class BatchNorm(TracksStatistics):
    """Standardize each channel over the batch and all positions, then scale and shift it.

    Forward:  ``y = w x̂ + b`` with ``x̂ = (x − μ) / σ`` and ``σ = √(var + eps)``, by the channel's mean μ and variance in
              the batch; in eval mode by running ones, of which train mode makes ``r ← (1 − momentum) r + momentum v``
              from the batch's v, its variance by n − 1; with momentum=None r is the mean of all v so far
    Backward: ``dx = (g − mean(g) − x̂ mean(g x̂)) / σ`` with ``g = w dy``; ``dw = Σ dy x̂``, ``db = Σ dy`` per channel
    Shapes:   x and y (M, N, num_features, …); w, b, running_mean and running_var (M, num_features)
    Source:   Ioffe & Szegedy 2015, "Batch normalization", arXiv:1502.03167
    Raises:   ShapeError if x has another number of channels, or fewer than 2 values for each.
    """

    batch_independent = False

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, affine, track_running_stats, bias=bias)
        self.momentum = None if momentum is None else expect_number(self, "momentum", momentum, at_least=0, at_most=1)

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_channels(self, input_shape, self.num_features)
        return input_shape

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[2:3] != (self.num_features,):  # after a module without a rule
            self.output_shape(x.shape[2:])
        members, columns, statistics = len(x), merged(x), self.statistics
        weight, bias = (None if each is None else each.data.flatten() for each in (self.weight, self.bias))
        if statistics and not self.training:
            self.save_for_backward()
            mean, var = (each.flatten() for each in statistics)
            y, _, _ = torch.native_batch_norm(columns, weight, bias, mean, var, False, 0.0, self.eps)
            return split(y, members)
        count = columns[:, 0].numel()
        if count < 2:
            raise ShapeError(
                f"batch_norm: a batch must have at least 2 values for each channel, got {count}. Pass more rows; if "
                "only the last batch of an epoch is too small, change batch_size or drop a row."
            )
        batch = columns.new_zeros(2, columns.shape[1])  # becomes mean and variance, since their momentum is 1.0
        y, mean, inverse = torch.ops.aten._native_batch_norm_legit(
            columns, weight, bias, batch[0], batch[1], True, 1.0, self.eps
        )
        self.save_for_backward(columns, mean, inverse)
        if self.num_batches_tracked is not None:
            batches = self.num_batches_tracked.data.add_(1)
            rate = 1 / batches.to(x.dtype).unsqueeze(1) if self.momentum is None else self.momentum
            for running, values in zip(statistics, batch, strict=True):
                running.lerp_(values.view_as(running), rate)
        return split(y, members)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        columns, mean, inverse = self.saved_tensors()
        weight = None if self.weight is None else self.weight.data.flatten()
        wanted = [self.needs_input_grad, self.weight is not None, self.bias is not None]
        dx, dw, db = torch.ops.aten.native_batch_norm_backward(
            merged(grad_output), columns, weight, None, None, mean, inverse, True, self.eps, wanted
        )
        if self.weight is not None:
            self.weight.grad += dw.view_as(self.weight.grad)
        if self.bias is not None:
            self.bias.grad += db.view_as(self.bias.grad)
        return split(dx, len(grad_output)) if self.needs_input_grad else None

    @classmethod
    def examples(cls) -> list[tuple[BatchNorm, tuple[int, ...]]]:
        return [
            (cls(3), (3,)),
            (cls(2, 1e-3, None, bias=False), (2, 3)),
            (cls(2, affine=False, track_running_stats=False), (2, 2, 1)),
        ]
