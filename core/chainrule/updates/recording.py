"""Records what a batched rule does as plain tensor operations, to be replayed without the overhead of torch.vmap."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.fx.graph import CodeGen
from torch.overrides import TorchFunctionMode

from chainrule.base.generators import random_numbers_kept, random_states

Replay = Callable[..., Any]

_ATEN = torch.ops.aten

_SHAPES = {_ATEN.view.default, _ATEN._unsafe_view.default, _ATEN.expand.default, _ATEN.permute.default}
"""Operations that often change nothing, since torch.vmap emits them for any rank."""

_METHODS = {"view", "expand", "permute", "transpose", "select", "unsqueeze", "squeeze"}
"""Operations that are methods of tensors alone, as all that change a tensor in place are."""


_NOT_BATCHED = {
    getattr(Tensor, f"{name}_"): name
    for name in (
        *("addcdiv", "addcmul", "clamp", "clip", "eq", "fix", "floor_divide", "fmod", "ge", "gt", "heaviside", "hypot"),
        *("ldexp", "le", "lerp", "lt", "ne", "negative", "pow", "remainder", "square", "subtract", "xlogy"),
    )
}
"""Methods for whose in-place form torch.vmap has no rule, by that form."""


@torch.inference_mode(False)
@torch.no_grad()
def record(operations: Callable[..., object], inputs: Sequence[Tensor]) -> Replay:
    """Return a function of tensors like these that performs the operations, none of which runs now.

    Raises:
        Exception: whatever arises if the operations depend on the values of tensors, or on drawn numbers.
    """
    with random_numbers_kept():
        before = random_states()
        # On fake tensors, which have shapes but no values.
        graph = make_fx(operations, tracing_mode="fake")(*inputs)
        if random_states() != before:
            raise RuntimeError("they draw from Python's or numpy's generator, whose numbers would be constants")
    for node in graph.graph.find_nodes(op="get_attr"):
        raise RuntimeError(f"{node.target} is a tensor that is neither a parameter nor state")
    _simplify(graph)
    # The function alone, without the graph, whose nodes take much memory; it has no attributes to read.
    return partial(type(graph).forward, None)


class Batchable(TorchFunctionMode):
    """Splits in-place operations that torch.vmap would run once per member into two that it batches."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = _NOT_BATCHED.get(func)
        if name is not None:
            return args[0].copy_(getattr(args[0], name)(*args[1:], **(kwargs or {})))
        return func(*args, **(kwargs or {}))


class AsNumbers(TorchFunctionMode):
    """Lets 0-dim tensors of float64, as which a step's numbers are traced, promote a dtype no more than numbers would.

    Torch promotes nothing by them beside a tensor with axes, but a 0-dim one, such as a sum in a rule's state, it does.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if not isinstance(result, Tensor) or result.dtype != torch.float64:
            return result
        tensors = [each for each in (*args, *(kwargs or {}).values()) if isinstance(each, Tensor)]
        others = {each.dtype for each in tensors if each.is_floating_point()} - {torch.float64}
        if len(tensors) == 1 or len(others) != 1 or any(each.dim() for each in tensors if each.dtype == torch.float64):
            return result
        return result.to(others.pop())


def _simplify(graph: GraphModule) -> None:
    """Remove operations without effect, and call torch's own functions, which are quicker than its operators."""
    for node in graph.graph.nodes:
        if node.target in _SHAPES and _is_same(node.args[0], node):
            node.replace_all_uses_with(node.args[0])
            graph.graph.erase_node(node)
        elif node.target == _ATEN.copy_.default:
            _merge(graph, node)
    graph.graph.eliminate_dead_code()
    for node in graph.graph.nodes:
        name = getattr(getattr(node.target, "overloadpacket", None), "__name__", "")
        home = Tensor if name.endswith("_") or name in _METHODS else torch._C._VariableFunctions
        node.target = getattr(home, name, node.target) if name else node.target
    graph.graph.set_codegen(CodeGen())
    graph.recompile()


def _is_same(before: Any, after: Node) -> bool:
    """Whether an operation left shape and strides as they were."""
    one, other = before.meta.get("val"), after.meta.get("val")
    if not isinstance(one, Tensor) or not isinstance(other, Tensor):
        return False
    axes: Any = after.args[1] if after.target == _ATEN.permute.default else None
    in_order = axes is None or list(axes) == list(range(one.dim()))
    return in_order and (one.shape, one.stride()) == (other.shape, other.stride())


def _merge(graph: GraphModule, copy: Node) -> None:
    """Turn ``x.copy_(lerp(x, …))`` back into ``x.lerp_(…)``, and other operations likewise."""
    target, source = copy.args[:2]
    if not isinstance(source, Node) or len(source.users) > 1 or not source.args or source.args[0] is not target:
        return
    name, _, overload = str(source.target).removeprefix("aten.").partition(".")
    in_place = getattr(getattr(_ATEN, f"{name}_", None), overload, None)
    if name not in _NOT_BATCHED.values() or in_place is None:
        return
    with graph.graph.inserting_before(copy):
        merged = graph.graph.call_function(in_place, source.args, source.kwargs)
    copy.replace_all_uses_with(merged)
    graph.graph.erase_node(copy)
    graph.graph.erase_node(source)
