"""Wrong losses."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Loss, ShapeError
from chainrule_plugins.losses.cross_entropy import CrossEntropy
from chainrule_plugins.losses.mse import Mse
from tests.contracts.correct_modules import ErrorSpread

from . import collect

MUTANTS, wrong = collect("losses")


class Product(Loss):
    """A right loss of either sign: p · t."""

    non_negative = False

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if prediction.shape != target.shape or prediction.dtype != target.dtype:
            raise ShapeError(f"product: target must be as the prediction, got {tuple(target.shape)} {target.dtype}.")
        self.save_for_backward(target)
        return prediction * target

    def gradient(self) -> Tensor:
        (target,) = self.saved_tensors()
        return target.clone()


@wrong("a_traced_loss_equals_an_eager_one")
class BranchOnTheTerms(Mse):
    def gradient(self) -> Tensor:
        grad = super().gradient()
        return grad if grad.abs().max() > 0 else grad + 1


@wrong("a_compiled_loss_equals_an_eager_one")
class OtherwiseWhenCompiled(Mse):
    def gradient(self) -> Tensor:
        grad = super().gradient()
        is_traced = type(grad) is not Tensor
        return 2 * grad if is_traced else grad


@wrong("loss_gradient_agrees_with_differences")
class FactorTwoMissing(Mse):
    def gradient(self) -> Tensor:
        return super().gradient() / 2


@wrong("loss_gradient_agrees_with_differences")
class SignFlipped(CrossEntropy):
    def gradient(self) -> Tensor:
        return -super().gradient()


@wrong("loss_gradient_agrees_with_differences")
class MeanForgottenInBackward(CrossEntropy):
    def backward(self, grad_output: Tensor | None = None) -> Tensor:
        grad = self.gradient()
        return grad if self.members else grad[0]


@wrong("loss_gradient_agrees_with_differences")
class ProbabilitiesTakenToSumToOne(CrossEntropy):
    """Right for class indices and for probabilities that sum to 1, wrong for what the formula says in general."""

    def gradient(self) -> Tensor:
        log_probabilities, target = self.saved_tensors()
        if not target.is_floating_point():
            target = torch.zeros_like(log_probabilities).scatter_(-1, target, 1.0)
        return log_probabilities.exp() - target

    @classmethod
    def examples(cls) -> list[tuple[Loss, Tensor, Tensor]]:
        return [(loss, logits, 2.0 * target) for loss, logits, target in super().examples() if target.dim() == 2]


@wrong("loss_gradient_agrees_with_autograd")
class GradientInLowerPrecision(Mse):
    def gradient(self) -> Tensor:
        grad = super().gradient()
        return grad.float().to(grad.dtype)


@wrong("wide_loss_gradient_agrees_with_autograd")
class LinearPartForgottenInGradient(Mse):
    """e² up to |e| = 10 and 20 |e| − 100 beyond."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        square = super().forward(prediction, target)
        return square.where(square <= 100, 20 * square.sqrt() - 100)


@wrong("diverged_member_has_no_loss")
class NanTakenForASmallError(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        square = super().forward(prediction, target)
        return torch.where(square > 0, square, 0.0)


@wrong("diverged_member_has_no_loss")
class NanOfAllMembers(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        square = super().forward(prediction, target)
        return square + 0 * square.sum(0)


@wrong("value_is_per_member")
class SummedOverMembers(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        each = super().forward(prediction, target)
        return each.sum(0).expand(each.shape)


@wrong("value_is_per_member")
class FirstMembersTargetForAll(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return super().forward(prediction, target[:1].expand(target.shape))


class WeightedByTarget(Mse):
    """A right loss whose mean divides by the sum of its targets' magnitudes."""

    def denominator(self, prediction: Tensor, target: Tensor) -> Tensor:
        return target.abs().flatten(1).sum(1)


@wrong("value_is_per_member")
class FirstMembersDenominatorForAll(WeightedByTarget):
    def denominator(self, prediction: Tensor, target: Tensor) -> Tensor:
        return super().denominator(prediction, target)[:1].expand(len(target))


@wrong("weighted_gradient_agrees_with_differences")
class WeightsForgottenInBackward(Mse):
    def backward(self, grad_output: Tensor | None = None) -> Tensor:
        return super().backward()


@wrong("weighted_gradient_agrees_with_differences")
class TermsInAnotherOrder(Mse):
    """Of the right sum and the right gradient of that, but each term stands at another row."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return super().forward(prediction, target).flip(1)


@wrong("terms_are_those_of_their_rows")
class MeanInEveryTerm(Mse):
    """Of the right sum: every row's term is the mean of all."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        terms = super().forward(prediction, target)
        return terms.mean(1, keepdim=True).expand(terms.shape)


@wrong("terms_are_those_of_their_rows")
class DependenceUndeclared(ErrorSpread):
    batch_independent = True


@wrong("mean_and_sum_are_of_the_same_terms")
class MeanForSum(Mse):
    """The mean is taken in forward, and then once more."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return super().forward(prediction, target) / prediction.shape[1]

    def gradient(self) -> Tensor:
        grad = super().gradient()
        return grad / grad.shape[1]


@wrong("mean_and_sum_are_of_the_same_terms")
class MissingOneOverN(Mse):
    def denominator(self, prediction: Tensor, target: Tensor) -> float:
        return 1.0


@wrong("mean_and_sum_are_of_the_same_terms")
class RootOfTheRows(Mse):
    """Twice the rows do not count twice."""

    def denominator(self, prediction: Tensor, target: Tensor) -> float:
        return prediction.shape[1] ** 0.5


@wrong("recorded_mean_changes_nothing")
class RecordingReplacesWhatIsKept(Mse):
    def mean(self, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
        return self(prediction, target, per_member=per_member)


@wrong("value_is_non_negative_unless_declared")
class LogProbabilityItself(CrossEntropy):
    """Maximized where the loss is to be minimized."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return -super().forward(prediction, target)


@wrong("value_is_non_negative_unless_declared")
class BelowZeroAtTheTarget(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return super().forward(prediction, target) - 0.3


@wrong("value_is_non_negative_unless_declared")
class DeclaredNegative(Mse):
    non_negative = False


@wrong("extreme_predictions_stay_finite")
class LogOfSoftmax(CrossEntropy):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        super().forward(prediction, target)
        probabilities = target if target.is_floating_point() else torch.eye(prediction.shape[-1])[target]
        return -(probabilities.to(prediction.dtype) * prediction.softmax(-1).log()).sum(-1)


@wrong("extreme_predictions_stay_finite")
class SoftmaxByHand(CrossEntropy):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        value = super().forward(prediction, target)
        _, kept = self._saved
        self.save_for_backward(prediction.exp(), kept)
        return value

    def gradient(self) -> Tensor:
        exponentials, target = self.saved_tensors()
        probabilities = exponentials / exponentials.sum(-1, keepdim=True)
        return probabilities.scatter_(-1, target, -1.0, reduce="add")

    @classmethod
    def examples(cls) -> list[tuple[Loss, Tensor, Tensor]]:
        return [example for example in super().examples() if example[2].dim() == 1]


@wrong("loss_dtype_is_kept")
class ValueInDoublePrecision(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return super().forward(prediction, target).double()


@wrong("loss_dtype_is_kept")
class GradientInDoublePrecision(Mse):
    def gradient(self) -> Tensor:
        return super().gradient().double()


class Remembers(Mse):
    """Keeps what backward needs in an attribute."""

    difference = torch.zeros(1, 1, 1, dtype=torch.float64)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        self.difference = prediction - target
        return super().forward(prediction, target)


@wrong("loss_backward_follows_one_call")
class BackwardAtAnyTime(Remembers):
    def gradient(self) -> Tensor:
        return 2 * self.difference


@wrong("loss_arguments_are_not_changed")
class TargetReturnedAsGradient(Product):
    def gradient(self) -> Tensor:
        (target,) = self.saved_tensors()
        return target


@wrong("loss_arguments_are_not_changed")
class PredictionUsedAsWorkspace(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        super().forward(prediction, target)
        self.save_for_backward(prediction.sub_(target))
        return prediction.square()


@wrong("loss_notices_changes_before_backward")
class TargetKeptUnguarded(Product):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        value = super().forward(prediction, target)
        self.save_for_backward()
        self.target = target
        return value

    def gradient(self) -> Tensor:
        self.saved_tensors()
        return self.target.clone()


@wrong("loss_takes_any_memory_layout")
class ViewOfThePrediction(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return super().forward(prediction.view(-1).view(prediction.shape), target)


@wrong("loss_copies_are_equal")
class SettingNotShown(Mse):
    def __init__(self, reduction: str = "mean", *, weight: float = 1.0, members: bool = False) -> None:
        super().__init__(reduction, members=members)
        self.factor = weight

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.factor * super().forward(prediction, target)

    def gradient(self) -> Tensor:
        return self.factor * super().gradient()

    @classmethod
    def examples(cls) -> list[tuple[Loss, Tensor, Tensor]]:
        return [(cls(weight=2.0), prediction, target) for _, prediction, target in super().examples()]


@wrong("loss_copies_are_equal")
class LambdaAsAttribute(Mse):
    def __init__(self, reduction: str = "mean", *, members: bool = False) -> None:
        super().__init__(reduction, members=members)
        self.function = lambda x: x


@wrong("empty_batch_has_a_sum_but_no_mean")
class MeanOfNothing(Mse):
    def _divisor(self, prediction: Tensor, target: Tensor, terms: Tensor) -> float:
        return max(1, terms[0].numel())


@wrong("wrong_target_shapes_raise")
class TargetBroadcast(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return super().forward(prediction, target.expand(prediction.shape))


@wrong("wrong_target_dtypes_raise")
class TargetCutToWholeNumbers(Mse):
    """A target in float32 is rounded, and nobody is told."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        if target.dtype != prediction.dtype:
            target = target.long().to(prediction.dtype)
        return super().forward(prediction, target)


@wrong("wrong_target_dtypes_raise")
class DtypeLeftToTorch(CrossEntropy):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        log_probabilities = prediction.log_softmax(-1)
        if target.is_floating_point():
            return super().forward(prediction, target)
        self.save_for_backward(log_probabilities, target.unsqueeze(-1))
        return -log_probabilities.gather(-1, target.unsqueeze(-1)).squeeze(-1)


@wrong("wrong_class_indices_raise")
class NegativeIndicesWrapAround(CrossEntropy):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        is_index = not target.is_floating_point()
        return super().forward(prediction, target % prediction.shape[-1] if is_index else target)


@wrong("value_is_non_negative_unless_declared")
class NanForLargePredictions(Mse):
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        terms = super().forward(prediction, target)
        return terms.masked_fill(terms == terms.max(), torch.nan) if prediction.abs().max() > 5 else terms


@wrong("mean_and_sum_are_of_the_same_terms")
class OneRowAlone(Mse):
    @classmethod
    def examples(cls) -> list[tuple[Loss, Tensor, Tensor]]:
        return [(loss, prediction[:1], target[:1]) for loss, prediction, target in super().examples()]


@wrong("loss_gradient_agrees_with_differences")
class MeanOverTheFirstAxisOfARow(Mse):
    """Right for rows of one axis, as in the examples, which are the parent's."""

    def gradient(self) -> Tensor:
        grad = super().gradient()
        return grad * grad.shape[-1] / grad.shape[2]
