"""Wrong initializers whose values depend on the shape, as declared or not."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from chainrule import ShapeError
from chainrule_plugins.initializers.eye import Eye
from chainrule_plugins.initializers.orthogonal import Orthogonal
from chainrule_plugins.initializers.sparse import Sparse

from . import collect

MUTANTS, wrong = collect("initializers")


@wrong("moments_are_as_declared")
class GainLost(Orthogonal):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        super().__call__(tensor, fan_in=fan_in, fan_out=fan_out, generator=generator)
        tensor.div_(self.factor)

    @classmethod
    def examples(cls) -> list[Orthogonal]:
        return [cls("relu")]


@wrong("moments_are_as_declared")
class TwiceTheIdentity(Eye):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        super().__call__(tensor, fan_in=fan_in, fan_out=fan_out, generator=generator)
        tensor.mul_(2)


@wrong("moments_are_as_declared")
class ZerosForgotten(Sparse):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        tensor.normal_(0, self.scale, generator=generator)


@wrong("another_seed_gives_other_values")
class OneMatrixForAll(Orthogonal):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        super().__call__(tensor, fan_in=fan_in, fan_out=fan_out, generator=Generator().manual_seed(0))


@wrong("same_seed_gives_same_values")
class GlobalRandomState(Sparse):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        super().__call__(tensor, fan_in=fan_in, fan_out=fan_out, generator=generator)
        tensor.mul_(torch.rand(1).sign())


@wrong("every_shape_is_filled")
class OnesAlone(Eye):
    """Leaves the rest as it was."""

    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        if tensor.dim() != 2:
            raise ShapeError(f"ones_alone: a tensor must have two axes, got shape {tuple(tensor.shape)}.")
        tensor.fill_diagonal_(1)


@wrong("every_shape_is_filled")
class NoShapeFits(Eye):
    def __call__(self, tensor: Tensor, *, fan_in: int, fan_out: int, generator: Generator) -> None:
        raise ShapeError(f"no_shape_fits: a tensor must have no axes, got shape {tuple(tensor.shape)}.")


@wrong("every_shape_is_filled")
class DependenceUndeclared(Orthogonal):
    depends_on_shape = False
