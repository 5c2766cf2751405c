"""The schedule that keeps the learning rate."""

from __future__ import annotations

from chainrule.errors import HyperparameterError


class Constant:
    """Multiply the learning rate by the same factor at every step.

    Factor:   ``f(t) = factor``
    Raises:   HyperparameterError if factor is negative.
    """

    def __init__(self, factor: float = 1.0) -> None:
        if not factor >= 0:
            raise HyperparameterError(f"constant: factor must be at least 0, got {factor}. Pass 1.0 for no change.")
        self.factor = factor

    def __call__(self, t: int) -> float:
        return self.factor

    @classmethod
    def examples(cls) -> list[Constant]:
        """Return instances that the conformance kit and the documentation use."""
        return [cls(), cls(0.5)]

    def __repr__(self) -> str:
        return f"Constant(factor={self.factor})"
