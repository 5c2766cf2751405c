"""`FlatBuffers`: one data and one gradient buffer for a whole network, with parameters as views."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from chainrule.base.parameter import Parameter
from chainrule.errors import ShapeError


class FlatBuffers:
    """One data buffer and one gradient buffer; every parameter becomes a view of both.

    Parameters of rank 2 and more come first, so that all biases are adjacent. Each is contiguous as (M, *shape), so
    that updating the whole network is a few operations on one vector.
    """

    def __init__(self, parameters: Sequence[Parameter], members: int, dtype: torch.dtype, device: torch.device) -> None:
        self.members = members
        self.parameters = sorted(parameters, key=lambda parameter: len(parameter.shape) < 2)
        total = members * sum(parameter.shape.numel() for parameter in self.parameters)
        # Buffers outlive every step, so they are ordinary tensors even under inference mode.
        with torch.inference_mode(False), torch.no_grad():
            try:
                self.data = torch.zeros(total, dtype=dtype, device=device)
                self.grad = torch.zeros(total, dtype=dtype, device=device)
            except (RuntimeError, ValueError) as error:  # the latter for a count above 2⁶³
                raise ShapeError(
                    f"build: parameters and gradients must fit into the memory of {device}, got {total} of {dtype} and "
                    "as many gradients. Build fewer members, or smaller layers."
                ) from error
            self.spans: dict[Parameter, slice] = {}
            start = 0
            for parameter in self.parameters:
                span = slice(start, start + members * parameter.shape.numel())
                shape = (members, *parameter.shape)
                parameter.bind(self.data[span].view(shape), self.grad[span].view(shape))
                self.spans[parameter] = span
                start = span.stop
