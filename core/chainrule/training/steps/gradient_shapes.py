"""`gradient_shapes_checked`: a first pass through a network in which each module's gradient is held to its input."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.protocols import ModuleLike
from chainrule.base.saved_tensors import expect_tensors
from chainrule.errors import ContractError, label

PASSES = frozenset({"forward", "backward"})


@contextmanager
def gradient_shapes_checked(modules: Sequence[ModuleLike]) -> Iterator[None]:
    """Within the block, raise ContractError for a dL/dx that is needed and not like its x, which torch may broadcast.

    So for what is saved for backward and is no tensor, which under inference mode nothing else would notice.

    Each module is watched by functions in the place of its two methods, so that no later pass takes longer.
    """
    modules = [module for module in modules if hasattr(module, "__dict__")]
    before = [{name: vars(module)[name] for name in PASSES & vars(module).keys()} for module in modules]
    try:
        for module in modules:
            _watch(module)
        yield
    finally:
        for module, own in zip(modules, before, strict=True):
            for name in PASSES:
                vars(module).pop(name, None)
            vars(module).update(own)


def _watch(module: Any) -> None:
    forward, backward = module.forward, module.backward
    inputs: list[Tensor] = []

    def watched_forward(x: Tensor) -> Any:
        inputs[:] = [x]
        output = forward(x)
        expect_tensors(module, vars(module).get("_saved") or ())
        return output

    def watched_backward(grad_output: Tensor) -> Any:
        grad = backward(grad_output)
        for x in inputs:
            if grad is not None and module.needs_input_grad and not _is_like(grad, x):
                raise ContractError(
                    f"{label(module)}: backward must return dL/dx as its x {_form(x)}, got {_form(grad)}. "
                    f"Correct it; chainrule check {label(module)} tries more shapes."
                )
        return grad

    vars(module).update(forward=watched_forward, backward=watched_backward)


def _is_like(grad: object, x: Tensor) -> bool:
    return isinstance(grad, Tensor) and grad.shape == x.shape and (grad.dtype == x.dtype or not x.is_floating_point())


def _form(value: object) -> str:
    return f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else shown(value)
