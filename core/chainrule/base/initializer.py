"""`Initializer`: the parent class of every initializer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, dataclass_transform

from torch import Generator, Tensor

from chainrule.base.class_attributes import check_class_attributes, check_methods
from chainrule.base.settings import Settings, hyperparameter
from chainrule.calls import explain_methods


@dataclass_transform(frozen_default=True, field_specifiers=(hyperparameter,))
class Initializer(Settings, ABC):
    """The distribution of a parameter's first values.

    A subclass declares the distribution's settings, such as gain, as annotated fields.
    """

    depends_on_shape: ClassVar[bool] = False
    """Whether values depend on the shape and on each other, as in an orthogonal matrix; some shapes may be refused."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        check_class_attributes(cls, Initializer)
        check_methods(cls, Initializer, "__call__", "std", "mean")
        explain_methods(cls, "__call__", "std", "mean")

    @abstractmethod
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        """Fill one member's tensor (*shape), on the CPU, in place, with random numbers from generator alone.

        Raises:
            ShapeError: for a shape that does not fit, if the values depend on the shape.
        """

    @abstractmethod
    def std(self, fan_in: int, fan_out: int) -> float:
        """Return the standard deviation of the values for these fans; 0 for constant values.

        Where values depend on the shape, it is that of each value over the seeds, in a matrix (fan_out, fan_in).
        """

    def mean(self, fan_in: int, fan_out: int) -> float:  # noqa: ARG002 - few means depend on the fans
        """Return the mean of the values for these fans; 0 by default. For shapes as in `std`."""
        return 0.0

    @classmethod
    def examples(cls) -> list[Any]:
        """Return instances for the conformance kit and the documentation."""
        return [cls()]
