"""`watched`: a first pass through a network in which each module is held to its contract, where torch would forgive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from torch import Tensor

from chainrule.arguments import shown
from chainrule.base.protocols import ModuleLike
from chainrule.base.saved_tensors import expect_tensors, version
from chainrule.errors import ContractError, label

PASSES = frozenset({"forward", "backward"})

Inputs: TypeAlias = dict[int, Tensor]
"""What each module took last in a watched forward, by its identity."""


@contextmanager
def watched(modules: Sequence[ModuleLike], x: Tensor | None, inputs: Inputs) -> Iterator[None]:
    """Within the block, raise ContractError for a dL/dx that is needed and not like its x, which torch may broadcast.

    So for a network's x that a module changes in place, since it is the caller's, and for what is saved for backward
    and is no tensor, which under inference mode nothing else would notice.

    Each module is watched by functions in the place of its two methods, so that no later pass takes longer.

    Args:
        modules: those of a network.
        x: what the network takes; None in a backward alone.
        inputs: of the forward whose backward this is; a forward adds its own.
    """
    modules = [module for module in modules if hasattr(module, "__dict__")]
    before = [{name: vars(module)[name] for name in PASSES & vars(module).keys()} for module in modules]
    try:
        for module in modules:
            _watch(module, x, inputs)
        yield
    finally:
        for module, own in zip(modules, before, strict=True):
            for name in PASSES:
                vars(module).pop(name, None)
            vars(module).update(own)


def _watch(module: Any, network_x: Tensor | None, inputs: Inputs) -> None:
    forward, backward = module.forward, module.backward

    def watched_forward(x: Tensor) -> Any:
        inputs[id(module)] = x
        before = network_x is not None and version(network_x)
        output = forward(x)
        if network_x is not None and version(network_x) != before:
            raise ContractError(
                f"{label(module)}: forward must leave the network's x as it is, got it changed in place. "
                "Write operations without the underscore, or change a clone()."
            )
        expect_tensors(module, vars(module).get("_saved") or ())
        return output

    def watched_backward(grad_output: Tensor) -> Any:
        grad, x = backward(grad_output), inputs.get(id(module))
        if x is not None and grad is not None and not _is_right(grad, x, module.needs_input_grad):
            fix = f"Correct it; chainrule check {label(module)} tries more shapes."
            if isinstance(grad, tuple | list):
                fix = "Return it alone, and add to the grad of each parameter."
            raise ContractError(
                f"{label(module)}: backward must return dL/dx as its x {_form(x)}, got {_form(grad)}. {fix}"
            )
        return grad

    vars(module).update(forward=watched_forward, backward=watched_backward)


def _is_right(grad: object, x: Tensor, is_needed: bool) -> bool:
    if not is_needed:
        return not isinstance(grad, tuple | list)  # with gradients of parameters, which no one adds
    return isinstance(grad, Tensor) and grad.shape == x.shape and (grad.dtype == x.dtype or not x.is_floating_point())


def _form(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return f"{tuple(value.shape)} {value.dtype}" if isinstance(value, Tensor) else shown(value)
