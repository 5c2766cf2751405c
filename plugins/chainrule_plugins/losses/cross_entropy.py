"""Cross-entropy of logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from chainrule import ShapeError
from chainrule.ops import expect_number
from chainrule_plugins.class_indices import ONE_OUTPUT, ClassLoss, expect_class_weights, gathered, one_class
from chainrule_plugins.log_probabilities import log_softmax
from chainrule_plugins.weighting import absorbing_product


class CrossEntropy(ClassLoss):
    """The negative log-probability of each row's target under the softmax of its logits, averaged or summed.

    Forward:  ``ℓₙ = −Σₖ aₙₖ log qₙₖ`` with ``q = softmax(logits)``, 0 log 0 = 0 and ``a = w ((1 − ε) t + ε / C)``:
              class weights w, label smoothing ε and targets t; a class index yₙ means t = 1 at that class, 0
              elsewhere, and a = 0 if it is ignore_index; ``L = Σₙ ℓₙ``, divided with reduction="mean" by ``Σₙ w(yₙ)``
              over what is not ignored, or for probabilities by the number of terms
    Backward: ``dlogits = q Σₖ aₖ − a``, divided alike; Σₖ aₖ is 1 for probabilities without weights
    Shapes:   logits (N, C, …), target class indices (N, …) or probabilities (N, C, …), w (C); of an ensemble with M in
              front; terms ℓ (N, …) or (M, N, …); L () or (M,)
    Source:   paper eqs. (4) to (6); Szegedy et al. 2015, arXiv:1512.00567, for label smoothing
    Raises:   ShapeError if C is 1, or the target has another shape, dtype, or an index outside 0 … C − 1, or its rows
              are no probabilities; HyperparameterError if label_smoothing is not in [0, 1], or a weight is not finite.
    """

    takes = "scores"

    def __init__(
        self,
        reduction: Literal["mean", "sum", "none"] = "mean",
        *,
        weight: Tensor | Sequence[float] | None = None,
        ignore_index: int | None = None,
        label_smoothing: float = 0.0,
        members: bool = False,
    ) -> None:
        super().__init__(reduction, weight=weight, ignore_index=ignore_index, members=members)
        self.label_smoothing = expect_number(self, "label_smoothing", label_smoothing, at_least=0, at_most=1)

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        is_index = self._expect_target(prediction, target)
        log_probabilities = log_softmax(prediction, 2)
        if not is_index or self.label_smoothing:
            costs = self._costs(log_probabilities, target, is_index)
            self.save_for_backward(log_probabilities, costs)
            return absorbing_product(costs, log_probabilities).sum(2).neg_()  # 0 · −∞ where a logit is masked
        classes, counts = self._counted_indices(target)
        index = classes.unsqueeze(2)  # (M, N, 1, …)
        own = gathered(self, log_probabilities, index, target).squeeze(2)
        if not self._weighs:
            self.save_for_backward(log_probabilities, index)
            return own.neg_()
        weights = self._weights(classes, counts, prediction)
        self.save_for_backward(log_probabilities, index, weights.unsqueeze(2))
        return absorbing_product(weights, own).neg_()

    def check_target(self, target: Tensor) -> None:
        if not target.is_floating_point():
            return
        totals = target.sum(2)
        if bool((target < 0).any()) or bool(((totals - 1).abs().gt(0.01) & (totals != 0)).any()):
            raise ShapeError(
                "cross_entropy: probabilities must be at least 0 and sum to 1 over axis 1, or to 0 where a row is not "
                f"to count, got {target.min().item():.4g} as the least and sums from {totals.min().item():.4g} to "
                f"{totals.max().item():.4g}. Divide them by their sum, or pass class indices."
            )

    def gradient(self) -> Tensor:
        log_probabilities, costs, *weights = self.saved_tensors()
        probabilities = log_probabilities.exp_()
        if costs.is_floating_point():
            return absorbing_product(costs.sum(2, keepdim=True), probabilities).sub_(costs)
        grad = probabilities.scatter_(2, costs, -1.0, reduce="add")
        return absorbing_product(weights[0], grad) if weights else grad  # of ignored rows 0 even from NaN

    def _costs(self, log_probabilities: Tensor, target: Tensor, is_index: bool) -> Tensor:
        """Return a, the weight of each class in the terms, in the shape of the logits."""
        costs, counts = target, None
        if is_index:
            classes, counts = self._counted_indices(target)
            index = classes.unsqueeze(2)
            own = gathered(self, log_probabilities, index, target)  # a compiled scatter lets any index pass
            costs = torch.zeros_like(log_probabilities).scatter_(2, index, (own <= 0).to(own.dtype))
        if self.label_smoothing:
            costs = costs * (1 - self.label_smoothing) + self.label_smoothing / log_probabilities.shape[2]
        if self.weight is not None:
            costs = costs * self.weight.to(costs).view(-1, *[1] * (costs.dim() - 3))
        return costs if counts is None else costs * counts.unsqueeze(2)

    def _expect_target(self, prediction: Tensor, target: Tensor) -> bool:
        """Return whether the target has class indices; raise ShapeError unless it fits."""
        is_index, shape = not target.is_floating_point(), prediction.shape
        if prediction.dim() < 3 or target.shape != (shape[:2] + shape[3:] if is_index else shape):
            raise ShapeError(
                "cross_entropy: target must be class indices (N, …) or floating probabilities (N, C, …) for logits "
                f"(N, C, …), got {target.dtype} {tuple(target.shape[1:])} for {tuple(shape[1:])}. "
                f"{self._advice(prediction, target)}"
            )
        if shape[2] == 1:
            raise one_class(self)
        if not is_index and self.ignore_index is not None:
            raise ShapeError(
                f"cross_entropy: target must be class indices where ignore_index is set, got {target.dtype} "
                f"{tuple(target.shape[1:])}. Leave ignore_index out for probabilities."
            )
        wanted = torch.int64 if is_index else prediction.dtype
        if target.dtype != wanted:
            kind = "class indices" if is_index else "probabilities"
            raise ShapeError(
                f"cross_entropy: {kind} must have dtype {wanted}, got {target.dtype}. Convert with y.to({wanted})."
            )
        expect_class_weights(self, self.weight, prediction)
        return is_index

    @staticmethod
    def _advice(prediction: Tensor, target: Tensor) -> str:
        """Return the sentence that says what to do about a target of another form."""
        shape, is_index = prediction.shape, not target.is_floating_point()
        if is_index and target.shape == (*shape[:2], 1, *shape[3:]) != shape:
            return "Drop an axis with y.squeeze(1)."
        if is_index and target.shape == shape[:-1]:
            return "Put the classes on axis 1, with logits.movedim(-1, 1)."
        if shape[2:3] == (1,):
            return ONE_OUTPUT
        if is_index and target.shape == shape:
            return f"Convert one-hot rows with y.to({prediction.dtype})."
        if not is_index and target.shape == shape[:2] + shape[3:]:
            return "Convert class labels with y.long()."
        return "Reshape one of them."

    @classmethod
    def examples(cls) -> list[tuple[Any, Tensor, Tensor]]:
        generator = torch.Generator("cpu").manual_seed(0)
        logits = torch.randn(5, 3, generator=generator, dtype=torch.float64, device="cpu")
        classes = torch.randint(3, (5,), generator=generator, device="cpu")
        probabilities = torch.rand(5, 3, generator=generator, dtype=torch.float64, device="cpu").softmax(-1)
        plain = [(cls(reduction), logits, t) for reduction in ("mean", "sum") for t in (classes, probabilities)]
        images = torch.stack([logits, logits.flip(0)], -1), torch.stack([classes, classes.flip(0)], -1)
        weight = [0.5, 2.0, 1.25]
        smooth = cls(weight=weight, label_smoothing=0.1, ignore_index=int(classes[0]))
        return [*plain, (cls(), *images), (smooth, *images), (cls(weight=weight), logits, probabilities)]
