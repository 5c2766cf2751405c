"""The perplexity of a model of classes or tokens."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule import Metric, ShapeError
from chainrule_plugins.class_indices import gathered
from chainrule_plugins.class_scores import class_indices, counting
from chainrule_plugins.log_probabilities import log_softmax


class Perplexity(Metric):
    """The exponential of the mean negative log-probability of the target: how many classes it seems chosen from.

    Value:    ``exp(−(1/N) Σₙ log qₙ(yₙ))`` with ``q = softmax(logits)``, over all rows and positions but those with
              yₙ = ignore_index
    Shapes:   logits (N, C, …), target class indices y (N, …)
    Source:   Jelinek et al. 1977, "Perplexity — a measure of the difficulty of speech recognition tasks"
    Raises:   ShapeError for other shapes, or an index out of range.
    """

    ignore_index: int | None = None

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        classes = class_indices(self, prediction, target)
        if target.is_floating_point():
            raise ShapeError(f"perplexity: target must be class indices, got {target.dtype}. Convert with y.long().")
        counts = counting(classes, target, self.ignore_index)
        if counts is not None:
            classes = classes * counts  # 0 in place of what is ignored
        log_probability = gathered(self, log_softmax(prediction, 2), classes.unsqueeze(2).long(), target)
        surprise = -log_probability.squeeze(2).double()
        if counts is None:
            return {"surprise": surprise.flatten(1).sum(1), "positions": classes[0].numel()}
        surprise = surprise.masked_fill(~counts, 0.0)
        return {"surprise": surprise.flatten(1).sum(1), "positions": counts.flatten(1).sum(1).double()}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        return (sums["surprise"] / sums["positions"]).exp()
