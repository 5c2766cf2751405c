"""The compiled functions of steps, which are found again by the form of a step, or by its graph."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.fx import GraphModule

from chainrule.base.step import Due
from chainrule.training.steps.eager import Outputs, TrainingStep
from chainrule.training.steps.form import NoFormError, form_of
from chainrule.training.steps.snapshot import undeclared_tensors
from chainrule.training.steps.stage import Stage
from chainrule.training.steps.tracing import compile_graph, tensors_of, trace

Function: TypeAlias = Callable[..., Outputs]

FUNCTIONS = 256
"""The size of each cache; a compiled function takes a few megabytes."""

_by_graph: dict[object, Function] = {}


class Known(NamedTuple):
    """A function of some form, which is right where its rules get the same answers of `Step.every`.

    Attributes:
        constants: its first tensors, by path those that the parts of the step hold undeclared.
    """

    function: Function
    dues: list[Due | None]
    constants: Sequence[str | Tensor]


_by_form: dict[Hashable, list[Known]] = {}


def function_of(step: TrainingStep, stage: Stage, dues: Sequence[Due | None]) -> tuple[Function, list[Tensor]]:
    """Return the compiled function of the step whose turn it is on the stage, and the tensors that it takes.

    Dues keep what its rules asked.

    Raises:
        Exception: if the step cannot be traced or compiled.
    """
    tensors, undeclared = tensors_of(step, stage), undeclared_tensors(step.parts)
    try:
        form: Hashable = form_of(step), stage.form, tuple(undeclared), kinds_of([*undeclared.values(), *tensors])
    except NoFormError:
        form = None
    for known in _by_form.get(form, ()):
        if all(
            due is None or due.holds_at(now.t) for due, now in zip(known.dues, dues, strict=True) if now is not None
        ):
            for due, now in zip(known.dues, dues, strict=True):
                if due is not None and now is not None:
                    now.update(due)
            first = [undeclared[each] if isinstance(each, str) else each for each in known.constants]
            return known.function, [*first, *tensors]
    graph, tensors, constants = trace(step, stage, dues)
    function = compiled(graph, tensors)
    if form is not None:
        make_room(_by_form)
        _by_form.setdefault(form, []).append(Known(function, list(dues), constants))
    return function, tensors


def operations_of(step: TrainingStep, stage: Stage, dues: Sequence[Due | None]) -> tuple[Function, list[Tensor]]:
    """Return the step whose turn it is on the stage uncompiled, as a function of the tensors that it holds anyway.

    Dues keep what its rules ask.
    """

    def function(*_: Tensor) -> Outputs:
        x, y, moments = stage.at(stage.tensors, dues)
        outputs = step.operations(x, y, moments)
        stage.end(stage.tensors, outputs[1], step.loss.denominator(outputs[0], y))
        return outputs

    return function, tensors_of(step, stage)


def compiled(graph: GraphModule, tensors: Sequence[Tensor]) -> Function:
    """Return the compiled graph; another one of the same operations on tensors of these kinds is not compiled again."""
    key = graph.code, kinds_of(tensors), torch.get_default_dtype()
    if key not in _by_graph:
        make_room(_by_graph)
        _by_graph[key] = compile_graph(graph, tensors)
    return _by_graph[key]


def kinds_of(tensors: Sequence[Tensor]) -> tuple[object, ...]:
    """Return all of the tensors that goes into a compiled function, with which of them share memory."""
    storages = [tensor.untyped_storage().data_ptr() for tensor in tensors]
    shared = [storages.index(storage) for storage in storages]
    return tuple(
        (tensor.shape, tensor.stride(), tensor.dtype, tensor.device, i)
        for tensor, i in zip(tensors, shared, strict=True)
    )


def make_room(cache: dict[Any, Any]) -> None:
    """Remove the oldest entry of a cache that is full."""
    if len(cache) >= FUNCTIONS:
        del cache[next(iter(cache))]
