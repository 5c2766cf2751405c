"""The mean of windows of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule.ops import expect_flag, expect_size
from chainrule_plugins.pooling import SlidingWindow


class AvgPool2d(SlidingWindow):
    """Reduce each window of an image to its mean, channel by channel.

    Forward:  ``y[p] = Σ_k x[stride p + k − padding] / d[p]`` over k in the window, with d[p] its number of entries,
              with padding or without, or divisor_override
    Backward: ``dx[i] = Σ dy[p] / d[p]`` over the windows p that hold i
    Shapes:   x (M, N, C, H, W), y (M, N, C, H', W')
    Source:   LeCun et al. 1989, "Handwritten digit recognition with a back-propagation network"
    Raises:   ShapeError if x is not (N, C, H, W) or has no whole window, or padding is above half of kernel_size.
    """

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None = None,
        padding: int | Sequence[int] = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = expect_flag(self, "count_include_pad", count_include_pad)
        self.divisor_override = (
            None if divisor_override is None else expect_size(self, "divisor_override", divisor_override)
        )

    def forward(self, x: Tensor) -> Tensor:
        images = self.images(x)
        self.save_for_backward(images)
        y: Tensor = torch.ops.aten.avg_pool2d(images, *self._window())
        return self.by_member(y, len(x))

    def backward(self, grad_output: Tensor) -> Tensor:
        (images,) = self.saved_tensors()
        grad, window = self.images(grad_output), self._window()
        if self.ceil_mode and self.count_include_pad and self.divisor_override is None:
            # torch.compile counts entries behind the padding, which a last window may overhang.
            grad, window = grad / self._counts(images, grad), (*window[:-1], 1)
        dx: Tensor = torch.ops.aten.avg_pool2d_backward(grad, images, *window)
        return self.by_member(dx, len(grad_output))

    def _window(self) -> tuple[Any, ...]:
        sizes = [self.of_image(sizes) for sizes in (self.kernel_size, self.stride)]
        counts = (self.ceil_mode, self.count_include_pad, self.divisor_override)
        return (*sizes, self.of_image(self.padding, 0), *counts)

    def _counts(self, images: Tensor, grad: Tensor) -> Tensor:
        """Return the number of entries of each window (H', W'), with padding."""
        sizes = zip(images.shape[2:], grad.shape[2:], *self._window()[:3], strict=True)
        rows, columns = (
            (size + 2 * padding - stride * torch.arange(windows, device=grad.device)).clamp(max=kernel)
            for size, windows, kernel, stride, padding in sizes
        )
        counts: Tensor = rows.unsqueeze(1) * columns
        return counts

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        return [
            (cls(2), (2, 2, 4)),
            (cls((2, 3), stride=(1, 2), padding=(1, 0), ceil_mode=True, count_include_pad=False), (1, 2, 4)),
            (cls(2, 1, divisor_override=3), (1, 2, 3)),
            (cls(2, ceil_mode=True), (1, 3, 3)),
        ]
