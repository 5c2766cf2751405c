"""The mark on an ensemble's output, by which a loss knows it: its shape does not tell members from rows."""

from __future__ import annotations

from torch import Tensor

MARK = "_of_ensemble"


def mark(output: Tensor) -> None:
    """Mark the output (M, N, …) of an ensemble."""
    setattr(output, MARK, True)


def is_marked(prediction: Tensor) -> bool:
    """Whether a tensor is the output of an ensemble, or a view of one that keeps the member axis in front."""
    output = prediction._base
    if output is None or hasattr(prediction, MARK) or not hasattr(output, MARK):
        return hasattr(prediction, MARK)
    return prediction.shape[:1] == output.shape[:1] and prediction.stride()[:1] == output.stride()[:1]
