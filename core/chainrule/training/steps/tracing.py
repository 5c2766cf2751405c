"""Traces a training step into a graph of tensor operations, a function of every tensor that it reads or changes.

Torch's private interfaces that a step needs are used here, in `recording` and in `cuda_graph` alone.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch._guards import TracingContext, tracing
from torch._inductor.inductor_prims import force_stride_order
from torch._ops import OpOverload
from torch._subclasses import FakeTensorMode
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.experimental.symbolic_shapes import ShapeEnv
from torch.fx.graph import CodeGen
from torch.utils import _pytree as pytree

from chainrule.base.generators import random_numbers_kept
from chainrule.base.step import Due
from chainrule.flat_buffers import FlatBuffers
from chainrule.training.steps.eager import Outputs, TrainingStep, UntraceableError
from chainrule.training.steps.snapshot import Snapshot, undeclared_tensors
from chainrule.training.steps.stage import Stage

THIN = 4
"""A matrix product with a side of at most this is written out, so that it fuses with its neighbours."""

FEW_MULTIPLICATIONS = 2**15
"""So is a product of at most this many multiplications, where a library call costs more than it saves."""


_OPTIONS = {
    "cpp.threads": 1,  # an index out of range in another thread would end the process; products keep their threads
    "cpp.enable_tiling_heuristics": False,  # they make small ensembles a little slower
    "size_asserts": False,  # batches are told apart here, and the other tensors stay the same
}


class Traced(NamedTuple):
    """A graph of operations, called as ``graph(*tensors)``, and those tensors, the last of them those of the stage.

    That of a step changes them in place, and gives the prediction and the loss (M,) before the update.

    Attributes:
        constants: the paths of its first tensors, which no part declares; or tensors that no part holds either.
    """

    graph: GraphModule
    tensors: list[Tensor]
    constants: Sequence[str | Tensor]


@random_numbers_kept()
def trace(step: TrainingStep, stage: Stage, dues: Sequence[Due | None]) -> Traced:
    """Trace the step whose turn it is on the stage, without side effects: deep copies of it run.

    The first takes the step with values, so that what the step caches is made outside of the trace. Dues keep what
    the rules asked.

    Raises:
        UntraceableError: if the step draws from other generators than declared ones, or changes undeclared state.
        Exception: whatever a module, loss or rule raises whose operations depend on the values of its tensors.
    """
    with torch.random.fork_rng(devices=[]):
        copy.deepcopy(step).operations(*stage.at(stage.tensors, dues))
    undeclared = undeclared_tensors(step.parts)
    expect_no_views(undeclared, step.updater.network.flat)
    copied = copy.deepcopy(step, {id(tensor): tensor for tensor in undeclared.values()})
    tensors, structure = _state_of(step)
    state = len(tensors)
    tensors += stage.tensors

    def operations(*values: Tensor) -> Outputs:
        x, y, moments = stage.at(values[state:], dues)
        bound = pytree.tree_unflatten(values[:state], structure)
        copied.updater.bind(bound["updater"])
        copied.updater.network.bind_declared(bound["network"])
        before = Snapshot(copied.parts)
        outputs = _accumulate(copied, x, y)
        copied.updater.apply(moments)
        if changed := before.difference():
            raise UntraceableError(f"it changes {changed}, which is no Buffer")
        stage.end(values[state:], outputs[1], copied.loss.denominator(outputs[0], y))
        return outputs

    return graph_of(operations, tensors, undeclared)


def graph_of(operations: Callable[..., Any], tensors: list[Tensor], undeclared: Mapping[str, Tensor]) -> Traced:
    """Return the graph of operations on these tensors, and on undeclared ones, which are given by path."""
    # On fake tensors, which have shapes but no values.
    graph = make_fx(operations, _DECOMPOSITIONS, tracing_mode="fake", _allow_non_fake_inputs=True)(*tensors)
    names = {id(tensor): name for name, tensor in undeclared.items()}
    for node in graph.graph.nodes:
        _expect_traceable(graph, node, names)
    constants = _lift_constants(graph)
    return Traced(graph, [*constants, *tensors], [names.get(id(each), each) for each in constants])


def tensors_of(step: TrainingStep, stage: Stage) -> list[Tensor]:
    """Return the tensors that a traced step takes after its constants."""
    return [*_state_of(step)[0], *stage.tensors]


def _state_of(step: TrainingStep) -> tuple[list[Tensor], pytree.TreeSpec]:
    """Return the tensors that a step reads and changes beside its stage, and how they are nested."""
    return pytree.tree_flatten({"updater": step.updater.tensors(), "network": step.updater.network.declared_tensors()})


def compile_graph(graph: GraphModule, inputs: Sequence[Tensor]) -> Callable[..., Outputs]:
    """Return the graph as one compiled function of tensors like these."""
    try:
        return _compiled(copy.deepcopy(graph), inputs, _OPTIONS)
    except Exception:  # noqa: BLE001 - torch's compiler has faults of its own, most of them where it fuses
        return _compiled(graph, inputs, {**_OPTIONS, "max_fusion_size": 1})


def _compiled(graph: GraphModule, inputs: Sequence[Tensor], options: Mapping[str, Any]) -> Callable[..., Outputs]:
    # Torch tells functions that it keeps on disk apart by graph and options, not by which tensors share memory.
    storages = [tensor.untyped_storage().data_ptr() for tensor in inputs]
    memory = {"memory": str([storages.index(storage) for storage in storages])}
    # It looks for them only where there is an environment of symbolic shapes, although none of these is symbolic.
    mode = FakeTensorMode(shape_env=ShapeEnv())
    fake: list[Any] = [mode.from_tensor(tensor, static_shapes=True) for tensor in inputs]
    with tracing(TracingContext(mode)):
        compiled: Callable[..., Outputs] = torch._inductor.compile(
            graph, fake, options={**options, "aot_inductor.metadata": memory}
        )
    return compiled


def expect_no_views(undeclared: Mapping[str, Tensor], flat: FlatBuffers) -> None:
    """Refuse a module that keeps views of its parameters, since tracing binds those to other tensors."""
    buffers = {tensor.untyped_storage().data_ptr() for tensor in (flat.data, flat.grad)}
    for name, tensor in undeclared.items():
        if tensor.untyped_storage().data_ptr() in buffers:
            raise UntraceableError(f"{name} is a view of a parameter")


def _accumulate(step: TrainingStep, x: Tensor, y: Tensor) -> Outputs:
    """Accumulate gradients from explicit zeros, which the compiler sees and need not add."""
    parameters = step.updater.network.parameters()
    grads = [parameter.grad for parameter in parameters]
    for parameter in parameters:
        parameter.bind(parameter.data, torch.zeros_like(parameter.data))
    outputs = step.accumulate(x, y)
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.bind(parameter.data, grad.copy_(parameter.grad))
    return outputs


def _expect_traceable(graph: GraphModule, node: Node, names: Mapping[int, str]) -> None:
    """Refuse undeclared random numbers, and in-place changes of tensors that no module declares."""
    if not isinstance(node.target, OpOverload):
        return
    if torch.Tag.nondeterministic_seeded in node.target.tags:
        raise UntraceableError(f"{node.target} draws random numbers; declare a Random")
    for base in changed_by(node):
        if base.op == "get_attr":
            name = names.get(id(getattr(graph, str(base.target))), "a tensor that no module holds")
            raise UntraceableError(f"it changes {name}, which is no Buffer")


def changed_by(node: Node) -> Iterator[Node]:
    """Yield the tensors that a graph's operation changes in place; of a view, the one that it is a view of."""
    if not isinstance(node.target, OpOverload):
        return
    declared = node.target._schema.arguments
    given = node.kwargs | {argument.name: value for argument, value in zip(declared, node.args, strict=False)}
    for written in (given.get(argument.name) for argument in declared if argument.is_write):
        if isinstance(written, Node):
            yield _base(written)


def _base(node: Node) -> Node:
    """Return the tensor that a view, or the result of an in-place operation, is a view of."""
    while isinstance(node.target, OpOverload) and any(value.alias_info for value in node.target._schema.returns):
        node = cast("Node", node.args[0])
    return node


def _lift_constants(graph: GraphModule) -> list[Tensor]:
    """Turn the graph's constant tensors into its first inputs, and return them."""
    first, inputs = next(iter(graph.graph.nodes)), {}
    for node in graph.graph.find_nodes(op="get_attr"):
        if node.target not in inputs:
            with graph.graph.inserting_before(first):
                inputs[node.target] = graph.graph.placeholder(node.target)
        node.replace_all_uses_with(inputs[node.target])
        graph.graph.erase_node(node)
    graph.graph.set_codegen(CodeGen())
    graph.recompile()
    constants = [getattr(graph, name) for name in inputs]
    for name in inputs:
        delattr(graph, name)
    return constants


def _bmm(a: Tensor, b: Tensor) -> Any:
    members, rows, inner, columns = *a.shape, b.shape[2]
    if min(rows, inner, columns) <= THIN or members * rows * inner * columns <= FEW_MULTIPLICATIONS:
        if b.stride(2) != 1 and columns > THIN:
            # A copy, as of a transposed weight: vectors then hold columns, and need not be summed up in themselves.
            b = force_stride_order(b, (inner * columns, columns, 1))
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
"""Decompositions of a step's operations; NotImplemented keeps an operation as it is."""
