"""The mark on a network's output, by which a loss knows whose it is: its shape does not tell members from rows."""

from __future__ import annotations

from torch import Tensor

MARK = "_of_ensemble"


def mark(output: Tensor, *, of_ensemble: bool) -> None:
    """Mark the output (M, N, …) of an ensemble, or (N, …) of a single network."""
    setattr(output, MARK, of_ensemble)


def is_of_ensemble(prediction: Tensor) -> bool:
    """Whether a tensor is marked as an ensemble's, or a view of one that is and keeps the member axis in front."""
    output, own = prediction._base, getattr(prediction, MARK, None)
    if output is None or own is not None or not getattr(output, MARK, False):
        return bool(own)
    return prediction.shape[:1] == output.shape[:1] and prediction.stride()[:1] == output.stride()[:1]


def is_of_single(prediction: Tensor) -> bool:
    """Whether a tensor is marked as the output of a single network; what is computed from it is not."""
    return getattr(prediction, MARK, None) is False
