"""The exponential linear unit with a continuous slope."""

from __future__ import annotations

from torch import Tensor

from chainrule import Module
from chainrule.ops import expect_number


class Celu(Module):
    """Bend negative values exponentially towards −alpha, with slope 1 at 0.

    Forward:  ``y = x`` where x > 0, else ``y = α (exp(x / α) − 1)``
    Backward: ``dx = dy`` where x > 0, else ``dx = dy exp(x / α) = dy (y / α + 1)``
    Shapes:   any
    Source:   Barron 2017, arXiv:1704.07483
    Raises:   HyperparameterError if alpha is not above 0.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = expect_number(self, "alpha", alpha, above=0)

    def forward(self, x: Tensor) -> Tensor:
        y = x.clamp_min(0).add_((x / self.alpha).clamp_max_(0).expm1(), alpha=self.alpha)
        self.save_for_backward(y)
        return y

    def backward(self, grad_output: Tensor) -> Tensor:
        (y,) = self.saved_tensors()
        return (y / self.alpha).add_(1).clamp_max_(1).mul_(grad_output)

    @classmethod
    def examples(cls) -> list[tuple[Celu, tuple[int, ...]]]:
        return [(cls(), (4,)), (cls(0.5), (2, 3))]
