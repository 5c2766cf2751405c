"""`watched`: a first pass through a network in which each module is held to its contract, where torch would forgive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Size, Tensor

from chainrule.arguments import shown
from chainrule.base.protocols import ModuleLike
from chainrule.base.saved_tensors import changed_in_place, content, expect_tensors
from chainrule.errors import ContractError, label

PASSES = frozenset({"forward", "backward"})

Form: TypeAlias = tuple[Size, torch.dtype]

Forms: TypeAlias = dict[int, list[Form]]
"""The shape and dtype of each x that a module took in a watched forward, by the module's identity."""


@contextmanager
def watched(modules: Sequence[ModuleLike], x: Tensor | None, forms: Forms) -> Iterator[None]:
    """Within the block, raise ContractError for a dL/dx that is needed and not like its x, which torch may broadcast.

    So for a network's x that a module changes in place, since it is the caller's, and for what is saved for backward
    and is no tensor; BackwardError for what is saved and changes. A module with other arguments than x, or more
    results, is the matter of the one that calls it.

    Each module is watched by functions in the place of its two methods, so that no later pass takes longer.

    Args:
        modules: those of a network.
        x: what the network takes; None in a backward alone.
        forms: of the forward whose backward this is; a forward adds its own.
    """
    modules = [module for module in modules if hasattr(module, "__dict__")]
    before = [{name: vars(module)[name] for name in PASSES & vars(module).keys()} for module in modules]
    try:
        for module in modules:
            _watch(module, x, forms)
        yield
    finally:
        for module, own in zip(modules, before, strict=True):
            for name in PASSES:
                vars(module).pop(name, None)
            vars(module).update(own)


def _watch(module: Any, network_x: Tensor | None, forms: Forms) -> None:
    forward, backward = module.forward, module.backward
    contents: list[object] = []

    def watched_forward(*given: Any, **named: Any) -> Any:
        before = None if network_x is None else content(network_x)
        output = forward(*given, **named)
        if network_x is not None and content(network_x) != before:
            raise ContractError(
                f"{label(module)}: forward must leave the network's x as it is, got it changed in place. "
                "Write operations without the underscore, or change a clone()."
            )
        saved = _saved(module)
        expect_tensors(module, saved)
        contents[:] = map(content, saved)
        x = given[0] if len(given) == 1 and not named else None
        if isinstance(x, Tensor) and isinstance(output, Tensor):
            forms.setdefault(id(module), []).append((x.shape, x.dtype))
        return output

    def watched_backward(*given: Any, **named: Any) -> Any:
        for tensor, before in zip(_saved(module), contents, strict=False):
            if content(tensor) != before:
                raise changed_in_place(module, tensor)
        grad, taken = backward(*given, **named), forms.get(id(module), [])
        if grad is None or not taken or any(_is_right(grad, form, module.needs_input_grad) for form in taken):
            return grad
        fix = f"Correct it; chainrule check {label(module)} tries more shapes."
        if isinstance(grad, tuple | list):
            fix = "Return it alone, and add to the grad of each parameter."
        raise ContractError(
            f"{label(module)}: backward must return dL/dx as its x {_in_words(*taken[-1])}, got {_shown(grad)}. {fix}"
        )

    vars(module).update(forward=watched_forward, backward=watched_backward)


def _saved(module: object) -> tuple[Any, ...]:
    saved = vars(module).get("_saved")
    return saved if isinstance(saved, tuple) else ()  # a class of the user's own may call anything so


def _is_right(grad: object, form: Form, is_needed: bool) -> bool:
    if not is_needed:
        return not isinstance(grad, tuple | list)  # with gradients of parameters, which no one adds
    return isinstance(grad, Tensor) and (not form[1].is_floating_point or (grad.shape, grad.dtype) == form)


def _in_words(shape: Size, dtype: torch.dtype) -> str:
    return f"{tuple(shape)} {dtype}"


def _shown(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    return _in_words(value.shape, value.dtype) if isinstance(value, Tensor) else shown(value)
