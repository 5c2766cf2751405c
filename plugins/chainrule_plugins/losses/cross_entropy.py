"""Cross-entropy of logits."""

from __future__ import annotations

import torch
from torch import Tensor

from chainrule import Loss, ShapeError


class CrossEntropy(Loss):
    """The negative log-probability of each row's target under the softmax of its logits, averaged or summed.

    Forward:  ``ℓₙ = −Σₖ tₙₖ log qₙₖ`` with ``q = softmax(logits)`` and 0 log 0 = 0; a class index means t = 1 at that
              class, 0 elsewhere; ``L = Σₙ ℓₙ``, divided by N with reduction="mean"
    Backward: ``dlogits = q Σₖ tₖ − t``, divided alike; Σₖ tₖ is 1 for probabilities
    Shapes:   logits (N, C), target class indices (N,) or probabilities (N, C); of an ensemble with M in front; terms
              ℓ (N,) or (M, N); L () or (M,)
    Source:   paper eqs. (4) to (6)
    Raises:   ShapeError if the target has another shape, dtype, or an index outside 0 … C − 1.
    """

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        is_index = not target.is_floating_point()
        if prediction.dim() != 3 or target.shape != (prediction.shape[:2] if is_index else prediction.shape):
            raise ShapeError(
                "cross_entropy: target must be class indices (N,) or floating probabilities (N, C) for logits (N, C), "
                f"got {target.dtype} {tuple(target.shape[1:])} for {tuple(prediction.shape[1:])}. "
                "Convert class labels with y.long()."
            )
        wanted = torch.int64 if is_index else prediction.dtype
        if target.dtype != wanted:
            kind = "class indices" if is_index else "probabilities"
            raise ShapeError(
                f"cross_entropy: {kind} must have dtype {wanted}, got {target.dtype}. Convert with y.to({wanted})."
            )
        log_probabilities = prediction.log_softmax(-1)
        if not is_index:
            self.save_for_backward(log_probabilities, target)
            products = (target * log_probabilities).masked_fill_(target == 0, 0.0)  # 0 · −∞ where a logit is masked
            return products.sum(-1).neg_()
        index = target.unsqueeze(-1)  # (M, N, 1)
        self.save_for_backward(log_probabilities, index)
        try:
            return log_probabilities.gather(-1, index).neg_().squeeze(-1)
        except RuntimeError as error:
            raise ShapeError(
                f"cross_entropy: class indices must be from 0 to {prediction.shape[2] - 1}, got {int(target.min())} to "
                f"{int(target.max())}. Number the classes from 0."
            ) from error

    def gradient(self) -> Tensor:
        log_probabilities, target = self.saved_tensors()
        probabilities = log_probabilities.exp_()
        if target.is_floating_point():
            return probabilities * target.sum(-1, keepdim=True) - target
        return probabilities.scatter_(-1, target, -1.0, reduce="add")

    @classmethod
    def examples(cls) -> list[tuple[CrossEntropy, Tensor, Tensor]]:
        generator = torch.Generator("cpu").manual_seed(0)
        logits = torch.randn(5, 3, generator=generator, dtype=torch.float64, device="cpu")
        classes = torch.randint(3, (5,), generator=generator, device="cpu")
        probabilities = torch.rand(5, 3, generator=generator, dtype=torch.float64, device="cpu").softmax(-1)
        return [(cls(reduction), logits, t) for reduction in ("mean", "sum") for t in (classes, probabilities)]
