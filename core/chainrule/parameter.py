"""`Parameter`, and the two flat buffers that parameters are views of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule.errors import ChainruleError, ShapeError
from chainrule.protocols import Initializer


class Parameter:
    """Declare a tensor to be trained; `build` gives it values and a gradient.

    Shapes: data and grad are (M, *shape) with M members; both are views of the network's flat buffers
    Errors: ShapeError if a size is not a positive integer; ChainruleError if data or grad is used before `build`
    """

    def __init__(self, *shape: int, init: Initializer, fan_in: int, fan_out: int) -> None:
        if not all(isinstance(size, int) and size > 0 for size in shape):
            raise ShapeError(
                f"Parameter: every size must be a positive integer, got {shape}. Pass sizes of at least 1."
            )
        self.shape = torch.Size(shape)
        self.init = init
        self.fan_in = fan_in
        self.fan_out = fan_out
        self._data: Tensor | None = None
        self._grad: Tensor | None = None

    @property
    def data(self) -> Tensor:
        """The values, (M, *shape)."""
        if self._data is None:
            raise ChainruleError(f"{self!r}: must be built before use, got no data. Call build() on the module first.")
        return self._data

    @property
    def grad(self) -> Tensor:
        """The accumulated gradient, (M, *shape)."""
        if self._grad is None:
            raise ChainruleError(f"{self!r}: must be built before use, got no grad. Call build() on the module first.")
        return self._grad

    def bind(self, data: Tensor, grad: Tensor) -> None:
        """Make these two tensors, each (M, *shape), the parameter's own."""
        self._data, self._grad = data, grad

    @property
    def is_built(self) -> bool:
        """Whether the parameter has values."""
        return self._data is not None

    def __getstate__(self) -> dict[str, Any]:
        # A view would drag the whole flat buffer into every pickle and copy.
        state = self.__dict__.copy()
        for name in ("_data", "_grad"):
            if state[name] is not None:
                state[name] = state[name].clone()
        return state

    def __repr__(self) -> str:
        return f"Parameter({', '.join(map(str, self.shape))})"


class FlatBuffers:
    """One data buffer and one gradient buffer; allocating them makes every parameter a view of both.

    Parameters follow each other, those of rank 2 and more first, so that all biases form one run. Each is contiguous as
    (M, *shape), so that an update of the whole network is a few operations on one vector.
    """

    def __init__(self, parameters: Sequence[Parameter], members: int, dtype: torch.dtype, device: torch.device) -> None:
        self.members = members
        self.parameters = sorted(parameters, key=lambda parameter: len(parameter.shape) < 2)
        total = members * sum(parameter.shape.numel() for parameter in self.parameters)
        # Buffers outlive every step, so they must be ordinary tensors even under inference mode.
        with torch.inference_mode(False), torch.no_grad():
            self.data = torch.zeros(total, dtype=dtype, device=device)
            self.grad = torch.zeros(total, dtype=dtype, device=device)
            self.spans: dict[Parameter, slice] = {}
            start = 0
            for parameter in self.parameters:
                span = slice(start, start + members * parameter.shape.numel())
                shape = (members, *parameter.shape)
                parameter.bind(self.data[span].view(shape), self.grad[span].view(shape))
                self.spans[parameter] = span
                start = span.stop
