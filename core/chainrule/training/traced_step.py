"""A training step as a graph of tensor operations: a function of every tensor that it reads or changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.graph import CodeGen
from torch.utils import _pytree as pytree

from chainrule.errors import label
from chainrule.moment import Moment
from chainrule.training.step import TrainingStep

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


def trace(step: TrainingStep, x: Tensor, y: Tensor, moments: Sequence[Moment]) -> TracedStep:
    """Record the step on a batch (M, N, …), at moments held in tensors, without taking it.

    Raises:
        UntraceableError: if the step draws random numbers, or remembers something other than in a module's tensors.
        Exception: whatever a module, loss or rule raises whose operations depend on the values in its tensors.
    """
    updater, parts = step.updater, [*step.updater.network.modules(), step.loss]
    tree = {
        "updater": updater.tensors(),
        "parts": [{name: value for name, value in vars(part).items() if isinstance(value, Tensor)} for part in parts],
        "moments": [(moment.t, moment.factor, moment.scalars) for moment in moments],
    }
    tensors, structure = pytree.tree_flatten(tree)

    def operations(*values: Tensor) -> tuple[Tensor, Tensor]:
        *traced, x, y = values
        tree = pytree.tree_unflatten(traced, structure)
        updater.bind(tree["updater"])
        for part, own in zip(parts, tree["parts"], strict=True):
            vars(part).update(own)
        before = [dict(vars(part)) for part in parts]
        outputs = _accumulate(step, x, y)
        updater.apply([Moment(*numbers) for numbers in tree["moments"]])
        for part, attributes in zip(parts, before, strict=True):
            _expect_same_attributes(part, attributes)
        return outputs

    with _as_before(*parts, *updater.network.parameters(), *updater.runs):
        # On fake tensors, which have a shape but no values, so that nothing is computed and nothing changes.
        record = make_fx(operations, _DECOMPOSITIONS, tracing_mode="fake", _allow_non_fake_inputs=True)
        graph = record(*tensors, x, y)
    for node in graph.graph.nodes:
        _expect_traceable(node)
    return TracedStep(graph, [*_lift_constants(graph), *tensors])


@contextmanager
def _as_before(*owners: object) -> Iterator[None]:
    """Give the owners back the attributes that they have now."""
    kept = [dict(vars(owner)) for owner in owners]
    try:
        yield
    finally:
        for owner, attributes in zip(owners, kept, strict=True):
            vars(owner).clear()
            vars(owner).update(attributes)


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


def _expect_same_attributes(part: object, before: dict[str, Any]) -> None:
    after = vars(part)
    for name in (before.keys() | after.keys()) - _SET_ANEW:
        if before.get(name) is not after.get(name):
            raise UntraceableError(f"{label(part)} sets its attribute {name} anew")


def _expect_traceable(node: Node) -> None:
    """Refuse random numbers, and changes of a tensor that is no input."""
    if not isinstance(node.target, OpOverload):
        return
    if torch.Tag.nondeterministic_seeded in node.target.tags:
        raise UntraceableError(f"{node.target} draws random numbers")
    for argument, declared in zip(node.args, node.target._schema.arguments, strict=False):
        if declared.is_write and isinstance(argument, Node) and _base(argument).op == "get_attr":
            raise UntraceableError("it changes a tensor that is no attribute of a module")


def _base(node: Node) -> Node:
    """Return what a view, or the result of an operation in place, is a view of."""
    while isinstance(node.target, OpOverload) and any(value.alias_info for value in node.target._schema.returns):
        node = cast("Node", node.args[0])
    return node


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
