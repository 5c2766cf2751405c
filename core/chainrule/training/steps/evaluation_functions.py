"""The compiled functions of evaluations, which are found again by an evaluation's form, or by its graph."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from chainrule.base.generators import random_numbers_kept
from chainrule.base.metric import Metric
from chainrule.base.protocols import LossLike
from chainrule.errors import ContractError
from chainrule.network import Network
from chainrule.training.batch_values import BatchValues, batch_values, sums_of
from chainrule.training.steps.eager import UntraceableError
from chainrule.training.steps.evaluation_stage import EvaluationStage
from chainrule.training.steps.form import NoFormError, form_of_parts
from chainrule.training.steps.functions import compiled, kinds_of, make_room
from chainrule.training.steps.snapshot import Snapshot, undeclared_tensors
from chainrule.training.steps.tracing import (
    Traced,
    changed_by,
    expect_no_views,
    graph_of,
)

Function: TypeAlias = Callable[..., Sequence[Tensor]]


class Evaluated(NamedTuple):
    """What is evaluated on a batch: a network in eval mode, with a loss over members and metrics."""

    network: Network
    loss: LossLike
    metrics: Mapping[str, Metric]

    @property
    def parts(self) -> list[object]:
        """Modules and the loss."""
        return [*self.network.modules(), self.loss]

    @property
    def owners(self) -> list[object]:
        """All that holds attributes."""
        return [*self.parts, *self.metrics.values()]


class Layout:
    """How tensors that a function returns, and numbers that are the same for every batch, make up `BatchValues`."""

    def __init__(self, values: BatchValues) -> None:
        leaves, self._structure = pytree.tree_flatten(values)
        self._leaves = [None if isinstance(leaf, Tensor) else leaf for leaf in leaves]
        self._are_tensors = [isinstance(leaf, Tensor) for leaf in leaves]

    def tensors(self, values: BatchValues) -> list[Tensor]:
        """Return the tensors among the values."""
        return [leaf for leaf in pytree.tree_leaves(values) if isinstance(leaf, Tensor)]

    def values(self, tensors: Sequence[Tensor]) -> BatchValues:
        """Return the values that have these tensors."""
        given = iter(tensors)
        leaves = [next(given) if is_one else leaf for leaf, is_one in zip(self._leaves, self._are_tensors, strict=True)]
        found: BatchValues = pytree.tree_unflatten(leaves, self._structure)
        return found


class Known(NamedTuple):
    """A function of some form.

    Attributes:
        constants: its first tensors, by path those that the parts hold undeclared.
    """

    function: Function
    layout: Layout
    constants: Sequence[str | Tensor]


_by_form: dict[Hashable, Known] = {}


def evaluation_of(evaluated: Evaluated, stage: EvaluationStage) -> tuple[Function, list[Tensor], Layout]:
    """Return the compiled function of the batch on the stage, the tensors that it takes, and how to read its outputs.

    Metrics that cannot be traced are not among these; where the function does not compile with the others, none are.

    Raises:
        Exception: if network and loss cannot be traced or compiled.
    """
    undeclared = undeclared_tensors(evaluated.owners)
    tensors = [*_state_of(evaluated.network)[0], *stage.tensors]
    try:
        form: Hashable = (
            form_of_parts(evaluated.parts, evaluated.metrics),
            torch.get_default_dtype(),
            tuple(undeclared),
            kinds_of([*undeclared.values(), *tensors]),
        )
    except NoFormError:
        form = None
    known = _by_form.get(form)
    if known is None:
        try:
            known = _compiled(evaluated, stage, undeclared)
        except Exception:  # where one of the metrics is to blame, all of them run eagerly
            if not evaluated.metrics:
                raise
            known = _compiled(evaluated._replace(metrics={}), stage, undeclared)
        if form is not None:
            make_room(_by_form)
            _by_form[form] = known
    first = [undeclared[each] if isinstance(each, str) else each for each in known.constants]
    return known.function, [*first, *tensors], known.layout


def _compiled(evaluated: Evaluated, stage: EvaluationStage, undeclared: Mapping[str, Tensor]) -> Known:
    traced, layout = trace_evaluation(evaluated, stage, undeclared)
    return Known(compiled(traced.graph, traced.tensors), layout, traced.constants)


@random_numbers_kept()
def trace_evaluation(
    evaluated: Evaluated, stage: EvaluationStage, undeclared: Mapping[str, Tensor]
) -> tuple[Traced, Layout]:
    """Return the graph of the evaluation of the batch on the stage, and how to read its outputs.

    Raises:
        Exception: if network, loss or a metric cannot be traced.
    """
    with torch.random.fork_rng(devices=[]):
        _values(copy.deepcopy(evaluated), *stage.at(stage.tensors))  # what it caches is made outside of the trace
    expect_no_views(undeclared, evaluated.network.flat)
    copied = copy.deepcopy(evaluated, {id(tensor): tensor for tensor in undeclared.values()})
    tensors, structure = _state_of(evaluated.network)
    state = len(tensors)
    tensors += stage.tensors
    layouts = []

    def operations(*values: Tensor) -> list[Tensor]:
        bound = pytree.tree_unflatten(values[:state], structure)
        for parameter, data in zip(copied.network.parameters(), bound["parameters"], strict=True):
            parameter.bind(data, parameter.grad)
        copied.network.bind_declared(bound["declared"])
        before = Snapshot(copied.owners)
        found = _values(copied, *stage.at(values[state:]))
        if changed := before.difference():
            raise UntraceableError(f"it changes {changed} in eval mode")
        layouts.append(Layout(found))
        return layouts[-1].tensors(found)

    traced = graph_of(operations, tensors, undeclared)
    if any(base.op == "placeholder" for node in traced.graph.graph.nodes for base in changed_by(node)):
        raise UntraceableError("it changes a tensor that it is given, such as a Buffer, in eval mode")
    traced.graph.graph.eliminate_dead_code()  # what metrics did that are left out
    traced.graph.recompile()
    return traced, layouts[-1]


def _values(evaluated: Evaluated, x: Tensor, y: Tensor) -> BatchValues:
    """Return the values of a batch, without metrics that do more than operate on tensors."""
    found = batch_values(evaluated.network, evaluated.loss, x, y)
    sums = {}
    for name, metric in evaluated.metrics.items():
        try:
            sums[name] = dict(sums_of(name, metric, found.prediction, y))
        except ContractError:  # its operations are among those of the others
            raise
        except Exception:  # noqa: BLE001, S112 - whatever keeps it from being traced, it may still run eagerly
            continue
    return found._replace(sums=sums)


def _state_of(network: Network) -> tuple[list[Tensor], Any]:
    """Return the tensors that a network reads beside its inputs, and how they are nested."""
    parameters = [parameter.data for parameter in network.parameters()]
    return pytree.tree_flatten({"parameters": parameters, "declared": network.declared_tensors()})
