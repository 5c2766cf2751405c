"""Compiles a rule into one function of its tensors and its numbers.

All of torch's private interfaces that the adapter's compiled steps need are used here and in `vector_code`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor
from torch._dynamo.exc import TensorifyScalarRestartAnalysis
from torch.fx import Graph, GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx

from chainrule.training.steps.recording import generated_code
from chainrule.updates.recording import AsNumbers
from chainrule_torch.adapter.rounding import FORMATS
from chainrule_torch.adapter.vector_code import whole_vectors

FUNCTIONS = 256
"""The size of the cache of compiled functions."""

EXAMPLE = 1009
"""Elements of the vectors that a function is traced with."""

_functions: dict[object, Compiled] = {}


class Compiled(NamedTuple):
    """Operations as one function, called as ``function([*tensors, prepare(numbers)])``.

    Attributes:
        prepare: computes from the numbers what is the same for all elements, once for all tensors.
        function: changes the tensors in place, but does not count that as torch does, and returns the results.
    """

    prepare: Callable[[Tensor], Tensor]
    function: Callable[[list[Tensor]], Sequence[Tensor]]


class NumbersAsTensors(AsNumbers):
    """Lets 0-dim tensors of float64 stand for a rule's numbers.

    A mean is ``a + w (b - a)`` also for a weight of more than 1/2, for which torch computes it from b, and a quotient
    by a number is a product: another rounding, and a tenth quicker.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if len(args) == 3 and _is_number(args[2], args[0]) and func in _MEANS:
            a, b, weight = args
            mean = a + weight * (b - a)
            return a.copy_(mean) if func is Tensor.lerp_ else mean
        if len(args) == 2 and _is_number(args[1], args[0]) and func in _QUOTIENTS:
            return _QUOTIENTS[func](args[0], 1 / args[1])
        return super().__torch_function__(func, types, args, kwargs)


_MEANS = (torch.lerp, Tensor.lerp, Tensor.lerp_)

_QUOTIENTS: dict[Any, Callable[..., Tensor]] = {
    torch.div: torch.mul,
    torch.true_divide: torch.mul,
    Tensor.div: torch.mul,
    Tensor.true_divide: torch.mul,
    Tensor.__truediv__: torch.mul,
    Tensor.div_: Tensor.mul_,
    Tensor.__itruediv__: Tensor.mul_,
}


def _is_number(value: object, beside: object) -> bool:
    return (
        isinstance(value, Tensor)
        and isinstance(beside, Tensor)
        and value.dtype == torch.float64
        and not value.dim()
        and beside.dim() > 0
    )


@torch.inference_mode(False)
@torch.no_grad()
def compiled_for_vectors(
    operations: Callable[..., object], vectors: Sequence[Tensor], others: Sequence[Tensor], numbers: Tensor
) -> Compiled:
    """Return operations on vectors like these, all of one length, which may be any, on others and on numbers.

    None of them runs now.

    Raises:
        Exception: whatever arises if the operations depend on the values of tensors, or torch cannot compile them.
    """
    examples = [torch.linspace(0.1, 1, EXAMPLE, device=each.device).to(each.dtype) for each in vectors]
    return _compiled(operations, [*examples, *(each.clone() for each in others)], numbers, "symbolic")


@torch.inference_mode(False)
@torch.no_grad()
def compiled_for_shapes(operations: Callable[..., object], tensors: Sequence[Tensor], numbers: Tensor) -> Compiled:
    """Return operations on tensors of the shapes of these, and on numbers; none runs now.

    Raises:
        Exception: whatever arises if the operations depend on the values of tensors, or torch cannot compile them.
    """
    return _compiled(operations, [each.clone() for each in tensors], numbers, "fake")


def _compiled(
    operations: Callable[..., object], examples: list[Tensor], numbers: Tensor, mode: Literal["fake", "symbolic"]
) -> Compiled:
    with NumbersAsTensors():
        graph = make_fx(operations, tracing_mode=mode)(*examples, numbers)
    for node in graph.graph.find_nodes(op="get_attr"):
        raise RuntimeError(f"{node.target} is a tensor that is neither a parameter nor state")
    kinds = [(each.shape, each.stride(), each.dtype, each.device) for each in examples]
    key = graph.code, tuple(kinds), torch.get_num_threads()
    if key not in _functions:
        if len(_functions) == FUNCTIONS:
            del _functions[next(iter(_functions))]  # the oldest
        own = examples[0].dtype
        prepare = _split_off_numbers(graph, own if own == torch.float64 else torch.float32)  # the dtype of steps
        function = _compile(graph)
        _functions[key] = Compiled(prepare, _unwrapped(function, examples, prepare(numbers)))
    return _functions[key]


def _split_off_numbers(graph: GraphModule, dtype: torch.dtype) -> Callable[[Tensor], Tensor]:
    """Take what depends on the numbers alone out of the graph, whose last input becomes a vector of the results.

    The graph's loop over the elements would compute it for each of them.
    """
    *_, numbers = graph.graph.find_nodes(op="placeholder")
    alone, own = {numbers: None}, Graph()  # an ordered set
    copies = {numbers: own.placeholder("numbers")}
    for node in graph.graph.nodes:
        if node.op == "call_function" and node.all_input_nodes and alone.keys() >= set(node.all_input_nodes):
            alone[node] = None
            copies[node] = own.node_copy(node, copies.__getitem__)
    results = [node for node in alone if node is not numbers and not alone.keys() >= node.users.keys()]
    if not all(node.meta["val"].is_floating_point() for node in results):  # such as a step's number, to draw by
        return lambda given: given
    own.output([copies[node] for node in results])
    _replace(graph, numbers, results, alone, dtype)
    for node in reversed(list(alone)):
        if node is not numbers:
            graph.graph.erase_node(node)
    graph.recompile()
    forward = GraphModule(graph, own).forward

    def prepare(given: Tensor) -> Tensor:
        found = [each.to(dtype) for each in forward(given)]
        return torch.stack(found) if found else given.to(dtype)

    return prepare


def _replace(
    graph: GraphModule, numbers: Node, results: list[Node], alone: Collection[Node], dtype: torch.dtype
) -> None:
    """Let elements of the last input, a vector, take the place of results outside of what they are computed from."""
    numbers.meta["val"] = numbers.meta["val"].new_empty(max(len(results), 1), dtype=dtype)
    first = next(node for node in graph.graph.nodes if node.op != "placeholder")
    with graph.graph.inserting_before(first):
        for i, node in enumerate(results):
            element = graph.graph.call_function(torch.ops.aten.select.int, (numbers, 0, i))
            node.replace_all_uses_with(element, delete_user_cb=lambda user: user not in alone)


def _compile(graph: GraphModule) -> Callable[..., Sequence[Tensor]]:
    inputs = [node.meta["val"] for node in graph.graph.find_nodes(op="placeholder")]
    options: dict[str, Any] = {"size_asserts": False}
    if any(each.dtype in FORMATS for each in inputs):  # else what rounding leaves out is taken for 0
        options["emulate_precision_casts"] = True
    for _ in range(4):
        try:
            with whole_vectors([] if "max_fusion_size" in options else inputs):
                found: Callable[..., Sequence[Tensor]] = torch._inductor.compile(
                    copy.deepcopy(graph), inputs, options=options
                )
        except TensorifyScalarRestartAnalysis:  # as torch's own compiler starts again, having noted what to do
            continue
        except Exception:  # torch's compiler has faults of its own, most of them where it fuses
            if "max_fusion_size" in options:
                raise
            options["max_fusion_size"] = 1
            continue
        return found
    raise RuntimeError("torch's compiler starts again and again")


def _unwrapped(
    function: Callable[..., Sequence[Tensor]], examples: list[Tensor], prepared: Tensor
) -> Callable[[list[Tensor]], Sequence[Tensor]]:
    """Return the generated code, without torch's wrappers around it, if that does the same on the examples."""
    expected = [each.clone() for each in examples]
    expected += function(*expected, prepared)
    try:
        code: Any = generated_code(function).current_callable
        found = [*examples, *code([*examples, prepared])]
        if all(torch.allclose(*pair, rtol=0, atol=0, equal_nan=True) for pair in zip(found, expected, strict=True)):
            return cast("Callable[[list[Tensor]], Sequence[Tensor]]", code)
    except Exception:  # noqa: BLE001, S110 - what torch's wrappers hold may change; the function itself is right
        pass
    return lambda inputs: function(*inputs)
