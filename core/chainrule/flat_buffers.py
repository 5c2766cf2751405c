"""`FlatBuffers`: one data and one gradient buffer for a whole network, of which every parameter is a view."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from chainrule.base.parameter import Parameter


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
