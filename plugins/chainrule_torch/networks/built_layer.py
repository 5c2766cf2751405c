"""A built layer of one member between the calls that PyTorch makes of it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor

from chainrule import Buffer, ModuleLike, Parameter, Random, label
from chainrule.base.module import named_held, named_modules, named_parameters
from chainrule.base.saved_tensors import KeepsForBackward, version

Kept: TypeAlias = list[int | dict[str, Any] | None]
"""For each module how many tensors it saved, None if none; of one that saves in its own way, all its attributes."""


class KeptBuffer(NamedTuple):
    """A buffer as a forward left it.

    Attributes:
        data: its own values, which later forwards may change.
        version: torch's count of their changes.
        copy: what they were, where the forward changed them.
    """

    data: Tensor
    version: int
    copy: Tensor | None


class BuiltLayer:
    """The parts of a layer, which borrows its values for each pass and keeps nothing from one to the next.

    Attributes:
        layer: the layer.
        parameters: its parameters by dotted name.
        buffers: its buffers by dotted name.
        streams: its random streams.
    """

    def __init__(self, layer: ModuleLike) -> None:
        self.layer = layer
        self.parameters = dict(named_parameters(layer))
        self.buffers: dict[str, Buffer] = dict(named_held(layer, Buffer))
        self.streams = [stream for _, stream in named_held(layer, Random)]
        self._modules = [module for _, module in named_modules(layer)]

    def declared(self) -> ModuleLike:
        """Return a copy of the layer that can be built anew."""
        layer = copy.deepcopy(self.layer)
        for _, parameter in named_held(layer, Parameter):
            del vars(parameter)["data"]
        return layer

    @contextmanager
    def restored(self) -> Iterator[None]:
        """Leave every part with the tensors that it has, since those of a traced pass have no values."""
        parts: list[Any] = [*self.parameters.values(), *self.buffers.values(), *self.streams]
        before = [dict(vars(part)) for part in parts]
        try:
            yield
        finally:
            for part, own in zip(parts, before, strict=True):
                vars(part).update(own)

    def switch(self, modes: Iterable[bool], *, with_grad: bool) -> str | None:
        """Set the mode of each module inside; return the name of one through which no gradient can go, or None.

        In eval mode no module saves anything for backward. With a gradient to come, those that compute the same in
        train mode run in it.
        """
        barrier = None
        for module, training in zip(self._modules, modes, strict=False):
            mode = training or (with_grad and getattr(module, "same_in_eval", True))
            if module.training != mode:
                module.training = mode
            if with_grad and not mode:
                barrier = barrier or label(module)
        return barrier

    def bind(self, values: Sequence[Tensor], *, with_grad: bool = False) -> list[Tensor]:
        """Give each parameter its values; return the gradients (1, *shape): zeros, or without memory."""
        grads = []
        for parameter, value in zip(self.parameters.values(), values, strict=True):
            data = value.detach().unsqueeze(0)
            grads.append(torch.zeros_like(data) if with_grad else torch.empty_like(data, device="meta"))
            parameter.bind(data, grads[-1])
        return grads

    def bind_buffers(self, values: Iterable[Tensor]) -> None:
        """Give each buffer its values (1, *shape)."""
        for buffer, value in zip(self.buffers.values(), values, strict=True):
            buffer.bind(value)

    def buffer_versions(self) -> list[int]:
        """Return torch's count of the changes of each buffer."""
        return [version(buffer.data) for buffer in self.buffers.values()]

    def kept_buffers(self, before: Sequence[int]) -> list[KeptBuffer]:
        """Return each buffer as it is, with a copy where it has changed since, as it may in later forwards too."""
        return [
            KeptBuffer(data, version(data), None if version(data) == count else data.clone())
            for data, count in zip((buffer.data for buffer in self.buffers.values()), before, strict=True)
        ]

    def bind_kept(self, kept: Iterable[KeptBuffer]) -> None:
        """Give each buffer its own values, or where these have changed since, the copy of those that they were."""
        self.bind_buffers(
            one.copy if one.copy is not None and version(one.data) != one.version else one.data for one in kept
        )

    def take_saved(self) -> tuple[Kept, list[Tensor]]:
        """Take from the modules what forward saved in them."""
        kept: Kept = []
        saved: list[Tensor] = []
        for module in self._modules:
            if isinstance(module, KeepsForBackward):
                tensors, vars(module)["_saved"] = module._saved, None
                kept.append(None if tensors is None else len(tensors))
                saved += tensors or ()
            else:
                kept.append(dict(vars(module)))
        return kept, saved

    def put_back(self, kept: Kept, saved: Sequence[Tensor]) -> None:
        """Give the modules back what was taken; that no tensor has changed since, autograd has checked."""
        start = 0
        for module, what in zip(self._modules, kept, strict=True):
            if isinstance(what, dict):
                vars(module).update(what)
            elif what is not None:
                vars(module).update(_saved=tuple(saved[start : start + what]), _versions=())
                start += what
