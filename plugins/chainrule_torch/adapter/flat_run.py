"""`FlatRun`: parameters whose elements an elementwise rule steps together, as vectors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

import torch
from torch import Tensor

from chainrule import StateError
from chainrule.base.optimizer import State
from chainrule.errors import label
from chainrule.updates.chain import Chain
from chainrule.updates.elementwise import SLICE
from chainrule.updates.member_step import Tensors
from chainrule.updates.moment import Moment
from chainrule_torch.adapter.draws import Draws
from chainrule_torch.adapter.group_rule import GroupRule
from chainrule_torch.adapter.initial_state import state_of
from chainrule_torch.adapter.precision import Precision
from chainrule_torch.adapter.state_entries import KEY, STEP

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
        self._sizes = list(map(Tensor.numel, parameters))
        self._stops = list(accumulate(self._sizes))
        self._is_contiguous = all(map(Tensor.is_contiguous, parameters))
        self._shapes = [tuple(each.shape) for each in parameters]
        self._strides = [] if self._is_contiguous else list(map(own_stride, parameters))
        self._has_vectors = self._is_contiguous and all(len(shape) == 1 for shape in self._shapes)
        self.state: State = {}
        self._states: Sequence[Mapping[str, Tensor]] = []

    @abstractmethod
    def _gather(self, which: Sequence[int] | None) -> None:
        """Let `data` have the elements of these of the members, or of all."""

    @abstractmethod
    def _gradient(self, grads: list[Tensor], which: Sequence[int] | None) -> Tensor:
        """Return the vector of these gradients, one for each of these of the members, or of all."""

    @abstractmethod
    def _scatter(self, which: Sequence[int] | None) -> None:
        """Let these of the members, or all, have what is in `data`."""

    def lay_out(self, rule: GroupRule, precision: Precision, state: State | None) -> None:
        """Keep the rule's state in vectors.

        Args:
            rule: the group's.
            precision: how steps are rounded.
            state: what `vectors_of` finds for these parameters.

        Raises:
            ContractError: if an entry of the rule's has another shape than the parameter.
        """
        self._precision = precision
        if state is not None:
            self._keep(state)
            if not rule.begins_alike:
                self.begin(rule.chain, range(len(self.members)))
            return
        if not rule.begins_alike:
            self._gather(None)
        self._keep(state_of(rule, precision, self.data))

    def _keep(self, state: State) -> None:
        self.state = state
        dtypes = [self.data.dtype, *(entry.dtype for entry in state.values())]
        self._kind = f"{self.data.device} {dtypes}"  # whose hash is kept

    def show(self, chain: Chain, states: Sequence[dict[str, Tensor]]) -> None:
        """Let entries of the parameters' state be views of the vectors, which take over what is in them before.

        Args:
            chain: the rule.
            states: those of the parameters.

        Raises:
            StateError: if an entry has another shape than the parameter.
        """
        vectors = {}
        for name, vector in self.state.items():
            known = [state.get(name) for state in states]
            of_steps = [entry for entry, state in zip(known, states, strict=True) if state[STEP]]
            kept = next((entry for entry in of_steps if entry is not None), vector)
            vectors[name] = vector.to(kept.dtype)
            for state, entry, view in zip(states, known, self._shaped(vectors[name]), strict=True):
                if entry is not None and entry.shape != view.shape:
                    raise StateError(
                        f"{label(chain.rule)}: state {name!r} of a parameter must have its shape {tuple(view.shape)}, "
                        f"got {tuple(entry.shape)}. Put one of that shape there."
                    )
                if entry is not None:
                    view.copy_(entry)
                state[name] = view
        self._states = states
        self._keep(vectors)

    def begin(self, chain: Chain, which: Sequence[int]) -> None:
        """Make the state of these of the members anew, from what the parameters are now."""
        self._gather(None if len(which) == len(self.members) else which)
        size = SLICE if self.data.is_cpu else max(len(self.data), 1)
        for first, stop in _spans(which, [None] * len(which)):
            span = self._span(first, stop)
            for start in range(span.start, span.stop, size):
                part = slice(start, min(start + size, span.stop))
                for name, fresh in self._precision.begin_vector(chain, self.data[part]).items():
                    self.state[name][part].copy_(fresh)

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
            return list(map(torch.reshape, parts, self._shapes))  # a view, made sooner than by other methods
        forms = zip(parts, self._shapes, self._strides, strict=True)
        return [shaped(part, shape, stride) for part, shape, stride in forms]


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
            (like,) = self._shaped(torch.empty_like(self.data))
            grad = like.copy_(grad)
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
        self._grad, self._is_dense = grad, is_dense(parameters[0])
        self._grads: list[Tensor] = []
        if self._has_vectors or not self._is_dense:
            self._places = list(map(Tensor.detach, parameters))
        else:
            self._places = list(map(torch.ravel if self._is_contiguous else _vector, parameters))
        self._parts = list(data.split_with_sizes(self._sizes)) if self._is_dense else self._shaped(data)

    def _gather(self, which: Sequence[int] | None) -> None:
        if which is None and self._is_dense:
            torch.cat(self._places, out=self.data)  # in half the time
        else:
            torch._foreach_copy_(some(self._parts, which), some(self._places, which))

    def _gradient(self, grads: list[Tensor], which: Sequence[int] | None) -> Tensor:
        if which is None and self._has_vectors:
            torch.cat(grads, out=self._grad)
            return self._grad
        if not self._grads:
            self._grads = self._shaped(self._grad)
        torch._foreach_copy_(some(self._grads, which), grads)
        return self._grad

    def _scatter(self, which: Sequence[int] | None) -> None:
        torch._foreach_copy_(some(self._places, which), some(self._parts, which))


def addresses(tensors: Iterable[Tensor]) -> list[int]:
    """Return where tensors lie in memory, which tells apart others in their place, and others' data in them."""
    return list(map(Tensor.data_ptr, tensors))


def is_dense(tensor: Tensor) -> bool:
    """Whether the elements fill a stretch of memory, in any order of the axes."""
    return tensor.is_contiguous() or torch.empty_like(tensor).stride() == tensor.stride()


def _vector(tensor: Tensor) -> Tensor:
    """Return a view of a dense tensor in the order of memory."""
    return tensor.view(-1) if tensor.is_contiguous() else tensor.as_strided((tensor.numel(),), (1,))


def own_stride(tensor: Tensor) -> Sequence[int] | None:
    """Return the strides of a dense tensor whose axes are in another order than in memory, else None."""
    return None if tensor.is_contiguous() or not is_dense(tensor) else tensor.stride()


def shaped(vector: Tensor, shape: Sequence[int], stride: Sequence[int] | None) -> Tensor:
    """Return a view of a vector with a shape, and with strides if they are given."""
    return vector.reshape(shape) if stride is None else vector.as_strided(shape, stride)


def some(items: list[Item], which: Sequence[int] | None) -> list[Item]:
    """Return these of the items, or all."""
    return items if which is None else [items[i] for i in which]


def _spans(which: Sequence[int], kinds: Sequence[object]) -> Iterator[tuple[int, int]]:
    """Yield first and end of each stretch of successive indices of one kind."""
    first = 0
    for i in range(1, len(which) + 1):
        if i == len(which) or which[i] != which[i - 1] + 1 or kinds[i] is not kinds[i - 1]:
            yield which[first], which[i - 1] + 1
            first = i
