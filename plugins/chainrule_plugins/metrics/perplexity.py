"""The perplexity of a model of classes or tokens."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from chainrule import Metric, ShapeError
from chainrule_plugins.class_scores import class_indices


class Perplexity(Metric):
    """The exponential of the mean negative log-probability of the target: how many classes it seems chosen from.

    Value:    ``exp(−(1/N) Σₙ log qₙ(yₙ))`` with ``q = softmax(logits)``, over all rows and positions
    Shapes:   logits (N, C, …), target class indices y (N, …)
    Source:   Jelinek et al. 1977, "Perplexity — a measure of the difficulty of speech recognition tasks"
    Raises:   ShapeError for other shapes, or an index out of range.
    """

    def sums(self, prediction: Tensor, target: Tensor) -> Mapping[str, Tensor | float]:
        classes = class_indices(self, prediction, target)
        if target.is_floating_point():
            raise ShapeError(f"perplexity: target must be class indices, got {target.dtype}. Convert with y.long().")
        try:
            log_probability = prediction.log_softmax(2).gather(2, classes.unsqueeze(2))
        except RuntimeError as error:
            raise ShapeError(
                f"perplexity: class indices must be int64 from 0 to {prediction.shape[2] - 1}, got {target.dtype} from "
                f"{int(target.min())} to {int(target.max())}. Number the classes from 0."
            ) from error
        return {"surprise": -log_probability.double().flatten(1).sum(1), "positions": classes[0].numel()}

    def value(self, sums: Mapping[str, Tensor]) -> Tensor:
        return (sums["surprise"] / sums["positions"]).exp()
