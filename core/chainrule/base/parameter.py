"""`Parameter`: a trainable tensor, declared by a module and allocated by `build`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from torch import Size, Tensor

from chainrule.arguments import integer
from chainrule.base.declarations import checked_initializer, checked_shape
from chainrule.base.declared_attributes import DeclaresAttributes
from chainrule.base.operators import ARITHMETIC, ITEMS, ORDER, without
from chainrule.base.protocols import InitializerLike
from chainrule.calls import explained
from chainrule.errors import ChainruleError, ShapeError

VALUES = "Its values are parameter.data, with the member axis in front."


@without({**ARITHMETIC, **ORDER, **ITEMS}, lambda _: "parameter:", VALUES)
class Parameter(DeclaresAttributes):
    """A trainable tensor, declared with its shape and initializer; `build` allocates its values and its gradient.

    Args:
        shape: the sizes for one member.
        init: what fills each member's tensor with its first values.
        fan_in: the number of inputs to each output, by which initializers choose their scale.
        fan_out: the number of outputs of each input, likewise.

    Attributes:
        data: the values, (M, *shape) for M members, a view of the network's flat buffer; `grad` likewise.
        transposed: for a matrix, data with its last two axes exchanged, (M, in, out).
        row: for a vector, data with an axis to broadcast over a batch, (M, 1, n); `grad_row` likewise.

    Raises:
        ShapeError: if a size or a fan is not a positive integer.
        ChainruleError: if init is no initializer, or an attribute is used before `build`.
    """

    shape: Size
    init: InitializerLike
    fan_in: int
    fan_out: int
    data: Tensor
    grad: Tensor
    transposed: Tensor
    row: Tensor
    grad_row: Tensor

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(dir(Tensor), VALUES),
        **dict.fromkeys(("T", "mT", "t", "transpose"), "Write parameter.transposed, for a matrix."),
        **dict.fromkeys(("name", "names"), "Names are in network.named_parameters()."),
        **dict.fromkeys(("requires_grad", "requires_grad_"), 'Keep it out of training with network.freeze("*.bias").'),
        **dict.fromkeys(("numel", "size", "dim", "ndim"), "Its shape without the member axis is parameter.shape."),
    }

    @explained
    def __init__(self, *shape: int, init: InitializerLike, fan_in: int, fan_out: int) -> None:
        self.shape = checked_shape("Parameter", shape)
        self.init = checked_initializer("Parameter", init)
        self.fan_in = integer("Parameter", "fan_in", fan_in, at_least=1, error=ShapeError)
        self.fan_out = integer("Parameter", "fan_out", fan_out, at_least=1, error=ShapeError)

    def bind(self, data: Tensor, grad: Tensor) -> None:
        """Take these tensors, each (M, *shape), as values and gradient."""
        vars(self).update(data=data, grad=grad)
        # Created once: creating a view costs as much as a small product.
        if len(self.shape) == 1:
            self.row, self.grad_row = data.unsqueeze(1), grad.unsqueeze(1)
        elif len(self.shape) > 1:
            self.transposed = data.mT

    def unbind(self) -> None:
        """Give up the tensors that `bind` has taken, as before it."""
        for name in ("data", "grad", "row", "grad_row", "transposed"):
            vars(self).pop(name, None)

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
            raise ChainruleError(
                f"{self!r}: {name} needs a built module. Call build() on a module with it in an attribute."
            )
        return super().__getattr__(name)  # type: ignore[misc]

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
