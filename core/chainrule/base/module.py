"""`Module`: the parent class of every layer and activation."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, final

import torch
from torch import Tensor

from chainrule.base.parameter import Parameter
from chainrule.base.protocols import ModuleLike
from chainrule.base.saved_tensors import KeepsForBackward

if TYPE_CHECKING:
    from chainrule.network import Network

Shape: TypeAlias = tuple[int | EllipsisType | None, ...]
"""The shape of one example: sizes, None for a size that is not known, ... for axes that are not known."""


class Module(KeepsForBackward, ABC):
    """A differentiable map, with the backward that was derived by hand.

    A constructor only declares; `build` allocates. Axis 0 of every tensor here is the member axis: x is (M, N, …), a
    parameter (M, *shape). A single model is M = 1, and a module is written once for both.
    """

    needs_input_grad: bool = True
    """False where nobody needs dL/dx; backward may then return None. Read in backward only."""

    batch_independent: ClassVar[bool] = True
    """Whether a row's output depends on that row alone; batch norm's does not."""

    same_in_eval: ClassVar[bool] = True
    """Whether the output in eval mode is that of train mode; dropout's is not."""

    finite: ClassVar[bool] = True
    """Whether inputs of 0 and up to ±1e4 give finite outputs and gradients in float32; exp's do not."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Map x (M, N, …) to y (M, N, …) and keep what backward needs with `save_for_backward`."""

    @abstractmethod
    def backward(self, grad_output: Tensor) -> Tensor | None:
        """Add to each parameter's grad and return dL/dx, the shape of x.

        The kept tensors come from `saved_tensors()`, which raises BackwardError if there are none.
        """

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of one output, given that of one input; raise ShapeError if the input does not fit."""
        return input_shape

    def named_children(self) -> Iterable[tuple[str, ModuleLike]]:
        """Yield the modules held as attributes, each with its name."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, ModuleLike)]

    def own_parameters(self) -> Iterable[tuple[str, Parameter]]:
        """Yield the parameters held as attributes, each with its name."""
        return [(name, value) for name, value in vars(self).items() if isinstance(value, Parameter)]

    @final
    def named_modules(self) -> Iterator[tuple[str, ModuleLike]]:
        """Yield this module and all inside it, depth first, each with its dotted name; this one's is empty."""
        return named_modules(self)

    @final
    def parameters(self) -> list[Parameter]:
        """Return every parameter inside, each once."""
        return [parameter for _, parameter in named_parameters(self)]

    @final
    def train(self, mode: bool = True) -> None:
        """Switch this module and all inside to train mode, or with False to eval mode."""
        for _, module in named_modules(self):
            module.training = mode

    @final
    def eval(self) -> None:
        """Switch this module and all inside to eval mode, in which forward keeps nothing."""
        self.train(False)

    @final
    def build(
        self,
        *,
        seed: int | None = None,
        seeds: Sequence[int] | None = None,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> Network:
        """Check the shapes, allocate and initialize every parameter, and return the network.

        Args:
            seed: of a single network; 0 if neither is given.
            seeds: of an ensemble, one per member; member i starts as the single network with seeds[i].
            dtype: of every parameter; torch's default dtype if not given.
            device: of every parameter. The first values do not depend on it.

        Raises:
            ShapeError: if neighbouring modules do not fit.
            ChainruleError: if both seed and seeds are given, or the module is already built.
        """
        from chainrule.network import Network

        return Network(self, seed=seed, seeds=seeds, dtype=dtype, device=device)

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        """Return instances, each with the shape of one example input; the conformance kit and the docs use them."""
        return [(cls(), (4,))]

    def __repr__(self) -> str:
        settings = {
            name: getattr(self, name, argument.default)
            for name, argument in inspect.signature(type(self)).parameters.items()
            if getattr(self, name, argument.default) != argument.default
        }
        shown = [f"{name}={value!r}" for name, value in settings.items() if not isinstance(value, Parameter)]
        return f"{type(self).__name__}({', '.join(shown)})"


def named_modules(module: ModuleLike, prefix: str = "") -> Iterator[tuple[str, ModuleLike]]:
    """Yield the module and all inside it, depth first, each with its dotted name; the outermost one's is empty."""
    yield prefix, module
    for name, child in module.named_children():
        yield from named_modules(child, f"{prefix}.{name}" if prefix else name)


def named_parameters(module: ModuleLike) -> Iterator[tuple[str, Parameter]]:
    """Yield every parameter inside with its dotted name; a shared one once, under its first name."""
    seen = set()
    for prefix, inner in named_modules(module):
        for name, parameter in inner.own_parameters():
            if parameter not in seen:
                seen.add(parameter)
                yield f"{prefix}.{name}" if prefix else name, parameter
