"""What pooling layers share: windows by axis, the shapes that they give, and sequences as images of one row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from chainrule import Module, Shape, ShapeError, label
from chainrule.ops import expect_flag, expect_shape, expect_size
from chainrule_plugins.sizes import by_axis, sizes_by_axis


class Pooling(Module):
    """A layer of the last axes of x (M, N, C, …), one for sequences or two for images, channel by channel."""

    axes: ClassVar[int] = 2
    """The number of axes behind the channels."""

    def example_shape(self, input_shape: Shape) -> Shape:
        """Return the shape (C, …) of one input, None where it is not known; raise ShapeError if it has other axes."""
        unknown = (None,) * (1 + self.axes)
        expect_shape(self, input_shape, unknown)
        return unknown if input_shape[:1] == (...,) else input_shape

    def images(self, x: Tensor) -> Tensor:
        """Return x as images (M N, C, H, W), which for sequences have one row."""
        if x.dim() != 3 + self.axes:  # after a module without a rule
            self.output_shape(x.shape[2:])
        return x.flatten(0, 1) if self.axes == 2 else x.flatten(0, 1).unsqueeze(2)

    def by_member(self, images: Tensor, members: int) -> Tensor:
        """Return images (M N, C, H, W) as (M, N, C, …)."""
        images = images if self.axes == 2 else images.squeeze(2)
        if members == 1:
            return images.unsqueeze(0)
        return images.view(members, len(images) // members, *images.shape[1:])

    def of_image(self, sizes: Sequence[int], row: int = 1) -> list[int]:
        """Return sizes by axis as those of an image; a sequence's get the one of a row in front."""
        return [row] * (2 - self.axes) + list(sizes)


class SlidingWindow(Pooling):
    """A pooling layer that reduces each window of its images to one value."""

    def __init__(
        self,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] | None,
        padding: int | Sequence[int],
        dilation: int | Sequence[int],
        ceil_mode: bool,
    ) -> None:
        self.kernel_size = sizes_by_axis(self, "kernel_size", kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else sizes_by_axis(self, "stride", stride, self.axes)
        self.dilation = sizes_by_axis(self, "dilation", dilation, self.axes)
        self.padding = sizes_by_axis(self, "padding", padding, self.axes, at_least=0)
        if any(2 * size > window for size, window in zip(self.padding, self.kernel_size, strict=True)):
            raise ShapeError(
                f"{label(self)}: padding must be at most half of kernel_size={self.kernel_size}, got {self.padding}. "
                "Pass a smaller padding, or a larger window."
            )
        self.ceil_mode = expect_flag(self, "ceil_mode", ceil_mode)

    def output_shape(self, input_shape: Shape) -> Shape:
        channels, *sizes = self.example_shape(input_shape)
        return (channels, *(self._windows(axis, size) for axis, size in enumerate(sizes)))

    def _windows(self, axis: int, size: object) -> int | None:
        """Return the number of windows along an axis; the last one starts in the image or the padding before it."""
        if not isinstance(size, int):
            return None
        stride, padding, dilation = self.stride[axis], self.padding[axis], self.dilation[axis]
        extent = dilation * (self.kernel_size[axis] - 1) + 1
        over = stride - 1 if self.ceil_mode else 0  # what a last window may lack
        first = max((start % dilation for start in range(-padding, 0, stride)), default=0)  # behind the padding
        least = max(1 + first, extent - 2 * padding - over)
        if size < least:
            raise ShapeError(
                f"{label(self)}: each axis of x must have at least {least} entries for this window, got {size}. "
                "Pass larger inputs, or declare a smaller window."
            )
        count = (size + 2 * padding - extent + over) // stride + 1
        starts_behind = (count - 1) * stride >= size + padding
        return count - 1 if starts_behind else count


class AdaptivePooling(Pooling):
    """A pooling layer whose windows divide images into output_size parts along each axis, which may overlap by one."""

    def __init__(self, output_size: int | Sequence[int | None] | None) -> None:
        sizes = by_axis(self, "output_size", output_size, self.axes)
        self.output_size = tuple(None if size is None else expect_size(self, "output_size", size) for size in sizes)

    def output_shape(self, input_shape: Shape) -> Shape:
        channels, *sizes = self.example_shape(input_shape)
        return (channels, *(own or size for own, size in zip(self.output_size, sizes, strict=True)))

    def sizes(self, x: Tensor) -> list[int]:
        """Return the output's sizes as an image, where None keeps that of x."""
        return self.of_image([own or size for own, size in zip(self.output_size, x.shape[3:], strict=True)])
