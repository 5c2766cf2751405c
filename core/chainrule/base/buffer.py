"""`Buffer`: a tensor that a module keeps with its state but does not train."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.declarations import checked_initializer, checked_shape
from chainrule.base.declared_attributes import DeclaresAttributes
from chainrule.base.operators import ARITHMETIC, ITEMS, ORDER, without
from chainrule.base.ordinary_tensors import ordinary
from chainrule.base.protocols import InitializerLike
from chainrule.calls import explained
from chainrule.errors import ChainruleError, ShapeError

VALUES = "Its values are buffer.data, with the member axis in front."


@without({**ARITHMETIC, **ORDER, **ITEMS}, lambda _: "buffer:", VALUES)
class Buffer(DeclaresAttributes):
    """Declare a tensor that is kept, copied and saved with the module and changed in place, such as a running mean.

    Args:
        shape: the shape for one member.
        init: an initializer, or a tensor (*shape) of the first values; zeros if not given.
        dtype: the dtype; the network's if not given.
        persistent: whether `state_dict` holds it.
        shared: whether all members share one, (1, *shape), such as a table of positions.

    Attributes:
        data: the values, (M, *shape) for M members; change them in place, in train mode only.

    Raises:
        ShapeError: if a size is not a positive integer, or init is a tensor of another shape.
        ChainruleError: if data is used before `build`.
    """

    shape: torch.Size
    init: InitializerLike | Tensor | None
    dtype: torch.dtype | None
    persistent: bool
    shared: bool
    data: Tensor

    _instead: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys((*dir(Tensor), "row", "transposed"), VALUES),
        **dict.fromkeys(("grad", "requires_grad", "requires_grad_"), "No gradient goes through a buffer."),
        **dict.fromkeys(("numel", "size", "dim", "ndim"), "Its shape without the member axis is buffer.shape."),
    }

    @explained
    def __init__(
        self,
        *shape: int,
        init: InitializerLike | Tensor | None = None,
        dtype: torch.dtype | None = None,
        persistent: bool = True,
        shared: bool = False,
    ) -> None:
        self.shape = checked_shape("Buffer", shape)
        if isinstance(init, Tensor) and init.shape != self.shape:
            raise ShapeError(f"Buffer: init must have shape {shape}, got {tuple(init.shape)}. Reshape it.")
        if dtype is not None and not isinstance(dtype, torch.dtype):
            raise ChainruleError(
                f"Buffer: dtype must be one of torch's, got {shown(dtype)}. Pass torch.int64, for example."
            )
        if isinstance(init, Tensor):
            init = init.detach().clone()  # the first values do not change with the tensor that they were given as
        self.init = init if init is None or isinstance(init, Tensor) else checked_initializer("Buffer", init)
        self.dtype = dtype
        self.persistent = persistent
        self.shared = shared

    def bind(self, data: Tensor) -> None:
        """Take this tensor, (M, *shape) or if shared (1, *shape), as the values."""
        vars(self)["data"] = data

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "data" and value is not vars(self).get(name):  # `data += …` assigns the same tensor
            raise ChainruleError(
                f"{self!r}: data must change in place, got another tensor. Write buffer.data.copy_(…)."
            )
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> NoReturn:
        if name == "data":
            raise ChainruleError(
                f"{self!r}: data needs a built module. Call build() on a module with it in an attribute."
            )
        return super().__getattr__(name)  # type: ignore[misc]

    def __copy__(self) -> Buffer:
        return copy.deepcopy(self)  # a shallow one would share the values

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "data" in state:
            self.bind(ordinary(state["data"]))

    def __repr__(self) -> str:
        return f"Buffer({', '.join(map(str, self.shape))})"
