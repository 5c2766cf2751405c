"""The hooks of chainrule; implement them with `chainrule.hookimpl`, and pluggy calls them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from inspect import isroutine
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import pluggy

if TYPE_CHECKING:
    from chainrule.registry.component import Component

PROJECT = "chainrule"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


class CatalogueHooks:
    """Hooks of the catalogue, implemented by modules named in the entry-point group ``chainrule.hooks``."""

    @hookspec
    def chainrule_components(self) -> Iterable[Component]:
        """Return records of components that no entry point lists; the module must not import torch."""
        raise NotImplementedError

    @hookspec
    def chainrule_checks(self) -> Iterable[str]:
        """Return names of modules whose checks, made by `chainrule.testing.check`, join the conformance kit."""
        raise NotImplementedError


@runtime_checkable
class KeepsState(Protocol):
    """A callback with a state that a resumed run needs, such as what was best so far."""

    def state_dict(self) -> Mapping[str, Any]:
        """Return what a checkpoint is to keep: numbers, text and tensors, also in lists, tuples and dicts."""
        ...

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what a checkpoint kept; called after `chainrule_fit_start`, when a run is resumed."""


class TrainingHooks(KeepsState):
    """Hooks of one fit, implemented by the callbacks that are given to it; ``run`` is a `chainrule.Run`.

    Every event reaches every callback, in the order given, even if one of them raises. A callback may read what the run
    has, such as ``run.loss``, ``run.batch`` and ``run.updater.rates``; ``run.stop()`` ends the fit,
    ``run.stop(members=[1])`` keeps members as they are, in all steps and curves, and at an epoch's end
    ``run.drop(members=[1])`` trains the others alone, whose numbers are ``run.members``; ``run.record("name", value)``
    adds a curve at an epoch's end; and ``run.updater.set_lr(…)`` changes the rate. A resumed run starts with
    ``run.epoch`` epochs behind it, and a callback with both `state_dict` and `load_state_dict` goes on with its state;
    one without them begins anew.
    """

    @hookspec
    def chainrule_fit_start(self, run: Any) -> None:
        """Called once, before the first step."""

    @hookspec
    def chainrule_step_end(self, run: Any) -> None:
        """Called after every step of the optimizer."""

    @hookspec
    def chainrule_epoch_end(self, run: Any, epoch: int, metrics: Mapping[str, Any]) -> None:
        """Called after every epoch, counted from 1, with its metrics, in a dict of the callback's own."""

    @hookspec
    def chainrule_fit_end(self, run: Any, error: BaseException | None) -> None:
        """Called once, after the last step or after the error that ended the fit, an error of a callback included."""


def unmarked_hooks(plugin: object, specs: type) -> list[str]:
    """Return what an object has without `hookimpl`, which pluggy would pass over: hooks, and methods named like one."""
    named = [name for name in (*vars(specs), *dir(type(plugin))) if name.startswith(f"{PROJECT}_")]
    names = [name for name in named if name in vars(specs) or isroutine(getattr(type(plugin), name, None))]
    hooks = {name: getattr(plugin, name, None) for name in dict.fromkeys(names)}
    return [name for name, hook in hooks.items() if callable(hook) and not hasattr(hook, f"{PROJECT}_impl")]
