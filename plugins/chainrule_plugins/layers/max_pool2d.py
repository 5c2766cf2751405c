"""The maximum of windows of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule_plugins.pooling import SlidingWindow


class MaxPool2d(SlidingWindow):
    """Reduce each window of an image to its maximum, channel by channel.

    Forward:  ``y[p] = max_k x[stride p + dilation k − padding]`` over k in the window; padding never is the maximum
    Backward: ``dx[i] = Σ dy[p]`` over the windows p whose maximum is at i, the first of several
    Shapes:   x (M, N, C, H, W), y (M, N, C, H', W')
    Source:   Ranzato, Huang, Boureau & LeCun 2007, "Unsupervised learning of invariant feature hierarchies"
    Raises:   ShapeError if x is not (N, C, H, W), has no whole window or one of padding alone, or padding is above half
              of kernel_size.
    """

    gives = "same"

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)

    def forward(self, x: Tensor) -> Tensor:
        images = self.images(x)
        y, index = torch.ops.aten.max_pool2d_with_indices(images, *self._window())
        self.save_for_backward(images, index)
        return self.by_member(y, len(x))

    def backward(self, grad_output: Tensor) -> Tensor:
        images, index = self.saved_tensors()
        grad = self.images(grad_output)
        dx = torch.ops.aten.max_pool2d_with_indices_backward(grad, images, *self._window(), index)
        return self.by_member(dx, len(grad_output))

    def _window(self) -> tuple[Any, ...]:
        sizes = [self.of_image(sizes) for sizes in (self.kernel_size, self.stride)]
        return (*sizes, self.of_image(self.padding, 0), self.of_image(self.dilation), self.ceil_mode)

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        return [
            (cls(2), (2, 2, 4)),
            (cls((2, 3), stride=(1, 2), padding=(1, 0), ceil_mode=True), (1, 2, 4)),
            (cls(2, dilation=2), (1, 3, 4)),
        ]
