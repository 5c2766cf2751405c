"""Means that make images of a given size."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from chainrule_plugins.pooling import AdaptivePooling


class AdaptiveAvgPool2d(AdaptivePooling):
    """Reduce images of any size to output_size, by the mean of each part of them; None keeps the size of x.

    Forward:  ``y[p] = mean x[i]`` over i from ⌊p in / out⌋ up to, but not including, ⌈(p + 1) in / out⌉
    Backward: ``dx[i] = Σ dy[p] / n[p]`` over the parts p that hold i, of n[p] entries
    Shapes:   x (M, N, C, H, W), y (M, N, C, *output_size)
    Source:   He, Zhang, Ren & Sun 2014, "Spatial pyramid pooling in deep convolutional networks", arXiv:1406.4729
    Raises:   ShapeError if x is not (N, C, H, W).
    """

    gives = "same"

    def forward(self, x: Tensor) -> Tensor:
        images = self.images(x)
        self.save_for_backward(images)
        y: Tensor = torch.ops.aten._adaptive_avg_pool2d(images, self.sizes(x))
        return self.by_member(y, len(x))

    def backward(self, grad_output: Tensor) -> Tensor:
        (images,) = self.saved_tensors()
        dx: Tensor = torch.ops.aten._adaptive_avg_pool2d_backward(self.images(grad_output), images)
        return self.by_member(dx, len(grad_output))

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        return [(cls(2), (2, 3, 4)), (cls((1, None)), (1, 2, 3)), (cls((3, 2)), (1, 2, 2))]
