"""The layer that makes channels of pixels."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module, Shape, ShapeError
from chainrule.ops import expect_shape, expect_size
from chainrule_plugins import pixels


class PixelUnshuffle(Module):
    """Shrink images by turning each square of r² = downscale_factor² pixels into r² channels.

    Forward:  ``y[c r² + k r + l, i, j] = x[c, r i + k, r j + l]``, 0 ≤ k, l < r
    Backward: ``dx[c, r i + k, r j + l] = dy[c r² + k r + l, i, j]``
    Shapes:   x (M, N, C, r H, r W), y (M, N, C r², H, W)
    Source:   Shi et al. 2016, arXiv:1609.05158, §3.2; the order of channels is that of PyTorch
    Raises:   ShapeError if x is not (N, C, H, W), or r does not divide height and width.
    """

    gives = "same"

    def __init__(self, downscale_factor: int) -> None:
        self.downscale_factor = expect_size(self, "downscale_factor", downscale_factor)

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (None, None, None))
        if input_shape[:1] == (...,):
            return (None, None, None)
        channels, *sides = input_shape
        for side in sides:
            if isinstance(side, int) and side % self.downscale_factor:
                raise ShapeError(
                    f"pixel_unshuffle: x must have height and width divisible by downscale_factor="
                    f"{self.downscale_factor}, got {side}. Change one of them."
                )
        smaller = (side // self.downscale_factor if isinstance(side, int) else None for side in sides)
        return (channels * self.downscale_factor**2 if isinstance(channels, int) else None, *smaller)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        return pixels.to_channels(x, self.downscale_factor)

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return pixels.from_channels(grad_output, self.downscale_factor)

    @classmethod
    def examples(cls) -> list[tuple[PixelUnshuffle, tuple[int, ...]]]:
        return [(cls(2), (1, 4, 2)), (cls(2), (2, 2, 4)), (cls(3), (1, 3, 6))]
