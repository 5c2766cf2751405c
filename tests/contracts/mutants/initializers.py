"""Wrong initializers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
from torch import Generator, Tensor

from chainrule import hyperparameter
from chainrule_plugins.initializers.constant import Constant
from chainrule_plugins.initializers.he_normal import HeNormal
from chainrule_plugins.initializers.he_uniform import HeUniform
from chainrule_plugins.initializers.uniform import Uniform
from chainrule_plugins.initializers.xavier_normal import XavierNormal

from . import collect

MUTANTS, wrong = collect("initializers")


@wrong("moments_are_as_declared")
class VarianceForDeviation(XavierNormal):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.normal_(0, self.std(fan_in, fan_out) ** 2, generator=generator)


@wrong("moments_are_as_declared")
class FansExchanged(HeNormal):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        super().__call__(tensor, fan_in=fan_out, fan_out=fan_in, generator=generator)


@wrong("moments_are_as_declared")
class GainLost(HeNormal):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.normal_(0, 1 / math.sqrt(fan_in), generator=generator)


@wrong("moments_are_as_declared")
class PositiveHalf(Uniform):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        super().__call__(tensor, fan_in=fan_in, fan_out=fan_out, generator=generator)
        tensor.abs_()


@wrong("moments_are_as_declared")
class BoundForDeviation(HeUniform):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.uniform_(-self.std(fan_in, fan_out), self.std(fan_in, fan_out), generator=generator)


@wrong("moments_are_as_declared")
class AnotherConstant(Constant):
    def mean(self, fan_in: int, fan_out: int) -> float:
        return 0.0


@wrong("fans_are_those_given")
class FanFromTheShape(HeNormal):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        super().__call__(tensor, fan_in=tensor[0].numel(), fan_out=fan_out, generator=generator)


@wrong("fans_are_those_given")
class KernelCountedTwice(HeNormal):
    """fan_in already counts the elements of a convolution's kernel."""

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        kernel = tensor[0, 0].numel() if tensor.dim() > 2 else 1
        super().__call__(tensor, fan_in=fan_in * kernel, fan_out=fan_out, generator=generator)


@wrong("same_seed_gives_same_values")
class GlobalRandomState(Uniform):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.uniform_(-1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))


@wrong("same_seed_gives_same_values")
class CountsItsCalls(Uniform):
    calls = 0

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        type(self).calls += 1
        super().__call__(tensor, fan_in=fan_in, fan_out=fan_out, generator=generator)
        tensor.div_(self.calls)


@wrong("same_seed_gives_same_values")
class TouchesTheGlobalRandomState(Uniform):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        torch.rand(1)
        super().__call__(tensor, fan_in=fan_in, fan_out=fan_out, generator=generator)


@wrong("another_seed_gives_other_values")
class SeedOfItsOwn(Uniform):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        own = Generator().manual_seed(0)
        super().__call__(tensor, fan_in=fan_in, fan_out=fan_out, generator=own)


@wrong("every_shape_is_filled")
class FirstRowOnly(Uniform):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        super().__call__(tensor[:1], fan_in=fan_in, fan_out=fan_out, generator=generator)


@wrong("every_shape_is_filled")
class NewTensorFilled(Uniform):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        super().__call__(tensor.clone(), fan_in=fan_in, fan_out=fan_out, generator=generator)


@wrong("every_shape_is_filled")
class MatricesOnly(HeNormal):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        rows, columns = tensor.shape
        tensor.copy_(torch.randn(rows, columns, generator=generator) * self.std(fan_in, fan_out))


@wrong("initializer_copies_are_equal")
class LambdaAsAttribute(Uniform):
    function: Any = dataclasses.field(default_factory=lambda: lambda x: x)


@wrong("initializer_copies_are_equal")
class GainNotKept(XavierNormal):
    def __repr__(self) -> str:
        return "GainNotKept()"

    @classmethod
    def examples(cls) -> list[XavierNormal]:
        return [cls(2.0)]


@wrong("bad_settings_are_rejected")
class GainOfAnySign(HeNormal):
    gain: float = hyperparameter(default=1.0, above=-math.inf)

    def __post_init__(self) -> None:
        pass
