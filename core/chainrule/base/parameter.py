"""`Parameter`: a trainable tensor, declared by a module and allocated by `build`."""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch import Tensor

from chainrule.base.protocols import InitializerLike
from chainrule.errors import ChainruleError, ShapeError


class Parameter:
    """A trainable tensor, declared with its shape and initializer; `build` allocates its values and its gradient.

    Attributes:
        data: the values, (M, *shape) for M members, a view of the network's flat buffer; `grad` likewise.
        transposed: for a matrix, data with its last two axes exchanged, (M, in, out).
        row: for a vector, data with an axis to broadcast over a batch, (M, 1, n); `grad_row` likewise.

    Raises:
        ShapeError: if a size is not a positive integer.
        ChainruleError: if an attribute is used before `build`.
    """

    data: Tensor
    grad: Tensor
    transposed: Tensor
    row: Tensor
    grad_row: Tensor

    def __init__(self, *shape: int, init: InitializerLike, fan_in: int, fan_out: int) -> None:
        if not all(isinstance(size, int) and size > 0 for size in shape):
            raise ShapeError(
                f"Parameter: every size must be a positive integer, got {shape}. Pass sizes of at least 1."
            )
        self.shape = torch.Size(shape)
        self.init = init
        self.fan_in = fan_in
        self.fan_out = fan_out

    def bind(self, data: Tensor, grad: Tensor) -> None:
        """Take these tensors, each (M, *shape), as values and gradient."""
        vars(self).update(data=data, grad=grad)
        # Created once: creating a view costs as much as a small product.
        if len(self.shape) == 1:
            self.row, self.grad_row = data.unsqueeze(1), grad.unsqueeze(1)
        elif len(self.shape) > 1:
            self.transposed = data.mT

    @property
    def is_built(self) -> bool:
        """Whether the parameter has values."""
        return "data" in vars(self)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("data", "grad") and value is not vars(self).get(name):  # `grad += …` assigns the same tensor
            raise ChainruleError(
                f"{self!r}: {name} must stay the network's own tensor, got another one. "
                f"Write parameter.{name}.copy_(…), or network.zero_grad()."
            )
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> NoReturn:
        if name in ("data", "grad", "row", "grad_row", "transposed") and not self.is_built:
            raise ChainruleError(f"{self!r}: {name} needs a built module. Call build() on the module first.")
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __getstate__(self) -> dict[str, Any]:
        # Pickling or copying a view would take the whole flat buffer along.
        declared = {name: vars(self)[name] for name in ("shape", "init", "fan_in", "fan_out")}
        return {**declared, "tensors": (self.data.clone(), self.grad.clone())} if self.is_built else declared

    def __setstate__(self, state: dict[str, Any]) -> None:
        if self.is_built:
            raise ChainruleError(
                f"{self!r}: __setstate__ must be called on a new object, got a built parameter. "
                "Write parameter.data.copy_(…)."
            )
        vars(self).update({name: value for name, value in state.items() if name != "tensors"})
        if "tensors" in state:
            self.bind(*state["tensors"])

    def __repr__(self) -> str:
        return f"Parameter({', '.join(map(str, self.shape))})"
