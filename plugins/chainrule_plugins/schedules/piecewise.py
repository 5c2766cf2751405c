"""A schedule that is constant between given steps."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor

from chainrule import HyperparameterError, Schedule, hyperparameter


class Piecewise(Schedule):
    """Keep a factor of its own between each two of some numbers of steps.

    Factor:   ``f(t) = factors[n]`` with the number n of milestones m < t
    Source:   as Keras's PiecewiseConstantDecay
    Raises:   HyperparameterError unless milestones ascend and there is one factor more than milestones.
    """

    milestones: tuple[int, ...] = hyperparameter(at_least=1)
    factors: tuple[float, ...] = hyperparameter(at_least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(one < other for one, other in pairwise(self.milestones)):
            raise HyperparameterError(
                f"piecewise: milestones must ascend, got {self.milestones}. Sort them and leave out equal ones."
            )
        if len(self.factors) != len(self.milestones) + 1:
            raise HyperparameterError(
                f"piecewise: factors must be {len(self.milestones) + 1}, one more than milestones, "
                f"got {len(self.factors)}. The first is that of step 1."
            )

    def __call__(self, t: int) -> float | Tensor:
        return self.factors[sum(milestone < t for milestone in self.milestones)]

    @classmethod
    def examples(cls) -> list[Piecewise]:
        return [cls(milestones=(30, 80), factors=(1.0, 0.5, 0.1)), cls(milestones=(), factors=(0.5,))]
