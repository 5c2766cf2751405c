"""Calls that do not fit a signature, and attributes that do not exist, answered with what to write instead."""

from __future__ import annotations

import inspect
from abc import ABCMeta
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from chainrule.arguments import nearest, shown
from chainrule.errors import ArgumentError, UnknownAttributeError, label

Function = TypeVar("Function", bound=Callable[..., Any])

POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def explained(function: Function) -> Function:
    """Decorate a function, a method or a constructor, so that a call that does not fit its signature says what does."""

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except TypeError:
            _expect_fit(function, args, kwargs)
            raise

    return call  # type: ignore[return-value]  # of the same signature


class ExplainedType(ABCMeta):
    """The type of classes whose construction is explained."""

    if not TYPE_CHECKING:  # for type checkers, the signature is that of the class's __init__

        def __call__(cls, *args: Any, **kwargs: Any) -> Any:
            """Return a new instance."""
            try:
                return super().__call__(*args, **kwargs)
            except TypeError:
                _expect_bound(label(cls), cls.__signature__, args, kwargs, getattr(cls, "_use", ""))
                raise

    @property
    def __signature__(cls) -> inspect.Signature:
        """The signature of a construction, which `inspect` would read from `__call__` here."""
        if cls.__init__ is object.__init__:  # type: ignore[misc]
            return inspect.Signature()
        signature = inspect.signature(cls.__init__)  # type: ignore[misc]
        return signature.replace(parameters=list(signature.parameters.values())[1:])


class ExplainsAttributes:
    """Answer for an attribute that does not exist with the nearest one, or with what does its work."""

    # What to write, as a sentence, in place of attributes that are looked for by habit.
    _instead: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:  # type checkers know the attributes

        def __getattr__(self, name: str) -> Any:
            raise UnknownAttributeError(lambda: _no_attribute(self, name))


def _no_attribute(owner: object, name: str) -> str:
    cls = type(owner)
    for parent in cls.__mro__:
        if sentence := vars(parent).get("_instead", {}).get(name):
            return f'{label(cls)}: has no "{name}". {sentence}'
    names = [known for known in {*dir(cls), *vars(owner)} if not known.startswith("_")]
    return f'{label(cls)}: has no "{name}".{nearest(name, sorted(names))}'


def _expect_fit(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    parameters = list(inspect.signature(function).parameters.values())
    owner, name = function.__qualname__.rpartition(".")[0], function.__name__
    if not parameters or parameters[0].name != "self":
        _expect_bound(name, inspect.Signature(parameters), args, kwargs)
        return
    if owner not in (cls.__name__ for cls in type(args[0] if args else None).__mro__):
        raise ArgumentError(
            f"{name}: must be called on an instance, got the class. Did you forget to call it, as in adam().{name}(…)?"
        )
    _expect_bound(owner if name == "__init__" else name, inspect.Signature(parameters[1:]), args[1:], kwargs)


def _expect_bound(
    owner: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any], use: str = ""
) -> None:
    """Raise ArgumentError, naming the owner, if the arguments do not fit the signature."""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise ArgumentError(_what_does_not_fit(owner, signature, args, kwargs, use) or f"{owner}: {error}.") from None


def _what_does_not_fit(
    owner: str, signature: inspect.Signature, args: Sequence[Any], kwargs: Mapping[str, Any], use: str
) -> str:
    parameters = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    named = [one.name for one in parameters if one.kind is not inspect.Parameter.VAR_POSITIONAL]
    positional = [one.name for one in parameters if one.kind in POSITIONAL]
    takes_any = any(one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters)
    surplus = () if takes_any else args[len(positional) :]
    usage = f" {use}" if use and surplus and not isinstance(surplus[0], int | float | str) else ""
    if surplus and not named:
        return f"{owner}: takes no arguments, got {shown(surplus[0])}.{usage or ' Leave it out.'}"
    if surplus and not positional:
        return f"{owner}: takes arguments by name, got {shown(surplus[0])}. Write {owner}({named[0]}=…).{usage}"
    if surplus:
        others = f"the others by name: {', '.join(named[len(positional) :])}" if named != positional else "no others"
        got = f"{len(args)}, from {shown(surplus[0])} on"
        return f"{owner}: takes by position {_listed(positional)}, got {got}. Pass {others}.{usage}"
    for name in kwargs:
        if name not in named:
            if not named:
                kind, what = ("named ", "the name") if takes_any else ("", "it")
                return f'{owner}: takes no {kind}arguments, got "{name}". Leave {what} out.'
            known = _listed(named) if len(named) < 8 else ", ".join(named)
            return f'{owner}: takes no argument "{name}".{nearest(name, named) or f" It takes {known}."}'
        if name in positional[: len(args)]:
            return f'{owner}: takes "{name}" once, got it by position and by name. Leave one out.'
    required = [one for one in parameters if one.default is one.empty and one.name in named]
    missing = [one.name for one in required if one.name not in positional[: len(args)] and one.name not in kwargs]
    if not missing:
        return ""
    form = ", ".join(one.name if one.kind in POSITIONAL else f"{one.name}=…" for one in required)
    return f"{owner}: needs {_listed(missing)}, got none. Write {owner}({form})."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
