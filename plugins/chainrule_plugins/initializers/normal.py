"""Normal first values whatever the number of inputs."""

from __future__ import annotations

from torch import Generator, Tensor

from chainrule import Initializer, hyperparameter


class Normal(Initializer):
    """A normal distribution of a given mean and standard deviation.

    Values:   ``N(loc, scale²)``
    Source:   by definition; scale 0.02 is that of GPT-2
    """

    loc: float = 0.0
    scale: float = hyperparameter(default=1.0, above=0)

    def std(self, fan_in: int, fan_out: int) -> float:
        return self.scale

    def mean(self, fan_in: int, fan_out: int) -> float:
        return self.loc

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.normal_(self.loc, self.scale, generator=generator)

    @classmethod
    def examples(cls) -> list[Normal]:
        return [cls(), cls(loc=0.5, scale=0.02)]
