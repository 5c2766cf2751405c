"""What convolutions share: their parameters, the product with a kernel per member, and padding."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from chainrule import HyperparameterError, Module, Parameter, Shape, ShapeError, label
from chainrule.initializers import uniform
from chainrule.ops import expect_flag, expect_shape, expect_size, expect_word, shown
from chainrule_plugins.channels import merged, split
from chainrule_plugins.padding import Sides, pad, pad_backward, padded_sizes
from chainrule_plugins.sizes import sizes_by_axis

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class SlidingKernel(Module):
    """The parent of layers that slide a kernel along all axes behind the channels, per group of channels.

    A subclass says along how many axes, and whether the kernel is transposed: spread from each entry of x.
    """

    axes: ClassVar[int]
    transposed: ClassVar[bool] = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int],
        dilation: int | Sequence[int],
        groups: int,
        bias: bool,
    ) -> None:
        self.in_channels = expect_size(self, "in_channels", in_channels)
        self.out_channels = expect_size(self, "out_channels", out_channels)
        self.groups = expect_size(self, "groups", groups)
        for name, size in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if size % self.groups:
                raise ShapeError(
                    f"{label(self)}: {name} must be divisible by groups={groups}, got {size}. Change one of them."
                )
        self.kernel_size = sizes_by_axis(self, "kernel_size", kernel_size, self.axes)
        self.stride = sizes_by_axis(self, "stride", stride, self.axes)
        self.dilation = sizes_by_axis(self, "dilation", dilation, self.axes)
        area = math.prod(self.kernel_size)
        channels = (self.in_channels, self.out_channels) if self.transposed else (self.out_channels, self.in_channels)
        fans = {"fan_in": channels[1] // self.groups * area, "fan_out": channels[0] // self.groups * area}
        self.weight = Parameter(channels[0], channels[1] // self.groups, *self.kernel_size, init=uniform(), **fans)
        has_bias = expect_flag(self, "bias", bias)
        self.bias = Parameter(self.out_channels, init=uniform(), **fans) if has_bias else None

    def convolve(self, x: Tensor, padding: Sequence[int], output_padding: Sequence[int] = (0,)) -> Tensor:
        """Return the product of x (N, M C, …) with the kernel, and the bias added, as (M, N, out, …)."""
        members = len(self.weight.data)
        weight, bias = self.weight.data.flatten(0, 1), None if self.bias is None else self.bias.data.flatten()
        groups = members * self.groups
        y = torch.convolution(
            x, weight, bias, self.stride, padding, self.dilation, self.transposed, output_padding, groups
        )
        return split(y, members)

    def convolve_backward(
        self, x: Tensor, grad_output: Tensor, padding: Sequence[int], output_padding: Sequence[int] = (0,)
    ) -> Tensor | None:
        """Accumulate the parameters' gradients, and return that of x (N, M C, …), or None if it is not needed."""
        members, weight = len(grad_output), self.weight.data.flatten(0, 1)
        grads = torch.ops.aten.convolution_backward(
            merged(grad_output), x, weight, [members * self.out_channels], self.stride, padding, self.dilation,
            self.transposed, output_padding, members * self.groups,
            [self.needs_input_grad, True, self.bias is not None],
        )  # fmt: skip
        self.weight.grad.add_(grads[1].view_as(self.weight.grad))
        if self.bias is not None:
            self.bias.grad.add_(grads[2].view_as(self.bias.grad))
        dx: Tensor | None = grads[0]
        return dx


class Convolution(SlidingKernel):
    """The parent of convolutions, along as many axes as a subclass says."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] | str = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation, groups, bias)
        self.sides = paddings(self, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if isinstance(padding, str) else tuple(before for before, _ in self.sides)
        self.padding_mode = expect_word(self, "padding_mode", padding_mode, PADDING_MODES)

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (self.in_channels, *[None] * self.axes))
        sizes = output_sizes(
            self, input_shape, self.kernel_size, self.stride, self.sides, self.dilation, self.padding_mode
        )
        return (self.out_channels, *sizes)

    def forward(self, x: Tensor) -> Tensor:
        x, padding = merged(x), self._padding
        if padding is None:
            x = pad(x, self.sides, self.padding_mode)
        self.save_for_backward(x)
        return self.convolve(x, padding or (0,))

    def backward(self, grad_output: Tensor) -> Tensor | None:
        (x,) = self.saved_tensors()
        padding = self._padding
        dx = self.convolve_backward(x, grad_output, padding or (0,))
        if dx is not None and padding is None:
            dx = pad_backward(dx, self.sides, self.padding_mode)
        return None if dx is None else split(dx, len(grad_output))

    @property
    def _padding(self) -> list[int] | None:
        """What torch's convolution adds on both sides of each axis; None if it cannot pad like this."""
        fits = self.padding_mode == "zeros" and all(before == after for before, after in self.sides)
        return [before for before, _ in self.sides] if fits else None


def paddings(
    owner: object,
    padding: int | Sequence[int] | str,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    dilation: tuple[int, ...],
) -> Sides:
    """Return what is added before and after each axis; "same" puts the odd one after, as torch does."""
    axes = len(kernel_size)
    if isinstance(padding, str) and padding == "same":
        if any(step > 1 for step in stride):
            raise HyperparameterError(
                f'{label(owner)}: stride must be 1 with padding="same", got {stride}. Pass the padding as a number.'
            )
        totals = [step * (size - 1) for step, size in zip(dilation, kernel_size, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str) and padding != "valid":
        raise ShapeError(
            f'{label(owner)}: padding must be "same", "valid" or {axes} integers of at least 0, got {shown(padding)}. '
            "Pass one of these, or one integer for every axis."
        )
    sizes = sizes_by_axis(owner, "padding", 0 if isinstance(padding, str) else padding, axes, at_least=0)
    return tuple((size, size) for size in sizes)


def output_sizes(
    owner: object,
    input_shape: Shape,
    kernel_size: tuple[int, ...],
    stride: tuple[int, ...],
    sides: Sides,
    dilation: tuple[int, ...],
    mode: str,
) -> Shape:
    """Return the size of each axis after a convolution, None where it is not known; raise ShapeError if it is empty."""
    extents = tuple(step * (size - 1) + 1 for step, size in zip(dilation, kernel_size, strict=True))
    padded = padded_sizes(owner, input_shape, sides, mode, at_least=extents)
    return tuple(
        (size - extent) // hop + 1 if isinstance(size, int) else None
        for size, extent, hop in zip(padded, extents, stride, strict=True)
    )
