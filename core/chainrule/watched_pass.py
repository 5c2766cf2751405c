"""`watched`: a first pass through a network in which each module is held to its contract, where torch would forgive."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Size, Tensor

from chainrule.arguments import shown
from chainrule.base.protocols import ModuleLike
from chainrule.base.saved_tensors import KeepsForBackward, changed_in_place, content, expect_tensors
from chainrule.errors import ContractError, label

PASSES = frozenset({"forward", "backward"})

_of_one_thread = threading.RLock()
"""Held during a watched pass; other threads pass unwatched meanwhile, through modules that may be the same."""

WATCHED_CALLS = 3
"""The most calls by hand in train mode that are watched, where no backward follows."""

Form: TypeAlias = tuple[Size, torch.dtype]

Forms: TypeAlias = dict[int, list[Form] | None]
"""The shape and dtype of each x that a module took in a watched forward, by its identity; None if it took more."""


@contextmanager
def watched(modules: Sequence[ModuleLike], x: Tensor | None, forms: Forms) -> Iterator[None]:
    """Within the block, raise ContractError for a dL/dx that is needed and not like its x, which torch may broadcast.

    So for a network's x that a module changes in place, since it is the caller's, and for what is saved for backward
    and is no tensor; BackwardError for what is saved and changes. A module with other arguments than x, or more
    results, is the matter of the one that calls it.

    Each module is watched by functions in the place of its two methods, so that no later pass takes longer. While one
    thread watches, others do not.

    Args:
        modules: those of a network, the one around all others first.
        x: what the network takes; None in a backward alone.
        forms: of the forward whose backward this is; a forward adds its own.
    """
    if not _of_one_thread.acquire(blocking=False):
        yield
        return
    each = [module for module in {id(one): one for one in modules}.values() if hasattr(module, "__dict__")]
    before = [{name: vars(module)[name] for name in PASSES & vars(module).keys()} for module in each]
    watch = _Watch(modules[0], x, forms)
    try:
        for module in each:
            watch.begin(module)
        yield
    finally:
        for module, own in zip(each, before, strict=True):
            for name in PASSES:
                vars(module).pop(name, None)
            vars(module).update(own)
        _of_one_thread.release()


class _Watch:
    """One pass: what its modules took, and what of several values they have returned from backward."""

    def __init__(self, outermost: ModuleLike, x: Tensor | None, forms: Forms) -> None:
        self._outermost, self._x, self._forms = outermost, x, forms
        self._several: tuple[Sequence[object], ModuleLike] | None = None
        self._thread = threading.get_ident()

    def begin(self, module: Any) -> None:
        """Put functions that watch in the place of a module's two methods."""
        forward, backward = module.forward, module.backward
        contents: list[tuple[weakref.ref[Tensor], object]] = []

        def watched_forward(*given: Any, **named: Any) -> Any:
            if threading.get_ident() != self._thread:
                return forward(*given, **named)
            before = None if self._x is None else content(self._x)
            output = forward(*given, **named)
            if self._x is not None and content(self._x) != before:
                raise ContractError(
                    f"{label(module)}: forward must leave the network's x as it is, got it changed in place. "
                    "Write operations without the underscore, or change a clone()."
                )
            saved = _saved(module)
            expect_tensors(module, saved)
            contents[:] = [(weakref.ref(tensor), content(tensor)) for tensor in saved]
            x, forms = given[0] if len(given) == 1 and not named else None, self._forms.setdefault(id(module), [])
            if not isinstance(x, Tensor) or not isinstance(output, Tensor):
                self._forms[id(module)] = None
            elif forms is not None:
                forms.append((x.shape, x.dtype))
            return output

        def watched_backward(*given: Any, **named: Any) -> Any:
            if threading.get_ident() != self._thread:
                return backward(*given, **named)
            if self._forms.get(id(module)):  # else it may have returned several values, and takes as many
                self._expect_one(given[0] if given else None)
            for tensor, (reference, before) in zip(_saved(module), contents, strict=False):
                if reference() is tensor and content(tensor) != before:  # a layer may be given what it saved earlier
                    raise changed_in_place(module, tensor)
            grad = backward(*given, **named)
            if isinstance(grad, tuple | list):
                if self._several is None or self._several[0] is not grad:  # else one that a module inside has returned
                    self._several = grad, module
                if module is self._outermost:
                    self._expect_one(grad)
            elif grad is not None and module.needs_input_grad and len(given) == 1 and not named:
                self._expect_like(module, grad)
            return grad

        watched_forward.watches = watched_backward.watches = True  # type: ignore[attr-defined]
        vars(module).update(forward=watched_forward, backward=watched_backward)

    def _expect_one(self, grad: object) -> None:
        """Raise ContractError if that is what a module returned in place of dL/dx, and no one has taken it apart."""
        if self._several is not None and self._several[0] is grad:
            several, module = self._several
            fix = "Return it alone, and add to the grad of each parameter."
            raise self._refused(module, f"a {type(several).__name__} of {len(several)}", fix)

    def _expect_like(self, module: ModuleLike, grad: object) -> None:
        taken = self._forms.get(id(module))
        if taken and not any(_is_like(grad, form) for form in taken):
            got = _in_words(grad.shape, grad.dtype) if isinstance(grad, Tensor) else shown(grad)
            raise self._refused(module, got, f"Correct it; chainrule check {label(module)} tries more shapes.")

    def _refused(self, module: ModuleLike, got: str, fix: str) -> ContractError:
        taken = self._forms.get(id(module))
        x = f" {_in_words(*taken[-1])}" if taken else ""
        return ContractError(f"{label(module)}: backward must return dL/dx as its x{x}, got {got}. {fix}")


def _saved(module: object) -> tuple[Tensor, ...]:
    return (vars(module).get("_saved") or ()) if isinstance(module, KeepsForBackward) else ()


def _is_like(grad: object, form: Form) -> bool:
    return isinstance(grad, Tensor) and (not form[1].is_floating_point or (grad.shape, grad.dtype) == form)


def _in_words(shape: Size, dtype: torch.dtype) -> str:
    return f"{tuple(shape)} {dtype}"
