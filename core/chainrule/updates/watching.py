"""Finds out whether a rule is elementwise, by watching what it does to a few numbers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from chainrule.base.member_values import converted, of_each_member
from chainrule.base.optimizer import Optimizer
from chainrule.base.random_streams import random_stream
from chainrule.base.step import Due
from chainrule.updates.chain import Chain
from chainrule.updates.definition import definition
from chainrule.updates.moment import Moment

SIZE = 6
"""The numbers on which a rule is watched."""

STEPS = (*range(1, 13), 20, 50, 100, 1000, 10_000)
"""The steps t at which it is, so that what a rule does every few steps is seen too."""

ALLOWED = {
    getattr(torch.ops.aten, name)
    for name in [
        "copy_",
        "zeros_like",
        "ones_like",
        "full_like",
        "empty_like",
        "detach",
        "_to_copy",
        "alias",
        "lift_fresh",
    ]
}
"""Operations that keep each element where it is, beside those that torch tags as pointwise."""

FORM = {"size", "dim", "numel", "nelement", "__len__", "stride", "ndimension", "is_contiguous"}
"""Methods that read a tensor's shape, as the attributes shape and ndim do."""


class NotElementwiseError(Exception):
    """The rule did something that depends on more than an element, or could."""


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Refuses operations that are neither pointwise nor among some others."""

    def __init__(self, others: Collection[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._others = others

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return False, since torch imports its compiler to keep the compiler out: a second, and none is at work."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if torch.Tag.pointwise not in func.tags and func.overloadpacket not in self._others:
            raise NotElementwiseError(str(func))
        return func(*args, **(kwargs or {}))


class _Reading(TorchFunctionMode):
    """Refuses to tell the shape of a tensor."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _SHAPES or getattr(func, "__name__", "") in FORM:
            raise NotElementwiseError(func.__name__)
        return func(*args, **(kwargs or {}))


_SHAPES = (Tensor.shape.__get__, Tensor.ndim.__get__)  # type: ignore[attr-defined]  # descriptors of C types


def is_elementwise(rule: Optimizer) -> bool:
    """Return whether every layer of the rule is elementwise: as its class declares, or else as it acts.

    A rule that sums over parameters, accepts only some ranks or draws random numbers is not. In doubt it is not.
    """
    return _is_elementwise(rule, definition(rule))


def questions(rule: Optimizer) -> list[tuple[int, int]]:
    """Return what an elementwise rule asks `Step.every` about."""
    return _questions(rule, definition(rule))


@lru_cache(maxsize=256)
def _is_elementwise(rule: Optimizer, _: object) -> bool:
    chain = Chain(rule)
    declared = [layer.elementwise for layer in chain.layers]
    if chain.has_sums or False in declared:
        return False
    if None not in declared:
        return True
    if any(layer.ranks != Optimizer.ranks for layer in chain.layers):
        return False
    try:
        with torch.inference_mode(False), torch.no_grad():
            return _acts_elementwise(rule)
    except Exception:  # noqa: BLE001 - a rule may fail on such numbers in any way, and is then told of it on its own
        return False


@contextmanager
def watching(*others: Any) -> Iterator[None]:
    """Refuse to tell shapes, and operations that mix elements, unless they are among the others."""
    with _Reading(), _Operations(ALLOWED.union(others)):
        yield


@lru_cache(maxsize=256)
def _questions(rule: Optimizer, _: object) -> list[tuple[int, int]]:
    asked: set[tuple[int, int]] = set()
    with torch.inference_mode(False), torch.no_grad():
        _moved(rule, _drawn(), asked=asked)
    return sorted(asked)


def _acts_elementwise(rule: Optimizer) -> bool:
    drawn = _drawn()
    whole = _moved(rule, drawn, watched=True)
    pieces = [_moved(rule, drawn[:, part]) for part in (slice(2), slice(2, None))]
    return torch.allclose(whole, torch.cat(pieces, 1), rtol=1e-12, atol=1e-12, equal_nan=True)


def _drawn() -> Tensor:
    return torch.randn(1 + len(STEPS), SIZE, generator=random_stream(0, "watching"), dtype=torch.float64, device="cpu")


def _moved(
    rule: Optimizer, drawn: Tensor, *, watched: bool = False, asked: set[tuple[int, int]] | None = None
) -> Tensor:
    """Return the first row after steps along the others, and what it is evaluated with then, (2, …).

    Each step is taken with both answers of `Step.every`; where what is asked is collected, that alone.
    """
    parameter, *gradients = drawn.clone().unbind()
    (plain,) = of_each_member(rule, 1)
    numbers = Chain(plain)
    chain = Chain(converted(rule, lambda value: value[0].to(parameter).expand_as(parameter)), checks=False)
    with watching() if watched else nullcontext():
        state = chain.init(parameter)
    if any(entry.shape != parameter.shape for entry in state.values()):
        raise NotElementwiseError("its state has another shape")
    states = chain.states(state)
    for t, grad in zip(STEPS, gradients, strict=True):
        for due in (Due(t), Always(t)):
            steps = chain.steps(Moment(t, plain.lr, numbers.scalars(t), due))
            with watching() if watched else nullcontext():
                chain.take(parameter, grad, states, steps)
            if asked is not None:
                asked.update(due)
    if asked is not None:
        return parameter
    with watching() if watched else nullcontext():
        evaluated = chain.evaluation_parameter(parameter, states)
    return torch.stack([parameter, evaluated])


class Always(Due):
    """Answers that every step is due."""

    def __missing__(self, asked: tuple[int, int]) -> bool:
        self[asked] = True
        return True
