"""The parent of transposed convolutions."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from chainrule import HyperparameterError, Shape, ShapeError, label
from chainrule.ops import expect_shape
from chainrule_plugins.channels import merged, split
from chainrule_plugins.convolution import SlidingKernel
from chainrule_plugins.sizes import sizes_by_axis


class TransposedConvolution(SlidingKernel):
    """The parent of transposed convolutions, along as many axes as a subclass says.

    The fans of the kernel are exchanged, as in torch, so that first values have its bound. Each is that of one group,
    while torch's fan_out is that of all.
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups, bias)
        self.padding = sizes_by_axis(self, "padding", padding, self.axes, at_least=0)
        self.output_padding = sizes_by_axis(self, "output_padding", output_padding, self.axes, at_least=0)
        for extra, hop, step in zip(self.output_padding, self.stride, self.dilation, strict=True):
            if extra >= max(hop, step):
                raise HyperparameterError(
                    f"{label(self)}: output_padding must be below stride={hop} or dilation={step}, got {extra}. "
                    "Pass a smaller output_padding, or a larger stride."
                )

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (self.in_channels, *[None] * self.axes))
        sizes = (*[None] * self.axes, *input_shape)[-self.axes :]
        return (self.out_channels, *(self._output_size(axis, size) for axis, size in enumerate(sizes)))

    def _output_size(self, axis: int, size: object) -> int | None:
        if not isinstance(size, int):
            return None
        hop = self.stride[axis]
        of_one = self.dilation[axis] * (self.kernel_size[axis] - 1) + 1  # the size that one entry is spread to
        of_one += self.output_padding[axis] - 2 * self.padding[axis]
        least = max(1, 1 - (of_one - 1) // hop)
        if size < least:
            raise ShapeError(
                f"{label(self)}: each axis behind the channels must have at least {least} entries for this padding, "
                f"got {size}. Pass a larger x, or declare a smaller padding."
            )
        return (size - 1) * hop + of_one

    def forward(self, x: Tensor) -> Tensor:
        x = merged(x)
        self.save_for_backward(x)
        return self.convolve(x, self.padding, self.output_padding)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        (x,) = self.saved_tensors()
        dx = self.convolve_backward(x, grad_output, self.padding, self.output_padding)
        return None if dx is None else split(dx, len(grad_output))
