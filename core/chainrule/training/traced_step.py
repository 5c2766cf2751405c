"""A training step as a graph of tensor operations: a function of every tensor that it reads or changes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.graph import CodeGen
from torch.utils import _pytree as pytree

from chainrule.errors import label
from chainrule.moment import Moment
from chainrule.protocols import Loss
from chainrule.training.step import TrainingStep
from chainrule.updater import Updater

THIN = 4
"""A matrix product with a side of at most this is written out, so that it fuses with what stands around it."""

FEW_MULTIPLICATIONS = 2**15
"""So is one of at most so many multiplications, to which a library's call would add more than it saves."""

_SET_ANEW = {"_saved", "_versions", "_scale", "needs_input_grad", "training"}
"""What the core sets on modules and losses in every step."""


class TracedStep(NamedTuple):
    """A step's graph, to be called as ``graph(*tensors, x, y)``, and those tensors, which it changes in place."""

    graph: GraphModule
    tensors: list[Tensor]


class UntraceableError(Exception):
    """A step is more than operations on the tensors that a graph knows of."""


def trace(updater: Updater, loss: Loss, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> TracedStep:
    """Record one step on a batch (M, N, …), at moments held in tensors, without taking it.

    Raises:
        UntraceableError: if the step draws random numbers, or remembers something other than in a module's tensors.
        Exception: whatever a module, loss or rule raises whose operations depend on the values in its tensors.
    """
    tree = {
        "updater": updater.tensors(),
        "parts": [_tensors(part) for part in (*updater.network.modules(), loss)],
        "moments": [(moment.t, moment.factor, moment.scalars) for moment in moments],
    }
    tensors, structure = pytree.tree_flatten(tree)
    copies: dict[int, Any] = {}
    stand_in, loss = copy.deepcopy((updater, loss), copies)
    step = TrainingStep(stand_in.network, loss, stand_in)
    parts = [*stand_in.network.modules(), loss]

    def operations(*values: Tensor) -> tuple[Tensor, Tensor]:
        *traced, x, y = values
        tree = pytree.tree_unflatten(traced, structure)
        stand_in.bind(tree["updater"])
        for part, own in zip(parts, tree["parts"], strict=True):
            vars(part).update(own)
        before = [dict(vars(part)) for part in parts]
        outputs = _accumulate(step, x, y)
        stand_in.apply([Moment(*numbers) for numbers in tree["moments"]])
        for part, attributes in zip(parts, before, strict=True):
            _expect_same_attributes(part, attributes)
        return outputs

    hidden = {tensor: tensor._version for tensor in copies.values() if isinstance(tensor, Tensor)}
    # Operations are carried out as they are recorded, so on copies.
    graph = make_fx(operations, decomposition_table=_DECOMPOSITIONS)(*(tensor.clone() for tensor in tensors), x, y)
    if any(tensor._version != version for tensor, version in hidden.items()):
        raise UntraceableError("it changes a tensor that is no attribute of a module")
    for node in graph.graph.nodes:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise UntraceableError(f"{node.target} draws random numbers")
    return TracedStep(graph, [*_lift_constants(graph), *tensors])


def _accumulate(step: TrainingStep, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Do as the step does, with gradients that start at zeros which a compiler sees and need not add."""
    parameters = step.updater.network.parameters()
    grads = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.bind(parameter.data, torch.zeros_like(parameter.data))
    outputs = step.accumulate(x, y)
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.bind(parameter.data, grad.copy_(parameter.grad))
    return outputs


def _tensors(part: object) -> dict[str, Tensor]:
    return {name: value for name, value in vars(part).items() if isinstance(value, Tensor)}


def _expect_same_attributes(part: object, before: dict[str, Any]) -> None:
    after = vars(part)
    for name in (before.keys() | after.keys()) - _SET_ANEW:
        if before.get(name) is not after.get(name):
            raise UntraceableError(f"{label(part)} sets its attribute {name} anew")


def _lift_constants(graph: GraphModule) -> list[Tensor]:
    """Turn the tensors that the graph holds into its first inputs, and return them."""
    first, inputs = next(iter(graph.graph.nodes)), {}
    for node in graph.graph.find_nodes(op="get_attr"):
        if node.target not in inputs:
            with graph.graph.inserting_before(first):
                inputs[node.target] = graph.graph.placeholder(node.target)
        node.replace_all_uses_with(inputs[node.target])
        graph.graph.erase_node(node)
    graph.graph.set_codegen(CodeGen())
    graph.recompile()
    return [getattr(graph, name) for name in inputs]


def _bmm(a: Tensor, b: Tensor) -> Any:
    members, rows, inner, columns = *a.shape, b.shape[2]
    if min(rows, inner, columns) <= THIN or members * rows * inner * columns <= FEW_MULTIPLICATIONS:
        return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)
    return NotImplemented


def _baddbmm(x: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    return x + torch.bmm(a, b) if beta == alpha == 1 else NotImplemented


def _baddbmm_(x: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Any:
    return x.add_(torch.bmm(a, b)) if beta == alpha == 1 else NotImplemented


_DECOMPOSITIONS: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.bmm.default: _bmm,
    torch.ops.aten.baddbmm.default: _baddbmm,
    torch.ops.aten.baddbmm_.default: _baddbmm_,
}
"""By operation, how a step's graph has it instead; NotImplemented leaves it as it is."""
