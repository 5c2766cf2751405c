"""`Loss`: the parent class of every loss."""

from __future__ import annotations

import copy
import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, final
from weakref import ref

import torch
from torch import Tensor

from chainrule.arguments import flag, shown
from chainrule.base.class_attributes import check_class_attributes, check_methods
from chainrule.base.ensemble_outputs import is_of_ensemble
from chainrule.base.input_tensors import expect_dense, expect_in_domain, expect_input
from chainrule.base.loss_checks import (
    check_denominator,
    check_grad_output,
    check_gradient,
    check_rows,
    check_tensors,
    check_terms,
    check_untouched,
    refuse_members,
)
from chainrule.base.no_backward import OF_LOSS, answer_backward
from chainrule.base.saved_tensors import BOOKKEEPING, KeepsForBackward, content
from chainrule.base.setting_values import equal
from chainrule.calls import Explained, explained, signature_of
from chainrule.errors import HyperparameterError, ShapeError, label


class Loss(Explained, KeepsForBackward):
    """A distance between predictions and targets, term by term, and its gradient.

    A subclass writes `forward`, the terms, and `gradient`, the gradient of their sum, and, where the mean divides by
    something else than their number, `denominator`; all three see the member axis. The reduction, the weights of terms,
    and adding and removing that axis are done here.

    Without members=True, axis 0 of a prediction is its rows, and the output of an ensemble is refused. In what is
    computed from such an output, members cannot be told from rows: a mean gives each member's gradient divided by M.

    Args:
        reduction: "mean" or "sum" over the terms, or "none" to return them, as for torch's loss of the same name.
        members: whether predictions come from an ensemble, (M, N, …); the loss is then (M,), and its terms (M, N, …).

    Raises:
        HyperparameterError: for another reduction.
        ShapeError: where shapes or dtypes do not fit.
    """

    non_negative: ClassVar[bool] = True
    """Whether the loss is never below 0."""

    batch_independent: ClassVar[bool] = True
    """Whether each term depends on the part of the prediction at its own index alone; not so for a contrastive loss."""

    class_axis: ClassVar[int | None] = None
    """The axis of the prediction that its terms lack, such as 2 of classes (M, N, C, …); None for its last ones."""

    takes: ClassVar[Literal["any", "scores", "log-probabilities"]] = "any"
    """What predictions are; where not "any", `fit` warns if the network gives probabilities in their place."""

    _use: ClassVar[str] = "Make the loss first: loss = mse(), then loss(prediction, target)."
    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("to", "cpu", "cuda", "parameters"), "A loss has no tensors; leave it out."),
        "zero_grad": "Write network.zero_grad().",
        "item": "The call returns the value: loss(prediction, target).item().",
        **dict.fromkeys(("reduction", "members"), "Call super().__init__(reduction, members=members) in its __init__."),
    }

    _scale: float | Tensor = 1.0
    _returned: torch.Size | None = None
    _predicted: torch.Size | None = None
    _counted: tuple[tuple[torch.Size, torch.Size, int], int] = ((torch.Size(), torch.Size(), -1), 0)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class_attributes(cls, Loss)
        check_methods(cls, Loss, "forward", "gradient", "denominator", "check_target")

    def __init__(self, reduction: Literal["mean", "sum", "none"] = "mean", *, members: bool = False) -> None:
        if not isinstance(reduction, str) or reduction not in ("mean", "sum", "none"):
            others = [name for name in signature_of(type(self)).parameters if name not in ("reduction", "members")]
            meant = f"Pass {', '.join(others)} by name." if others else self._use
            raise HyperparameterError(
                f'{label(self)}: reduction must be "mean", "sum" or "none", got {shown(reduction)}. '
                f"{'Choose one of the three.' if isinstance(reduction, str | None) else meant}"
            )
        self.reduction: str = reduction
        self.members = flag(label(self), "members", members)

    @abstractmethod
    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Return the terms, in the prediction's shape or its first axes (M, N, …), and save what `gradient` needs.

        Each term has the index of the part of the prediction that it depends on: classes (M, N, C) or (M, N, T, C) have
        terms (M, N) or (M, N, T), errors of single elements (M, N, C). A loss with a class_axis leaves that one out:
        with 2, (M, N, C, T) has terms (M, N, T). Save with `save_for_backward`.
        """

    @abstractmethod
    def gradient(self) -> Tensor:
        """Return the gradient of the sum of the terms, in the prediction's shape (M, N, …), as a new tensor."""

    def denominator(self, prediction: Tensor, target: Tensor) -> float | Tensor:
        """Return what the mean divides by, a number or a tensor (M,); the number of terms per member by default.

        It is a sum over the rows, such as that of their weights, so that those of batches add up. For a member at which
        a tensor is 0, since no row counts, the mean of the batch and its gradient are 0, where torch's are NaN.
        """
        if self._counted[0][:2] != (prediction.shape, target.shape):
            return _count(self._terms_alone(prediction, target, self.members))
        return self._counted[1]

    def domain(self) -> tuple[float, float]:
        """Return the least and the greatest prediction that the loss takes, such as 0 and 1; any number by default.

        Within these the loss and its gradient are finite in float32. A call refuses predictions outside of them when it
        sees new shapes, since looking at every batch would cost a copy from the device; those of later batches are up
        to `forward`.
        """
        return -math.inf, math.inf

    def target_domain(self) -> tuple[float, float]:
        """Return the least and the greatest target, checked as predictions are; any number by default."""
        return -math.inf, math.inf

    def check_target(self, target: Tensor) -> None:
        """Raise ShapeError unless the loss takes these targets (M, N, …), by default within `target_domain`.

        Called when a call sees new shapes, as `domain` is.
        """
        fix = "Scale the targets, or renumber the labels."
        expect_in_domain(self, "targets", target, self.target_domain(), fix)

    @final
    @explained
    def __call__(self, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
        """Return the loss, and save what `backward` needs.

        Shapes: prediction (N, …) with a target that fits it, result (), with reduction="none" (N, …); with members=True
        prediction (M, N, …), a target shared by all members or, with per_member=True, one for each, result (M,) or
        (M, N, …)
        """
        if not (self.members and per_member):
            prediction, target = self._with_member_axis(prediction, target, per_member)
        terms = self._terms(prediction, target, per_member)
        scale: float | Tensor = 1.0
        if self.reduction == "mean":
            divisor = self._divisor(prediction, target, terms)
            scale = 1.0 / divisor
            # One operation where the denominator is the number of terms.
            value = _rows(terms).mean(1) if divisor is self._counted[1] else _rows(terms).sum(1) * scale
        else:
            value = terms if self.reduction == "none" else _rows(terms).sum(1)
        if not self.members:
            value = value[0]
        own = self.__dict__  # setting attributes would take longer
        own["_scale"], own["_returned"], own["_predicted"] = scale, value.shape, prediction.shape
        if not per_member:
            answer_backward(value, OF_LOSS)
        return value

    @final
    @explained
    def backward(self, grad_output: Tensor | None = None) -> Tensor:
        """Return dL/dprediction for the last call, in the prediction's shape.

        Args:
            grad_output: dL/dloss in the shape that the call returned, ones by default; with reduction="none" these are
                weights of the terms.

        Raises:
            BackwardError: if there was no call before.
            ShapeError: if grad_output has another shape.
            ContractError: if `gradient` does not return a tensor of the prediction's shape.
            ChainruleError: for weights of terms that depend on several rows.
        """
        if grad_output is not None and self._saved is not None and self._returned is not None:  # else gradient() raises
            check_grad_output(self, grad_output, self._returned)
        grad, scale = self.gradient(), self._scale
        if getattr(grad, "shape", None) != self._predicted:
            check_gradient(self, grad, self._predicted)
        if grad_output is not None:
            scale = scale * (grad_output if self.members else grad_output.unsqueeze(0))
        if isinstance(scale, Tensor) and self.class_axis is not None and scale.dim() > 1:
            grad.mul_(scale.unsqueeze(self.class_axis))
        elif isinstance(scale, Tensor):
            grad.mul_(scale.reshape(*scale.shape, *[1] * (grad.dim() - scale.dim())))
        elif scale != 1.0:
            grad.mul_(scale)
        return grad if self.members else grad[0]

    @final
    @explained
    def mean(self, prediction: Tensor, target: Tensor, *, per_member: bool = False) -> Tensor:
        """Return the mean, whatever the reduction, and save nothing; shapes as in a call."""
        prediction, target = self._with_member_axis(prediction, target, per_member)
        terms = self._terms_alone(prediction, target, per_member)
        mean = _rows(terms).sum(1) / self._divisor(prediction, target, terms)
        return mean if self.members else mean[0]

    @final
    def over_members(self) -> Loss:
        """Return a copy that takes the predictions of an ensemble; an attribute set on this loss is set on it too."""
        other = copy.copy(self)
        own = self.__dict__
        other.__dict__["members"] = True
        own["_followers"] = [one for one in own.get("_followers", []) if one() is not None] + [ref(other)]
        return other

    def __setattr__(self, name: str, value: object) -> None:
        super().__setattr__(name, value)
        if name not in BOOKKEEPING and name != "members":
            for other in [follower() for follower in self.__dict__.get("_followers", [])]:
                if other is not None:
                    setattr(other, name, value)

    def _terms(self, prediction: Tensor, target: Tensor, per_member: bool) -> Tensor:
        """Return the terms and remember their number per member; check new shapes, and all once settings change."""
        form = prediction.shape, target.shape, KeepsForBackward._resettings
        is_new = self._counted[0] != form
        if is_new:
            check_rows(self, prediction, target, per_member)
            before = content(prediction), content(target)
        try:
            terms = self.forward(prediction, target)
        except (RuntimeError, NotImplementedError) as error:
            check_tensors(self, prediction, target, error)
            raise
        if is_new:
            check_untouched(self, before, (content(prediction), content(target)))
            check_terms(self, prediction, terms)
            fix = "End the network with an activation that maps there."
            expect_in_domain(self, "predictions", prediction, self.domain(), fix)
            if type(target) is Tensor and target.numel():  # those that a trace passes have no values
                self.check_target(target)
            self._counted = form, _count(terms)
        return terms

    def _terms_alone(self, prediction: Tensor, target: Tensor, per_member: bool) -> Tensor:
        """Return the terms and save nothing."""
        own = self.__dict__  # setting attributes would count as a change of settings
        before = {"_saved": self._saved, "_versions": self._versions}
        own["training"] = False
        try:
            return self._terms(prediction, target, per_member)
        finally:
            del own["training"]
            own.update(before)

    def _divisor(self, prediction: Tensor, target: Tensor, terms: Tensor) -> float | Tensor:
        """Return the denominator, with ∞ in place of a tensor's 0, so that the mean is 0."""
        count = self._counted[1]
        if not count:
            raise ShapeError(f"{label(self)}: a mean needs at least one term; the batch is empty. Pass a row or more.")
        if type(self).denominator is Loss.denominator:
            return count
        denominator = self.denominator(prediction, target)
        check_denominator(self, prediction, denominator)
        if isinstance(denominator, Tensor):
            return denominator.to(terms.dtype).masked_fill(denominator == 0, torch.inf)
        return denominator

    def _with_member_axis(self, prediction: Tensor, target: Tensor, per_member: bool) -> tuple[Tensor, Tensor]:
        """Return both as (M, N, …)."""
        try:
            if self.members:
                return prediction, target if per_member else target.expand(prediction.shape[0], *target.shape)
            if per_member or is_of_ensemble(prediction):
                refuse_members(self, prediction, per_member)
            return prediction.unsqueeze(0), target.unsqueeze(0)
        except (AttributeError, TypeError, RuntimeError):
            expect_input(self, "prediction", prediction)
            expect_input(self, "target", target)
            expect_dense(self, "prediction", prediction, prediction.device)
            expect_dense(self, "target", target, prediction.device)
            raise

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        """Return instances for the conformance kit, each with a sample prediction (N, …) and a target that fits it.

        By default predictions are (5, 3), to which the kit adds one of (4, 3, 2) if the loss takes it. Whatever their
        precision, it looks at them in float64.
        """
        generator = torch.Generator("cpu").manual_seed(0)
        prediction, target = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64, device="cpu")
        return [(cls(reduction=reduction), prediction, target) for reduction in ("mean", "sum")]

    def __getstate__(self) -> dict[str, object]:
        left_out = ("_scale", "_returned", "_predicted", "_counted", "_followers")
        return {name: value for name, value in super().__getstate__().items() if name not in left_out}

    def __repr__(self) -> str:
        parameters = signature_of(type(self)).parameters.items()
        others = [(name, getattr(self, name), one.default) for name, one in parameters if hasattr(self, name)]
        shown = [
            f"{name}={value.tolist() if isinstance(value, Tensor) else value!r}"
            for name, value, default in others
            if name not in ("reduction", "members") and not equal(value, default)
        ]
        settings = [f'reduction="{self.reduction}"', *shown, f"members={self.members}"]
        return f"{type(self).__name__}({', '.join(settings)})"


def _rows(terms: Tensor) -> Tensor:
    """Return each member's terms as one row."""
    return terms if terms.dim() == 2 else terms.flatten(1)


def _count(terms: Tensor) -> int:
    """Return the number of terms per member."""
    return terms.numel() // max(1, len(terms))
