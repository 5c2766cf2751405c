"""`FlatRun`: parameters whose elements an elementwise rule steps together, as vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TypeVar

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from chainrule import ContractError, StateError
from chainrule.base.optimizer import State
from chainrule.errors import label
from chainrule.updates.chain import Chain
from chainrule.updates.member_step import Tensors
from chainrule.updates.moment import Moment
from chainrule_torch.adapter.draws import Draws
from chainrule_torch.adapter.group_rule import GroupRule
from chainrule_torch.adapter.precision import Precision
from chainrule_torch.adapter.state_entries import KEY

Item = TypeVar("Item")


class FlatRun(ABC):
    """Parameters of one dtype and device, their elements and state as vectors, in the order of memory.

    Args:
        members: the indices of the parameters in their group.
        parameters: the parameters.
        data: a vector of so many elements.

    Attributes:
        state: the entries of the rule's state, vectors of which the entries of each parameter are views.
    """

    def __init__(self, members: Sequence[int], parameters: Sequence[Tensor], data: Tensor) -> None:
        self.members, self.data = members, data
        self._held = [parameter.detach() for parameter in parameters]
        self._sizes = [each.numel() for each in self._held]
        self._stops = list(accumulate(self._sizes))
        self._is_contiguous = all(map(Tensor.is_contiguous, self._held))
        self._has_vectors = self._is_contiguous and all(each.dim() == 1 for each in self._held)
        self.state: State = {}

    @abstractmethod
    def _gather(self, which: Sequence[int] | None) -> None:
        """Let `data` have the elements of these of the members, or of all."""

    @abstractmethod
    def _gradient(self, grads: list[Tensor], which: Sequence[int] | None) -> Tensor:
        """Return the vector of these gradients, one for each of these of the members, or of all."""

    @abstractmethod
    def _scatter(self, which: Sequence[int] | None) -> None:
        """Let these of the members, or all, have what is in `data`."""

    def lay_out(
        self, chain: Chain, precision: Precision, states: Sequence[dict[str, Tensor]], *, begins_alike: bool
    ) -> None:
        """Keep the parameters' state in vectors, of which their entries become views; make what it lacks.

        Args:
            chain: the rule.
            precision: how steps are rounded.
            states: those of the parameters.
            begins_alike: whether the rule's initial state does not depend on the parameters' values.

        Raises:
            ContractError: if an entry of the rule's has another shape than the parameter.
            StateError: if an entry that is there has.
        """
        if not begins_alike:
            self._gather(None)
        self._precision, self._states = precision, states
        for name, fresh in precision.begin_vector(chain, self.data).items():
            if fresh.shape != self.data.shape:
                raise ContractError(
                    f"{label(chain.rule)}: state {name!r} of an elementwise rule must have the parameter's shape "
                    f"{tuple(self.data.shape)}, got {tuple(fresh.shape)}. "
                    "Set elementwise = False if it is not elementwise."
                )
            known = [state.get(name) for state in states]
            kept = next((entry for entry in known if entry is not None), fresh)
            self.state[name] = vector = fresh.to(kept.dtype)
            views = self._shaped(vector)
            for state, entry, view in zip(states, known, views, strict=True):
                if entry is not None and entry.shape != view.shape:
                    raise StateError(
                        f"{label(chain.rule)}: state {name!r} of a parameter must have its shape {tuple(view.shape)}, "
                        f"got {tuple(entry.shape)}. Put one of that shape there."
                    )
                if entry is not None:
                    view.copy_(entry)
                state[name] = view
        dtypes = [self.data.dtype, *(entry.dtype for entry in self.state.values())]
        self._kind = f"{self.data.device} {dtypes}"  # whose hash is kept

    def begin(self, chain: Chain, which: Sequence[int]) -> None:
        """Make the state of these of the members anew, from what the parameters are now."""
        self._gather(which)
        for first, stop in _spans(which, [None] * len(which)):
            span = self._span(first, stop)
            for name, fresh in self._precision.begin_vector(chain, self.data[span]).items():
                self.state[name][span].copy_(fresh)

    def take(self, rule: GroupRule, grads: list[Tensor], moment: Moment) -> None:
        """Take a step with every member."""
        self._gather(None)
        self._step(rule, self.data, self._gradient(grads, None), self.state, moment, 0, len(self._sizes))
        self._scatter(None)

    def take_each(self, rule: GroupRule, grads: Sequence[Tensor | None], moments: Sequence[Moment]) -> None:
        """Take a step with every member that has a gradient, each at its moment."""
        which = [i for i, grad in enumerate(grads) if grad is not None]
        if not which:
            return
        self._gather(which)
        grad = self._gradient([each for each in grads if each is not None], which)
        for first, stop in _spans(which, [moments[i] for i in which]):
            span = self._span(first, stop)
            state = {name: entry[span] for name, entry in self.state.items()}
            self._step(rule, self.data[span], grad[span], state, moments[first], first, stop)
        self._scatter(which)

    def _step(
        self, rule: GroupRule, data: Tensor, grad: Tensor, state: State, moment: Moment, first: int, stop: int
    ) -> None:
        """Take a step with members from a first one on."""
        if not self._precision.widens(data):
            rule.take(self._kind, data, grad, state, moment)
            return
        keys = [state[KEY] for state in self._states[first:stop]]
        draws = Draws(keys, self._sizes[first:stop], int(moment.t), slice(0, len(data)))
        row = Tensors(data, grad, state, keys[0])
        self._precision.take_vector(rule, (self._kind, grad.dtype), row, draws, moment, ascends=rule.maximize)

    def _span(self, first: int, stop: int) -> slice:
        return slice(self._stops[first] - self._sizes[first], self._stops[stop - 1])

    def _shaped(self, vector: Tensor) -> list[Tensor]:
        """Return the parts of a vector as the parameters are, in shape and order of memory."""
        parts = vector.split_with_sizes(self._sizes)
        if self._has_vectors:
            return list(parts)
        if self._is_contiguous:
            return list(map(Tensor.view_as, parts, self._held))
        return [_shaped(part, each) for part, each in zip(parts, self._held, strict=True)]


class LyingRun(FlatRun):
    """A single parameter, stepped where it lies."""

    def __init__(self, member: int, parameter: Tensor) -> None:
        super().__init__([member], [parameter], _vector(parameter.detach()))
        self._stride = parameter.stride()

    def _gather(self, which: Sequence[int] | None) -> None:
        pass

    def _gradient(self, grads: list[Tensor], which: Sequence[int] | None) -> Tensor:
        grad = grads[0]
        if grad.stride() != self._stride:
            grad = torch.empty_like(self._held[0]).copy_(grad)
        return grad if self._has_vectors else _vector(grad)

    def _scatter(self, which: Sequence[int] | None) -> None:
        pass


class GatheredRun(FlatRun):
    """Parameters that are gathered for a step and scattered after it, where that costs less than steps of their own.

    Args:
        members: the indices of the parameters in their group.
        parameters: the parameters; a single one may lie in any way.
        data: to gather them in.
        grad: to gather their gradients in.
    """

    def __init__(self, members: Sequence[int], parameters: Sequence[Tensor], data: Tensor, grad: Tensor) -> None:
        super().__init__(members, parameters, data)
        self._is_dense = is_dense(self._held[0])
        self._places = self._held
        if self._is_dense and not self._has_vectors:
            self._places = list(map(torch.ravel if self._is_contiguous else _vector, self._held))
        self._parts = list(data.split_with_sizes(self._sizes)) if self._is_dense else self._shaped(data)
        self._grad, self._grads = grad, self._shaped(grad)

    def _gather(self, which: Sequence[int] | None) -> None:
        if which is None and self._is_dense:
            torch.cat(self._places, out=self.data)  # in half the time
        else:
            torch._foreach_copy_(_some(self._parts, which), _some(self._places, which))

    def _gradient(self, grads: list[Tensor], which: Sequence[int] | None) -> Tensor:
        if which is None and self._has_vectors:
            torch.cat(grads, out=self._grad)
        else:
            torch._foreach_copy_(_some(self._grads, which), grads)
        return self._grad

    def _scatter(self, which: Sequence[int] | None) -> None:
        torch._foreach_copy_(_some(self._places, which), _some(self._parts, which))


class FlattenedRun(FlatRun):
    """Parameters whose data and gradients are views of two vectors from now on.

    A gradient that is none of these views is copied to its view, which takes its place.
    """

    def __init__(self, members: Sequence[int], parameters: Sequence[Tensor]) -> None:
        first, sizes = parameters[0], [parameter.numel() for parameter in parameters]
        data = torch.empty(sum(sizes), dtype=first.dtype, device=first.device)
        for parameter, part in zip(parameters, data.split_with_sizes(sizes), strict=True):
            view = _shaped(part, parameter)
            parameter.data = view.copy_(parameter)
        super().__init__(members, parameters, data)
        self._parameters = list(parameters)
        self._grad = torch.zeros_like(data)
        self._grads = self._shaped(self._grad)
        self._addresses = addresses(self._grads)
        for parameter, view in zip(self._parameters, self._grads, strict=True):
            if parameter.grad is not None:
                parameter.grad = view.copy_(parameter.grad).detach()  # whose own data may be exchanged

    def zero_grad(self, *, set_to_none: bool) -> None:
        """Set the gradients to 0; others in their place are removed, or set to 0 too."""
        self._grad.zero_()
        for parameter, view, address in zip(self._parameters, self._grads, self._addresses, strict=True):
            if parameter.grad is not None and parameter.grad.data_ptr() != address:
                parameter.grad = None if set_to_none else view.detach()

    def _gather(self, which: Sequence[int] | None) -> None:
        pass

    def _gradient(self, grads: Sequence[Tensor], which: Sequence[int] | None) -> Tensor:
        known = _some(self._addresses, which)
        if known != addresses(grads):
            views, parameters = _some(self._grads, which), _some(self._parameters, which)
            for parameter, grad, view, address in zip(parameters, grads, views, known, strict=True):
                if grad.data_ptr() != address:
                    parameter.grad = view.copy_(grad).detach()
        return self._grad

    def _scatter(self, which: Sequence[int] | None) -> None:
        increment_version(_some(self._parameters, which))  # the vector has a version of its own


def addresses(tensors: Iterable[Tensor]) -> list[int]:
    """Return where tensors lie in memory, which tells apart others in their place, and others' data in them."""
    return list(map(Tensor.data_ptr, tensors))


def is_dense(tensor: Tensor) -> bool:
    """Whether the elements fill a stretch of memory, in any order of the axes."""
    return tensor.is_contiguous() or torch.empty_like(tensor).stride() == tensor.stride()


def _vector(tensor: Tensor) -> Tensor:
    """Return a view of a dense tensor in the order of memory."""
    return tensor.view(-1) if tensor.is_contiguous() else tensor.as_strided((tensor.numel(),), (1,))


def _shaped(vector: Tensor, like: Tensor) -> Tensor:
    """Return a view of a vector with the shape of a tensor, and with its strides if it is dense."""
    if like.is_contiguous() or not is_dense(like):
        return vector.view_as(like)
    return vector.as_strided(like.shape, like.stride())


def _some(items: list[Item], which: Sequence[int] | None) -> list[Item]:
    return items if which is None else [items[i] for i in which]


def _spans(which: Sequence[int], kinds: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Yield first and end of each stretch of successive indices of one kind."""
    first = 0
    for i in range(1, len(which) + 1):
        if i == len(which) or which[i] != which[i - 1] + 1 or kinds[i] is not kinds[i - 1]:
            yield which[first], which[i - 1] + 1
            first = i
