"""`Events`: how those of a fit reach its callbacks, and what becomes of their errors."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter, Signature, isasyncgenfunction, iscoroutinefunction, isgeneratorfunction, ismethod
from typing import Any, NoReturn

import pluggy

from chainrule.arguments import shown
from chainrule.base.hookspecs import PROJECT, TrainingHooks, unmarked_hooks
from chainrule.calls import POSITIONAL, signature_of
from chainrule.errors import CallbackError, ChainruleError, UnknownCurveError, label, one_line

INSTEAD = {"drop": "Call run.drop([…]).", "stop": "Call run.stop().", "updater": "Use run.updater.set_lr(…)."}
"""What to write in place of an assignment to an attribute of a run."""


class Events:
    """What callbacks implement of the training hooks, called in the order of the callbacks.

    Args:
        callbacks: those of one fit.
        own: the names of the run's attributes, which callbacks may read but not assign.

    Raises:
        CallbackError: if a callback is passed twice, has no hooks, or one is not as it is declared.
    """

    def __init__(self, callbacks: Sequence[object], own: frozenset[str]) -> None:
        self._own = own
        self._implementations: dict[str, list[pluggy.HookImpl]] = {}
        for index, callback in enumerate(callbacks):
            if any(callback is other for other in callbacks[:index]):
                raise CallbackError(
                    f"{label(callback)}: a callback must be passed once, got {callback!r} twice. Create a second one."
                )
            for hook, implementation in implementations_of(callback):
                self._implementations.setdefault(hook, []).append(implementation)

    def caller(self, hook: str, run: object) -> Callable[..., None] | None:
        """Return a function that calls every implementation of the hook with the run; None if there is none.

        It calls all of them even if some raise, and then raises CallbackError.
        """
        implementations = self._implementations.get(hook)
        if not implementations:
            return None

        def call(**arguments: Any) -> None:
            arguments["run"] = run
            failures: list[tuple[object, BaseException]] = []
            for implementation in implementations:
                before = vars(run).copy()
                try:
                    implementation.function(*(own_argument(arguments[name]) for name in implementation.argnames))
                    self._expect_unassigned(implementation.plugin, run, before)
                except BaseException as error:  # noqa: BLE001 - raised below, once the others have been called
                    if isinstance(error, KeyError) and "metrics" in implementation.argnames:
                        error = _with_names(error, arguments["metrics"])
                    failures.append((implementation.plugin, error))
            if failures:
                raise_first(hook, failures)

        return call

    def _expect_unassigned(self, callback: object, run: object, before: Mapping[str, object]) -> None:
        """Raise CallbackError if a callback has assigned an attribute of the run, which the fit would not read."""
        for name, value in vars(run).items():
            is_of_run = name in self._own or hasattr(type(run), name)
            if is_of_run and name != "stopped" and before.get(name, run) is not value:
                run.__dict__ = dict(before)
                raise CallbackError(
                    f"{label(callback)}: run.{name} must not be assigned, got {shown(value)}. "
                    f"{INSTEAD.get(name, 'It is there to be read.')}"
                )


def own_argument(argument: Any) -> Any:
    """Return an event's argument for one callback: values by name as copies, since another may change what it gets."""
    return {name: value.clone() for name, value in argument.items()} if type(argument) is dict else argument


def _with_names(error: KeyError, metrics: Mapping[str, object]) -> KeyError:
    """Return the error about a metric that there is not with the names of those that there are."""
    name = error.args[0] if len(error.args) == 1 else None
    if type(error) is not KeyError or not isinstance(name, str) or name in metrics:
        return error
    told = UnknownCurveError(f"metrics: no curve is called {name!r}. It has {', '.join(metrics)}")
    told.__cause__ = error
    return told


def implementations_of(callback: object) -> list[tuple[str, pluggy.HookImpl]]:
    """Return a callback's implementations of training hooks, each with the hook's name.

    A manager of its own tells it from others by identity, where one manager would take equal callbacks for the same.

    Raises:
        CallbackError: if there are none, or one is unmarked or not as the hook is declared.
    """
    if unmarked := unmarked_hooks(callback, TrainingHooks):
        raise CallbackError(
            f"{label(callback)}: hooks must be marked with @chainrule.hookimpl, overrides included, got "
            f"{', '.join(unmarked)} without it. Mark each, and name otherwise what is no hook."
        )
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(TrainingHooks)
    try:
        manager.register(callback)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise CallbackError(
            f"{label(callback)}: hooks must have the names and arguments of chainrule.base.hookspecs.TrainingHooks, "
            f"got: {re.sub(r' in plugin .*', '', str(error).splitlines()[-1])}. Mend the callback."
        ) from error
    found = [(caller.name, one) for caller in manager.get_hookcallers(callback) or () for one in caller.get_hookimpls()]
    for hook, implementation in found:
        _expect_plain(implementation)
        _expect_arguments(implementation, hook)
    if not found:
        raise CallbackError(
            f"{label(callback)}: {shown(callback)} implements no training hook. Mark its methods with "
            "@chainrule.hookimpl."
        )
    return found


def _expect_plain(implementation: pluggy.HookImpl) -> None:
    """Raise CallbackError if an implementation has options of pluggy's, or would return without having run."""
    function, owner = implementation.function, label(implementation.plugin)
    if implementation.wrapper or implementation.hookwrapper or implementation.tryfirst or implementation.trylast:
        raise CallbackError(
            f"{owner}: hooks run in the order of the callbacks and take no options, got one on {function.__name__}. "
            "Write @chainrule.hookimpl without wrapper, tryfirst or trylast."
        )
    if any(is_other(function) for is_other in (isgeneratorfunction, iscoroutinefunction, isasyncgenfunction)):
        raise CallbackError(
            f"{owner}: hooks must be plain functions, got {function.__name__} with yield or async, which would never "
            "run. Write it with neither."
        )


def _expect_arguments(implementation: pluggy.HookImpl, hook: str) -> None:
    """Raise CallbackError if an argument would not get the hook's value: defaults, * and ** are no part of its call."""
    function, is_bound = implementation.function, ismethod(implementation.function)
    known = list(signature_of(getattr(TrainingHooks, hook)).parameters)
    taken = list(signature_of(getattr(function, "__func__", function)).parameters.values())
    lacks_self = is_bound and (not taken or taken[0].name in known[1:])
    if lacks_self or any(_is_lost(argument, known) for argument in taken):
        got = Signature([argument.replace(annotation=argument.empty) for argument in taken])
        raise CallbackError(
            f"{label(implementation.plugin)}: {hook} must take arguments of the hook, without defaults, * or **, "
            f"got {got}. Write def {hook}({', '.join(known if is_bound else known[1:])})."
        )


def _is_lost(argument: Parameter, known: Sequence[str]) -> bool:
    """Whether pluggy leaves an argument out of the call, though it is the hook's, or a name says that it is used."""
    has_default = argument.default is not argument.empty
    takes_rest = argument.kind is Parameter.VAR_KEYWORD and argument.name.startswith("_")
    lacks = not has_default and argument.kind not in POSITIONAL and not takes_rest
    return lacks or (has_default and argument.name in known)


def raise_first(hook: str, failures: Sequence[tuple[object, BaseException]]) -> NoReturn:
    """Raise a CallbackError that names every callback that failed, from the first error; an interrupt goes first."""
    told = "; ".join(f"{label(plugin)}: {hook} raised {one_line(error).rstrip('.')}" for plugin, error in failures)
    for _, error in failures:
        if not isinstance(error, Exception):
            if len(failures) > 1:
                error.add_note(f"{told}.")
            raise error
    plugin, first = failures[0]
    if isinstance(first, ChainruleError) and str(first).startswith(f"{label(plugin)}: ") and len(failures) == 1:
        raise CallbackError(str(first)) from first  # it names owner, rule and fix already
    fix = "Mend the callback or leave it out" if len(failures) == 1 else "Mend the callbacks or leave them out"
    raise CallbackError(f"{told}{'' if told.endswith('?') else '.'} {fix}.") from first
