"""The multilayer perceptron."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from chainrule import Module, ModuleLike, ShapeError, create
from chainrule.layers import dropout as dropout_layer
from chainrule.layers import linear
from chainrule.ops import expect_flag, expect_module, expect_number, expect_size, shape_after, shown
from chainrule_plugins.layers.sequential import Sequential


class Mlp(Sequential):
    """Apply affine maps in sequence with an activation, and dropout if any, after each but the last.

    Forward:  ``hₖ = φ(hₖ₋₁ Wₖᵀ + bₖ)`` from ``h₀ = x`` on, and ``y = hₗ₋₁ Wₗᵀ + bₗ``
    Backward: the chain rule: each module's backward, from the last to the first
    Shapes:   x (M, N, …, sizes[0]), y (M, N, …, sizes[-1])
    Source:   Rumelhart, Hinton & Williams 1986, "Learning representations by back-propagating errors"
    Raises:   ShapeError if there are fewer than two sizes, one is no positive integer, or x does not fit;
              UnknownComponentError if no activation of that name is registered.

    A module given as activation is copied for each place. One that halves the axis, such as swiglu, halves that size.
    """

    def __init__(
        self, sizes: Sequence[int], activation: str | ModuleLike = "relu", *, bias: bool = True, dropout: float = 0.0
    ) -> None:
        if not isinstance(sizes, Sequence) or isinstance(sizes, str) or len(sizes) < 2:
            raise ShapeError(
                f"mlp: sizes must be two or more, from input to output, got {shown(sizes)}. "
                "Pass [2, 16, 1], for example."
            )
        self.sizes = [expect_size(self, "every size", size) for size in sizes]
        self.bias = expect_flag(self, "bias", bias)
        self.dropout = expect_number(self, "dropout", dropout, at_least=0, at_most=1)
        width, *hidden, last = self.sizes
        modules: list[ModuleLike] = []
        first = activation_of(self, activation)  # without hidden sizes it is checked alone
        activations = [first, *(activation_of(self, activation) for _ in hidden[1:])]
        for size, applied in zip(hidden, activations, strict=False):
            modules += [linear(width, size, bias=self.bias), applied]
            width = width_after(applied, size)
            if self.dropout:
                modules.append(dropout_layer(self.dropout))
        super().__init__(*modules, linear(width, last, bias=self.bias))
        is_name = isinstance(activation, str)
        self.activation = activation if is_name else first if hidden else "identity"

    __repr__ = Module.__repr__

    @classmethod
    def examples(cls) -> list[tuple[Any, tuple[int, ...]]]:
        from chainrule.activations import leaky_relu

        return [(cls([2, 3, 1]), (2,)), (cls([2, 4, 2], "swiglu"), (2,)), (cls([2, 2, 1], leaky_relu(0.2)), (1, 2))]


def activation_of(owner: Module, activation: str | ModuleLike) -> ModuleLike:
    """Return the activation registered by a name, or a copy of the one given; raise ChainruleError for neither."""
    if isinstance(activation, str):
        created: ModuleLike = create("activations", activation)
        return created
    expect_module(owner, "activation", activation)
    return copy.deepcopy(activation)


def width_after(activation: ModuleLike, width: int) -> int:
    """Return the width that an activation leaves of the last axis: half for a gated one."""
    left = shape_after(activation, (width,))[-1]
    return left if isinstance(left, int) else width
