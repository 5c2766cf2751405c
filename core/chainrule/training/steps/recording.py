"""Records the calls of kernels that a compiled function makes, to be made again without the function around them.

Torch's private interfaces that a step needs are used here, in `tracing` and in `cuda_graph` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import CellType, FunctionType, MethodType
from typing import Any, TypeAlias, TypeVar

import torch
from torch import Tensor
from torch._inductor.output_code import CompiledFxGraph
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

Launch: TypeAlias = Callable[[], object]

Results = TypeVar("Results", bound=Sequence[Tensor])

_ALLOCATIONS = (torch.ops.aten.empty, torch.ops.aten.empty_strided)
"""Operations after which there is nothing to copy."""


KEPT_BYTES = 2**21
"""The most memory that recorded calls may keep, where a function would use again what it has freed.

In a step that needs more, the time that they save is no longer seen.
"""


class LargeStepError(Exception):
    """A step's temporary tensors are too large to be kept."""


class UnrepeatableError(Exception):
    """A compiled function does more than call kernels on tensors."""


def record(function: Callable[..., Results], tensors: Sequence[Tensor]) -> tuple[list[Launch], Results]:
    """Call a compiled function on these tensors, and return the calls of kernels that it made, and what it returned.

    Made again, these calls do what the function does, on the same tensors and into the same outputs, without the time
    that it takes to get there.

    Raises:
        UnrepeatableError: if it does anything else.
        LargeStepError: if its temporary tensors, which the calls keep, are large.
    """
    compiled = generated_code(function)
    call = compiled.current_callable
    if not isinstance(call, MethodType) or not isinstance(call.__func__, FunctionType):
        raise UnrepeatableError(f"the generated code is a {type(call).__name__}")
    generated, recorder = call.__func__, _Recorder()
    watched: dict[str, Callable[..., object]] = {
        name: partial(recorder.call, value)
        for name, value in generated.__globals__.items()
        if name.startswith("cpp_") and callable(value)
    }
    watched["empty_strided_cpu"] = partial(recorder.allocate, generated.__globals__["empty_strided_cpu"])
    recorded = FunctionType(generated.__code__, generated.__globals__ | watched, generated.__name__)
    compiled.current_callable = MethodType(recorded, call.__self__)
    try:
        with recorder:
            outputs = function(*tensors)
    finally:
        compiled.current_callable = call
    if recorder.kept > KEPT_BYTES:
        raise LargeStepError
    return recorder.launches, outputs


class _Recorder(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Keeps the calls that change tensors, and lets those that make new ones write into the first call's."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.launches: list[Launch] = []
        self.kept = 0

    def allocate(self, empty: Callable[..., Tensor], *form: Any) -> Tensor:
        """Make a temporary tensor, which the calls will keep."""
        tensor = empty(*form)
        self.kept += tensor.nbytes
        return tensor

    def call(self, kernel: Callable[..., None], *tensors: Any) -> None:
        """Call a kernel, which writes into some of its tensors."""
        kernel(*tensors)
        self.launches.append(partial(kernel, *tensors))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        call = partial(func, *args, **(kwargs or {}))
        outputs = call()
        returned = [value.alias_info for value in func._schema.returns]
        if all(alias and alias.is_write for alias in returned):
            self.launches.append(call)
        elif not any(returned):
            leaves = _results(outputs)
            if not all(isinstance(leaf, Tensor) for leaf in leaves):
                raise UnrepeatableError(f"{func} returns what is no tensor")
            if func.overloadpacket not in _ALLOCATIONS:
                self.launches.append(partial(call_into, leaves, call))
        elif any(alias and alias.is_write for alias in returned):
            raise UnrepeatableError(f"{func} returns new tensors beside changed ones")
        return outputs  # of views nothing is kept: they stay views of what stays


def call_into(outputs: Sequence[Tensor], call: Launch) -> None:
    """Make a call whose results are new tensors, and copy them to where the first call's are."""
    for output, again in zip(outputs, _results(call()), strict=True):
        output.copy_(again)


def _results(outputs: Any) -> list[Any]:
    """Return what an operation made; in place of a gradient that it was not asked for it gives None."""
    return [leaf for leaf in pytree.tree_leaves(outputs) if leaf is not None]


def generated_code(function: Any) -> CompiledFxGraph:
    """Return the generated code within torch's wrappers of a compiled function."""
    found, seen = [function], set()
    while found:
        value = found.pop()
        if isinstance(value, CompiledFxGraph):
            return value
        if isinstance(value, FunctionType) and id(value) not in seen:
            seen.add(id(value))
            found += [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
            found += [] if "__name__" in value.__globals__ else value.__globals__.values()  # of generated wrappers
        elif hasattr(value, "compiled_fn"):  # one that torch keeps on disk
            found.append(value.compiled_fn)
    raise UnrepeatableError("the compiled function holds no generated code")
