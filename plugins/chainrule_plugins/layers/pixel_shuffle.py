"""The layer that makes pixels of channels."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module, Shape, ShapeError
from chainrule.ops import expect_shape, expect_size
from chainrule_plugins import pixels


class PixelShuffle(Module):
    """Enlarge images by turning each r² = upscale_factor² channels into one with r times the rows and columns.

    Forward:  ``y[c, r i + k, r j + l] = x[c r² + k r + l, i, j]``, 0 ≤ k, l < r
    Backward: ``dx[c r² + k r + l, i, j] = dy[c, r i + k, r j + l]``
    Shapes:   x (M, N, C r², H, W), y (M, N, C, r H, r W)
    Source:   Shi et al. 2016, arXiv:1609.05158, §3.2; the order of channels is that of PyTorch
    Raises:   ShapeError if x is not (N, C, H, W), or r² does not divide the number of channels.
    """

    gives = "same"

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = expect_size(self, "upscale_factor", upscale_factor)

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (None, None, None))
        if input_shape[:1] == (...,):
            return (None, None, None)
        (channels, *sides), area = input_shape, self.upscale_factor**2
        if isinstance(channels, int) and channels % area:
            raise ShapeError(
                f"pixel_shuffle: x must have channels divisible by upscale_factor²={area}, got {channels}. "
                "Change one of them."
            )
        larger = (side * self.upscale_factor if isinstance(side, int) else None for side in sides)
        return (channels // area if isinstance(channels, int) else None, *larger)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        return pixels.from_channels(x, self.upscale_factor)

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return pixels.to_channels(grad_output, self.upscale_factor)

    @classmethod
    def examples(cls) -> list[tuple[PixelShuffle, tuple[int, ...]]]:
        return [(cls(2), (4, 2, 1)), (cls(2), (8, 1, 2)), (cls(3), (9, 1, 2))]
