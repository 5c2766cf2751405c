"""Wrong layers and activations: the gradient, or the member axis, is wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Buffer, Module
from chainrule.base.parameter import Parameter
from chainrule.initializers import uniform
from chainrule_plugins.activations.relu import Relu
from chainrule_plugins.activations.sigmoid import Sigmoid
from chainrule_plugins.activations.tanh import Tanh
from chainrule_plugins.layers.linear import Linear
from tests.contracts.correct_modules import Softmax

from . import collect

MUTANTS, wrong = collect("layers")


class Square(Linear):
    """As many outputs as inputs, so that shapes do not show what is transposed."""

    @classmethod
    def examples(cls) -> list[tuple[Linear, tuple[int, ...]]]:
        return [(cls(3, 3), (3,))]


@wrong("input_gradient_agrees_with_differences")
class SignFlipped(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        return -super().backward(grad_output)


@wrong("input_gradient_agrees_with_differences")
class SigmoidAsPrinted(Sigmoid):
    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return grad_output * (y - 1) / y


@wrong("input_gradient_agrees_with_differences")
class MaskMissing(Relu):
    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output


@wrong("input_gradient_agrees_with_differences")
class FactorMissing(Module):
    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x * x

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return grad_output * x


@wrong("input_gradient_agrees_with_differences")
class InputGradientTransposed(Square):
    def backward(self, grad_output: Tensor) -> Tensor:
        super().backward(grad_output)
        return torch.bmm(grad_output, self.weight.transposed)


@wrong("input_gradient_agrees_with_differences")
class InputGradientLeftOut(Linear):
    def backward(self, grad_output: Tensor) -> None:
        super().backward(grad_output)


@wrong("parameter_gradients_agree_with_differences")
class WeightGradientTransposed(Square):
    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        self.weight.grad.add_(torch.bmm(x.mT, grad_output))
        self.bias.grad.add_(grad_output.sum(1))
        return torch.bmm(grad_output, self.weight.data)


@wrong("parameter_gradients_agree_with_differences")
class MeanOverTheBatchForSum(Linear):
    def backward(self, grad_output: Tensor) -> Tensor:
        super().backward(grad_output / grad_output.shape[1])
        return torch.bmm(grad_output, self.weight.data)


@wrong("parameter_gradients_agree_with_differences")
class BiasForgotten(Square):
    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        self.weight.grad.add_(torch.bmm(grad_output.mT, x))
        return torch.bmm(grad_output, self.weight.data)


@wrong("parameter_gradients_agree_with_differences")
class BiasGradientSummedOverMembers(Square):
    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        self.weight.grad.add_(torch.bmm(grad_output.mT, x))
        self.bias.grad.add_(grad_output.sum((0, 1)))
        return torch.bmm(grad_output, self.weight.data)


@wrong("gradients_agree_with_autograd")
class BackwardInLowerPrecision(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return grad_output * (1 - y.float().square()).to(y.dtype)


@wrong("gradients_agree_with_autograd")
class SmallTermLeftOut(Module):
    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        return x + 1e-8 * x.sin()

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output


@wrong("gradients_agree_with_autograd")
class WeightGradientInLowerPrecision(Linear):
    def backward(self, grad_output: Tensor) -> Tensor | None:
        input_grad = super().backward(grad_output)
        self.weight.grad.copy_(self.weight.grad.float())
        return input_grad


@wrong("wide_gradients_agree_with_autograd")
class UpperBoundForgottenInBackward(Module):
    """min(max(x, 0), 6), whose derivative beyond 6 is 0."""

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x.clamp(0, 6)

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return grad_output * (x > 0)


@wrong("wide_gradients_agree_with_autograd")
class LargeInputsClippedInWeightGradient(Square):
    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        self.weight.grad.add_(torch.bmm(grad_output.mT, x.clamp(-5, 5)))
        self.bias.grad.add_(grad_output.sum(1))
        return torch.bmm(grad_output, self.weight.data)


@wrong("parameter_gradients_accumulate")
class OverwritesWeightGradient(Linear):
    def backward(self, grad_output: Tensor) -> Tensor | None:
        self.weight.grad.zero_()
        return super().backward(grad_output)


@wrong("parameter_gradients_accumulate")
class OverwritesBiasGradient(Square):
    def backward(self, grad_output: Tensor) -> Tensor | None:
        grad = super().backward(grad_output)
        self.bias.grad.copy_(grad_output.sum(1))
        return grad


@wrong("first_layer_trains_the_same")
class ReturnsTooEarly(Linear):
    def backward(self, grad_output: Tensor) -> Tensor | None:
        if not self.needs_input_grad:
            return None
        return super().backward(grad_output)


@wrong("members_do_not_influence_each_other")
class FirstMembersWeightForAll(Module):
    def __init__(self) -> None:
        self.weight = Parameter(4, init=uniform(), fan_in=4, fan_out=4)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x * self.weight.data[0]

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        self.weight.grad[0].add_((grad_output * x).sum((0, 1)))
        return grad_output * self.weight.data[0]


@wrong("members_do_not_influence_each_other")
class CentredOverMembers(Module):
    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        return x - x.mean(0)

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output - grad_output.mean(0)


class ShiftedInEvalMode(Tanh):
    """In eval mode, subtract the running mean of each member."""

    def __init__(self) -> None:
        self.mean = Buffer()

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x - self.mean.data.view(-1, *[1] * (x.dim() - 1)))
        self.mean.data.lerp_(x.flatten(1).mean(1), 0.5)
        return super().forward(x)


@wrong("members_do_not_influence_each_other")
class RunningMeanOverMembers(ShiftedInEvalMode):
    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        self.mean.data.fill_(self.mean.data.mean())
        return y


@wrong("members_do_not_influence_each_other")
class EvaluatedByTheFirstMember(ShiftedInEvalMode):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else Tanh.forward(self, x - self.mean.data[0])


@wrong("members_do_not_influence_each_other")
class InputGradientSummedOverMembers(Linear):
    def backward(self, grad_output: Tensor) -> Tensor:
        grad = super().backward(grad_output)
        return grad.sum(0).expand(grad.shape)


@wrong("members_do_not_influence_each_other")
class NothingToLookAt(Module):
    """Give no outputs."""

    def output_shape(self, input_shape: tuple[int, ...]) -> tuple[int, ...]:
        return (*input_shape[:-1], 0)

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x[..., :0]

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        return torch.zeros_like(x)


@wrong("many_rows_are_those_of_their_parts")
class BiasSummedOverEightRows(Linear):
    def backward(self, grad_output: Tensor) -> Tensor | None:
        input_grad = super().backward(grad_output)
        if self.bias is not None:
            self.bias.grad.sub_(grad_output[:, 8:].flatten(1, -2).sum(1))
        return input_grad


@wrong("backward_is_linear")
class LargeGradientsClipped(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        return super().backward(grad_output).clamp(-50, 50)


@wrong("backward_is_linear")
class SmallGradientsDropped(Linear):
    def backward(self, grad_output: Tensor) -> Tensor | None:
        return super().backward(grad_output.masked_fill(grad_output.abs() < 1e-5, 0))


@wrong("input_gradient_agrees_with_differences")
class SummedOverTheFirstAxisOfARow(Softmax):
    """Right for rows of one axis; examples() is that of every module, whose input has one."""

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return y * (grad_output - (y * grad_output).sum(2, keepdim=True))
