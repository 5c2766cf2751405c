"""`FlattenedRun`: parameters that are views of one vector, and their gradients of another."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd.graph import increment_version
from torch.utils.dlpack import from_dlpack

from chainrule_torch.adapter.flat_run import FlatRun, addresses, own_stride, shaped, some
from chainrule_torch.adapter.initial_state import zeros


class FlattenedRun(FlatRun):
    """Parameters whose data and gradients are views of two vectors from now on.

    A gradient that is none of these views is copied to its view, which takes its place.
    """

    def __init__(self, members: Sequence[int], parameters: Sequence[Tensor]) -> None:
        first, sizes = parameters[0], [parameter.numel() for parameter in parameters]
        data, self._grad = _zeros(sum(sizes), first), _zeros(sum(sizes), first)
        for parameter, part in zip(parameters, data.split_with_sizes(sizes), strict=True):
            view = shaped(part, parameter.shape, own_stride(parameter))
            parameter.data = _apart(view.copy_(parameter))
        super().__init__(members, parameters, data)
        self._parameters = list(parameters)
        self._grads = self._shaped(self._grad)
        self._addresses = addresses(self._grads)
        for parameter, view in zip(self._parameters, self._grads, strict=True):
            if parameter.grad is not None:
                parameter.grad = view.copy_(parameter.grad).detach()  # whose own data may be exchanged

    def zero_grad(self, *, set_to_none: bool) -> None:
        """Set the gradients to 0; others in their place, and those of frozen parameters, are removed or become 0."""
        self._grad.zero_()
        for parameter, view, address in zip(self._parameters, self._grads, self._addresses, strict=True):
            grad = parameter.grad
            if grad is None:
                continue
            if set_to_none and not parameter.requires_grad:  # which neither momentum nor weight decay is to move
                parameter.grad = None
            elif grad.layout is not torch.strided or grad.data_ptr() != address:
                parameter.grad = None if set_to_none else view.detach()

    def _gather(self, which: Sequence[int] | None) -> None:
        pass

    def _gradient(self, grads: Sequence[Tensor], which: Sequence[int] | None) -> Tensor:
        known = some(self._addresses, which)
        if known != addresses(grads):
            views, parameters = some(self._grads, which), some(self._parameters, which)
            for parameter, grad, view, address in zip(parameters, grads, views, known, strict=True):
                if grad.data_ptr() != address:
                    parameter.grad = view.copy_(grad).detach()
        return self._grad

    def _scatter(self, which: Sequence[int] | None) -> None:
        increment_version(some(self._parameters, which))  # the vector has a version of its own


def _apart(view: Tensor) -> Tensor:
    """Return the view's memory as a tensor with a storage of its own: safetensors saves one tensor of each alone."""
    return from_dlpack(view.detach()) if view.numel() else view


def _zeros(size: int, like: Tensor) -> Tensor:
    if like.is_cpu:
        return zeros([size], like.dtype)[0]
    return torch.zeros(size, dtype=like.dtype, device=like.device)
