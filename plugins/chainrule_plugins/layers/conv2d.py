"""The convolution of images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from chainrule import HyperparameterError, Module, Parameter, Shape, ShapeError
from chainrule.initializers import uniform
from chainrule.ops import expect_flag, expect_shape, expect_size
from chainrule_plugins import convolution


class Conv2d(Module):
    """Slide a kernel over images, from in_channels to out_channels.

    Forward:  ``y[o, p] = b[o] + Σ_c Σ_k W[o, c, k] x[c, stride p + dilation k − padding]``, c in the group of o
    Backward: ``dx[c, stride p + dilation k − padding] += W[o, c, k] dy[o, p]``, ``db[o] = Σ dy[o, p]``,
              ``dW[o, c, k] = Σ dy[o, p] x[c, stride p + dilation k − padding]``, over all n and p
    Shapes:   x (M, N, in, H, W), W (M, out, in / groups, *kernel_size), b (M, out), y (M, N, out, H', W')
    Source:   LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition"
    Raises:   ShapeError if x is not (N, in, H, W) or smaller, with its padding, than the kernel; ShapeError or
              HyperparameterError for settings that do not fit together.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        self.in_channels = expect_size(self, "in_channels", in_channels)
        self.out_channels = expect_size(self, "out_channels", out_channels)
        self.groups = expect_size(self, "groups", groups)
        for name, size in (("in_channels", in_channels), ("out_channels", out_channels)):
            if size % groups:
                raise ShapeError(
                    f"conv2d: {name} must be divisible by groups={groups}, got {size}. Change one of them."
                )
        if padding_mode not in convolution.PADDING_MODES:
            words = ", ".join(f'"{mode}"' for mode in convolution.PADDING_MODES)
            raise HyperparameterError(f"conv2d: padding_mode must be one of {words}, got {padding_mode!r}. Choose one.")
        self.kernel_size = convolution.by_axis(self, "kernel_size", kernel_size, 2)
        self.stride = convolution.by_axis(self, "stride", stride, 2)
        self.dilation = convolution.by_axis(self, "dilation", dilation, 2)
        self.sides = convolution.paddings(self, padding, self.kernel_size, self.stride, self.dilation)
        self.padding = padding if isinstance(padding, str) else tuple(before for before, _ in self.sides)
        self.padding_mode = padding_mode
        area = math.prod(self.kernel_size)
        fans = {"fan_in": in_channels // groups * area, "fan_out": out_channels // groups * area}
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(*shape, init=uniform(), **fans)
        self.bias = Parameter(out_channels, init=uniform(), **fans) if expect_flag(self, "bias", bias) else None

    def output_shape(self, input_shape: Shape) -> Shape:
        expect_shape(self, input_shape, (self.in_channels, None, None))
        sizes = convolution.output_sizes(
            self, input_shape, self.kernel_size, self.stride, self.sides, self.dilation, self.padding_mode
        )
        return (self.out_channels, *sizes)

    def forward(self, x: Tensor) -> Tensor:
        members, x = len(x), convolution.merged(x)
        if not self._pads_itself:
            x = convolution.pad(x, self.sides, self.padding_mode)
        self.save_for_backward(x)
        bias = None if self.bias is None else self.bias.data.flatten()
        weight = self.weight.data.flatten(0, 1)
        y = torch.conv2d(x, weight, bias, self.stride, self._padding, self.dilation, members * self.groups)
        return convolution.split(y, members)

    def backward(self, grad_output: Tensor) -> Tensor | None:
        (x,) = self.saved_tensors()
        members, weight = len(grad_output), self.weight.data.flatten(0, 1)
        grads = torch.ops.aten.convolution_backward(
            convolution.merged(grad_output), x, weight, [len(weight)], self.stride, self._padding, self.dilation,
            False, [0, 0], members * self.groups, [self.needs_input_grad, True, self.bias is not None],
        )  # fmt: skip
        convolution.accumulate(self.weight, grads[1])
        if self.bias is not None:
            convolution.accumulate(self.bias, grads[2])
        if not self.needs_input_grad:
            return None
        dx = grads[0] if self._pads_itself else convolution.pad_backward(grads[0], self.sides, self.padding_mode)
        return convolution.split(dx, members)

    @property
    def _pads_itself(self) -> bool:
        """Whether torch's convolution pads: zeros, as many before as after."""
        return self.padding_mode == "zeros" and all(before == after for before, after in self.sides)

    @property
    def _padding(self) -> list[int]:
        return [before if self._pads_itself else 0 for before, _ in self.sides]

    @classmethod
    def examples(cls) -> list[tuple[Conv2d, tuple[int, ...]]]:
        return [
            (cls(2, 3, 2), (2, 3, 4)),
            (cls(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), groups=2, bias=False), (2, 4, 3)),
            (cls(1, 2, (2, 3), padding="same", dilation=2), (1, 4, 5)),
            (cls(1, 2, 3, padding=1, padding_mode="reflect"), (1, 3, 3)),
            (cls(1, 2, 3, padding=1, padding_mode="circular"), (1, 2, 3)),
        ]
