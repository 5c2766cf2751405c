"""Wrong layers and activations: their inputs, shapes or dtypes are wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Module
from chainrule.base.parameter import Parameter
from chainrule.initializers import uniform
from chainrule_plugins.activations.tanh import Tanh
from chainrule_plugins.layers.linear import Linear

from . import collect

MUTANTS, wrong = collect("layers")


class Scale(Module):
    """A right layer: y = x · w for each feature."""

    def __init__(self) -> None:
        self.weight = Parameter(4, init=uniform(), fan_in=4, fan_out=4)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x * self.weight.row

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        self.weight.grad.add_((grad_output * x).sum(1))
        return grad_output * self.weight.row


@wrong("output_shape_is_as_declared")
class OutputShapeNotDeclared(Linear):
    output_shape = Module.output_shape


@wrong("output_shape_is_as_declared")
class MemberAxisDropped(Linear):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[0]


@wrong("output_shape_is_as_declared")
class RowsSummedInEvalMode(Tanh):
    same_in_eval = False

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else x.flatten(2).sum(2)


@wrong("dtype_is_kept")
class PromotedInEvalMode(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.training else x.double())


@wrong("dtype_is_kept")
class OutputPromoted(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.double())


@wrong("dtype_is_kept")
class InputGradientPromoted(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        return super().backward(grad_output.double())


@wrong("wrong_shapes_raise")
class ShapeLeftToTorch(Linear):
    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return torch.bmm(x, self.weight.transposed)


@wrong("wrong_shapes_raise")
class OneFeatureBroadcast(Scale):
    """A row of one feature gives four."""


@wrong("memory_layout_makes_no_difference")
class ViewOfTheInput(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.view(-1).view(x.shape))


@wrong("memory_layout_makes_no_difference")
class ViewInEvalMode(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.training else x.view(-1).view(x.shape))


@wrong("memory_layout_makes_no_difference")
class ViewOfTheGradient(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        return super().backward(grad_output.view(-1).view(grad_output.shape))


@wrong("small_batches_are_accepted")
class OneRowSqueezed(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).squeeze(1)


@wrong("small_batches_are_accepted")
class OneRowSqueezedInEvalMode(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else super().forward(x).squeeze(1)


@wrong("small_batches_are_accepted")
class NoRowsInEvalModeThoughDeclaredToMixThem(Module):
    batch_independent = False

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            x.max()
        self.save_for_backward()
        return x - x.mean(1, keepdim=True)

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output - grad_output.mean(1, keepdim=True)


@wrong("small_batches_are_accepted")
class LargestOfNoRows(Module):
    def forward(self, x: Tensor) -> Tensor:
        top = x.max()
        y = top + (torch.exp(-top) + torch.exp(x - top)).log()
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return grad_output * -torch.expm1(-y)


@wrong("extreme_inputs_stay_finite")
class NaiveSoftplus(Module):
    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return (1 + x.exp()).log()

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return grad_output * x.sigmoid()


@wrong("extreme_inputs_stay_finite")
class OverflowsInEvalMode(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        power = (2 * x).exp()
        return (power - 1) / (power + 1)


@wrong("extreme_inputs_stay_finite")
class GradientDividesByZero(Module):
    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x.abs()

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return grad_output * x / x.abs()


@wrong("extreme_inputs_stay_finite")
class DeclaredInfinite(Tanh):
    finite = False
