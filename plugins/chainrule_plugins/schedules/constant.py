"""A constant schedule."""

from __future__ import annotations

from chainrule import Schedule, hyperparameter


class Constant(Schedule):
    """The same factor at every step.

    Factor:   ``f(t) = factor``
    """

    factor: float = hyperparameter(default=1.0, at_least=0)

    def __call__(self, t: int) -> float:
        return self.factor

    @classmethod
    def examples(cls) -> list[Constant]:
        return [cls(), cls(0.5)]
