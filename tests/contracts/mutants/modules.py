"""Wrong layers and activations: what they keep, change, depend on or forget is wrong."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Buffer, Module
from chainrule_plugins.activations.relu import Relu
from chainrule_plugins.activations.tanh import Tanh
from chainrule_plugins.layers.linear import Linear
from tests.contracts.correct_modules import Dropout

from . import collect
from .module_inputs import Scale

MUTANTS, wrong = collect("layers")


@wrong("a_traced_step_equals_an_eager_one")
class BranchOnTheInput(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if x.sum() > 0 else -x)


@wrong("a_traced_step_equals_an_eager_one")
class RowsCountedByForward(Tanh):
    rows = 0

    def forward(self, x: Tensor) -> Tensor:
        self.rows += x.shape[1]
        return super().forward(x)


@wrong("a_traced_step_equals_an_eager_one")
class OtherInputGradientWhenTraced(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        is_traced = type(grad_output) is not Tensor
        return super().backward(2 * grad_output if is_traced else grad_output)


@wrong("a_traced_step_equals_an_eager_one")
class LargeAndALittleOtherwiseWhenTraced(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return 1e5 * super().forward(x)

    def backward(self, grad_output: Tensor) -> Tensor:
        is_traced = type(grad_output) is not Tensor
        return super().backward(1e5 * (1.001 if is_traced else 1.0) * grad_output)


@wrong("a_traced_evaluation_equals_an_eager_one")
class BranchInEvalMode(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.training or x.sum() > 0 else 1 * x)


@wrong("a_compiled_step_equals_an_eager_one")
class OtherwiseWhenCompiled(Linear):
    def backward(self, grad_output: Tensor) -> Tensor | None:
        is_traced = type(grad_output) is not Tensor
        return super().backward(2 * grad_output if is_traced else grad_output)


@wrong("backward_without_forward_raises")
class SomethingKeptFromTheStart(Module):
    kept = torch.ones(())

    def forward(self, x: Tensor) -> Tensor:
        self.kept = x.cos()
        return x.sin()

    def backward(self, grad_output: Tensor) -> Tensor:
        return grad_output * self.kept


@wrong("second_backward_raises")
class KeptForMoreThanOneBackward(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        kept = self._saved
        grad = super().backward(grad_output)
        self._saved = kept
        return grad


@wrong("eval_mode_keeps_nothing")
class KeptInEvalMode(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        self.last_input = x
        return super().forward(x)


@wrong("eval_mode_keeps_nothing")
class BackwardInEvalMode(Tanh):
    def save_for_backward(self, *tensors: Tensor) -> None:
        mode, self.training = self.training, True
        super().save_for_backward(*tensors)
        self.training = mode


@wrong("eval_mode_differs_only_if_declared")
class HalvedInEvalMode(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * (1.0 if self.training else 0.5)


@wrong("eval_mode_differs_only_if_declared")
class DeclaredToDifferInEvalMode(Tanh):
    same_in_eval = False


@wrong("training_continues_from_a_saved_state")
class StatisticsNotSaved(Tanh):
    same_in_eval = False

    def __init__(self) -> None:
        self.mean = Buffer(persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            self.mean.data.lerp_(x.flatten(1).mean(1), 0.5)
        return super().forward(x - self.mean.data.view(-1, *[1] * (x.dim() - 1)))


@wrong("eval_mode_differs_only_if_declared")
class OneRowInEvalMode(Tanh):
    same_in_eval = False

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.training else x[:, :1])


@wrong("arguments_are_not_changed")
class InputChangedInEvalMode(Relu):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else x.clamp_(min=0)


@wrong("arguments_are_not_changed")
class InputCentredInEvalMode(StatisticsNotSaved):
    """It changes its input once there are statistics."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else x.sub_(self.mean.data.view(-1, *[1] * (x.dim() - 1)))


@wrong("arguments_are_not_changed")
class InputChanged(Relu):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(x > 0))


@wrong("arguments_are_not_changed")
class GradOutputChanged(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return grad_output.mul_(1 - y * y)


@wrong("arguments_are_not_changed")
class OutputUsedAsWorkspace(Tanh):
    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return grad_output * y.square_().neg_().add_(1)


@wrong("arguments_are_not_changed")
class WeightDecaysInBackward(Scale):
    def backward(self, grad_output: Tensor) -> Tensor:
        grad = super().backward(grad_output)
        self.weight.data.mul_(0.999)
        return grad


@wrong("changes_before_backward_are_noticed")
class InputKeptUnguarded(Module):
    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        self.x = x
        return x * x

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return 2 * grad_output * self.x


@wrong("changes_before_backward_are_noticed")
class OutputKeptUnderAnotherCount(Tanh):
    def save_for_backward(self, *tensors: Tensor) -> None:
        super().save_for_backward(*[tensor.data for tensor in tensors])


@wrong("rows_do_not_influence_each_other")
class CentredOverTheBatch(Module):
    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        return x - x.mean(1, keepdim=True)

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output - grad_output.mean(1, keepdim=True)


@wrong("rows_do_not_influence_each_other")
class DeclaredToMixRows(Tanh):
    batch_independent = False


@wrong("rows_do_not_influence_each_other")
class CentredOverTheBatchInEvalMode(Tanh):
    same_in_eval = False

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.training else x - x.mean(1, keepdim=True))


@wrong("nan_shows_in_its_row")
class NanTakenForNegative(Relu):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(torch.where(x > 0, x, 0.0))


@wrong("nan_shows_in_its_row")
class NanTakenForNegativeInEvalMode(Relu):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x if self.training else torch.where(x > 0, x, 0.0))


@wrong("nan_shows_in_its_row")
class NanShownThoughDeclaredHidden(Tanh):
    shows_nan = False


@wrong("nan_shows_in_its_row")
class NanRaises(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        if x.isnan().any():
            raise ValueError("NaN")
        return super().forward(x)


@wrong("nan_shows_in_its_row")
class NanOfAllMembers(Tanh):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x + 0 * x.sum(0))


@wrong("results_follow_from_the_seed")
class GlobalRandomState(Module):
    def forward(self, x: Tensor) -> Tensor:
        mask = (torch.rand(x.shape) < 0.5).to(x.dtype)
        self.save_for_backward(mask)
        return x * mask

    def backward(self, grad_output: Tensor) -> Tensor:
        (mask,) = self.saved_tensors()
        return grad_output * mask


@wrong("results_follow_from_the_seed")
class SlopeDrawnInTheConstructor(Module):
    def __init__(self) -> None:
        self.slope = torch.rand(()).item()

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        return x * self.slope

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output * self.slope


@wrong("autograd_is_not_needed")
class AutogradInside(Module):
    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward(x)
        return x.sin()

    def backward(self, grad_output: Tensor) -> Tensor:
        (x,) = self.saved_tensors()
        with torch.enable_grad():
            leaf = x.clone().requires_grad_()
            leaf.sin().backward(grad_output)
        return leaf.grad


@wrong("state_holds_all_that_matters")
class RunningMeanInNoState(Module):
    same_in_eval = False
    mean = torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        if self.training:
            self.mean = self.mean + x.mean()
            return x
        return x - self.mean

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output


@wrong("deepcopy_is_equal_and_apart")
class ParameterSharedByCopies(Scale):
    def __deepcopy__(self, memo: dict) -> Module:
        other = ParameterSharedByCopies.__new__(ParameterSharedByCopies)
        vars(other).update(vars(self))
        return other


@wrong("pickle_is_equal_and_apart")
class SettingLostInPickle(Module):
    def __init__(self, slope: float = 1.0) -> None:
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        return x * self.slope

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output * self.slope

    def __deepcopy__(self, memo: dict) -> Module:
        return SettingLostInPickle(self.slope)

    def __reduce__(self) -> tuple:
        return SettingLostInPickle, ()

    @classmethod
    def examples(cls) -> list[tuple[Module, tuple[int, ...]]]:
        return [(cls(2.0), (4,))]


@wrong("pickle_is_equal_and_apart")
class LambdaAsAttribute(Tanh):
    def __init__(self) -> None:
        self.function = lambda x: x


@wrong("repr_makes_the_same_again")
class SettingNotShown(Linear):
    def __repr__(self) -> str:
        return f"SettingNotShown({self.in_features}, {self.out_features})"


@wrong("repr_makes_the_same_again")
class SettingKeptUnderAnotherName(Module):
    def __init__(self, slope: float = 1.0) -> None:
        self.factor = slope

    def forward(self, x: Tensor) -> Tensor:
        self.save_for_backward()
        return x * self.factor

    def backward(self, grad_output: Tensor) -> Tensor:
        self.saved_tensors()
        return grad_output * self.factor

    @classmethod
    def examples(cls) -> list[tuple[Module, tuple[int, ...]]]:
        return [(cls(0.3), (4,))]


@wrong("repr_makes_the_same_again")
class ReprOfTwoLines(Tanh):
    def __repr__(self) -> str:
        return "ReprOfTwoLines(\n)"


@wrong("passes_keep_declared_state_only")
class CountsItsCalls(Tanh):
    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x)


@wrong("passes_keep_declared_state_only")
class MeanInATensor(Tanh):
    def __init__(self) -> None:
        self.means = [torch.zeros(())]

    def forward(self, x: Tensor) -> Tensor:
        self.means[0].add_(x.mean().float())
        return super().forward(x)


@wrong("eval_mode_changes_nothing")
class StatisticsOfEvaluation(Tanh):
    def __init__(self) -> None:
        self.count = Buffer()

    def forward(self, x: Tensor) -> Tensor:
        self.count.data.add_(1)
        return super().forward(x)


@wrong("eval_mode_changes_nothing")
class DrawsInEvalMode(Dropout):
    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            self.random.uniform(x.shape[1:])
        return super().forward(x)


class MaskedDropout(Dropout):
    def mask(self, x: Tensor) -> Tensor:
        return self.random.bernoulli(0.5, x.shape[1:])

    def forward(self, x: Tensor) -> Tensor:
        mask = self.mask(x) if self.training else torch.ones_like(x)
        self.save_for_backward(mask)
        return x * mask

    @classmethod
    def examples(cls) -> list[tuple[Module, tuple[int, ...]]]:
        return [(cls(), (4,))]


@wrong("draws_differ_by_member_and_call")
class MaskOfTheFirstMember(MaskedDropout):
    def mask(self, x: Tensor) -> Tensor:
        return super().mask(x)[:1].expand_as(x)


@wrong("draws_differ_by_member_and_call")
class MaskOfTheFirstCall(MaskedDropout):
    def mask(self, x: Tensor) -> Tensor:
        self.random.counter.zero_()
        return super().mask(x)


@wrong("eval_mode_differs_only_if_declared")
class NanInEvalMode(Tanh):
    same_in_eval = False

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if self.training else x * torch.nan


@wrong("rows_do_not_influence_each_other")
class InfinityThoughDeclaredToMixRows(Tanh):
    batch_independent = False

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.inf


@wrong("draws_differ_by_member_and_call")
class InfinityInPlaceOfDraws(Dropout):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.inf
