"""Calls that do not fit a signature, and attributes that do not exist, answered with what to write instead."""

from __future__ import annotations

import inspect
import sys
from abc import ABC
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from weakref import WeakSet

from chainrule.arguments import nearest, shown
from chainrule.errors import ArgumentError, ContractError, UnknownAttributeError, label

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


def explain_methods(cls: type, *names: str) -> None:
    """Decorate the methods of these names that a class itself has."""
    for name in names:
        if inspect.isfunction(written := vars(cls).get(name)):
            setattr(cls, name, explained(written))


def signature_of(function: Any) -> inspect.Signature:
    """Return the signature of a function or class; on Python 3.14, its annotations are text.

    Raises:
        TypeError, ValueError: if it has none, as for compiled code.
    """
    if sys.version_info >= (3, 14):
        import annotationlib

        return inspect.signature(function, annotation_format=annotationlib.Format.STRING)
    return inspect.signature(function)


class _ConstructorSignature:
    """The signature of a class, which is that of its constructor, and which its instances do not have."""

    def __get__(self, instance: object, cls: type) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        parents = [parent for parent in cls.__mro__ if not vars(parent).get("_is_protocol")]  # these only forward
        inits = [vars(parent)["__init__"] for parent in parents if "__init__" in vars(parent)]
        written = next(init for init in inits if init is not Explained.__init__)
        if written is object.__init__:
            return inspect.Signature()
        signature = signature_of(written)
        return signature.replace(parameters=list(signature.parameters.values())[1:])


class Explained(ABC):  # noqa: B024 - its subclasses have abstract methods
    """Parent of classes whose construction is explained, without a metaclass that could conflict with another's."""

    _use: ClassVar[str] = ""  # what to do with the object, as a sentence, where it is given to the constructor

    if not TYPE_CHECKING:  # for type checkers, the signature is that of the class's own __init__
        __signature__ = _ConstructorSignature()

        def __new__(cls, /, *_: Any, **__: Any) -> Any:
            """Make the instance, unless the class lacks methods that its parent leaves to it."""
            if missing := sorted(cls.__abstractmethods__):
                it = "it" if len(missing) == 1 else "them"
                raise ContractError(
                    f"{label(cls)}: must define {_listed(missing)}, got none. Write {it} in its class, or a subclass."
                )
            return super().__new__(cls)

        def __init__(self, /, *args: Any, **kwargs: Any) -> None:
            """Pass everything on to the next parent, which object refuses."""
            with _explaining(self, Explained, args, kwargs):
                super().__init__(*args, **kwargs)
            _end_construction(self, Explained)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        explain_construction(cls)


def explain_construction(cls: type) -> None:
    """Wrap the constructor of a class, if it has its own, so that a call that does not fit says what does."""
    if "__init__" not in vars(cls):
        return
    written = vars(cls)["__init__"]

    @wraps(written)
    def __init__(self: Any, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes the place of one
        with _explaining(self, cls, args, kwargs):
            written(self, *args, **kwargs)
        _end_construction(self, cls)

    cls.__init__ = __init__  # type: ignore[misc]


def _end_construction(owner: object, cls: type) -> None:
    """Note that an object is constructed, if the constructor of this class was the outermost one."""
    if type(owner).__init__ is cls.__init__ and hasattr(owner, "_constructed"):  # type: ignore[misc]
        vars(owner)["_constructed"] = True


_OF_ANY_PARENTS: WeakSet[type] = WeakSet()


def explain_construction_of_any(cls: type) -> None:
    """Do the same for a class without chainrule's parents, such as a callback; its constructor may be a parent's."""
    written: Any = cls.__init__  # type: ignore[misc]
    is_plain = written is object.__init__
    if issubclass(cls, Explained) or cls in _OF_ANY_PARENTS or (is_plain and cls.__new__ is not object.__new__):
        return

    @wraps(written)
    def __init__(self: object, /, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - it takes the place of one
        with _explaining(self, cls, args, kwargs):
            written(self, *args, **kwargs)

    if is_plain:
        __init__.__signature__ = inspect.Signature([_SELF])  # type: ignore[attr-defined]
    with suppress(TypeError):  # of a class of compiled code, which stays as it is
        cls.__init__ = __init__  # type: ignore[assignment, method-assign]
    _OF_ANY_PARENTS.add(cls)


_SELF = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)


@contextmanager
def _explaining(owner: object, cls: type, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[None]:
    """Turn a TypeError of the constructor of a class, called for its subclass's instance perhaps, into what fits."""
    try:
        yield
    except TypeError:
        called = type(owner) if type(owner).__init__ is cls.__init__ else cls  # type: ignore[misc]
        _expect_typed(called, kwargs)
        expect_bound(label(called), signature_of(called), args, kwargs, getattr(owner, "_use", ""))
        raise


def _expect_typed(cls: type, names: Iterable[str]) -> None:
    """Raise ArgumentError at a name that a class with fields gives a value of its own, but no type."""
    fields: Any = getattr(cls, "__dataclass_fields__", None)
    for name in () if fields is None else names:
        value = vars(cls).get(name)
        if name not in fields and isinstance(value, int | float | str) and not hasattr(super(cls, cls), name):
            raise ArgumentError(
                f'{label(cls)}: takes no argument "{name}", which its class declares without a type. '
                f"Write {name}: {type(value).__name__} = {value!r} there."
            )


class ExplainsAttributes:
    """Answer for an attribute that does not exist with the nearest one, or with what does its work."""

    # What to write, as a sentence, in place of attributes that are looked for by habit.
    _instead: ClassVar[Mapping[str, str]] = {}

    if not TYPE_CHECKING:  # type checkers know the attributes

        def __getattr__(self, name: str) -> Any:
            if hasattr(type(self), name):  # a property whose own code lacks an attribute
                return object.__getattribute__(self, name)
            raise UnknownAttributeError(lambda: no_attribute(self, name))


def no_attribute(owner: object, name: str) -> str:
    """Return what to write in place of an attribute that an object does not have."""
    cls = type(owner)
    for parent in cls.__mro__:
        if sentence := vars(parent).get("_instead", {}).get(name):
            return f'{label(cls)}: has no "{name}". {sentence}'
    names = [known for known in {*dir(cls), *vars(owner)} if not known.startswith("_")]
    return f'{label(cls)}: has no "{name}".{nearest(name, sorted(names))}'


def _expect_fit(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    parameters = list(signature_of(function).parameters.values())
    owner, name = function.__qualname__.rpartition(".")[0], function.__name__
    if not parameters or parameters[0].name != "self":
        expect_bound(name, inspect.Signature(parameters), args, kwargs)
        return
    cls = next((cls for cls in type(args[0] if args else None).__mro__ if cls.__name__ == owner), None)
    if cls is None:
        raise ArgumentError(
            f"{name}: must be called on an instance, got the class. Call the class first: NAME(…).{name}(…)."
        )
    called = {"__init__": _public_name(cls), "__call__": label(args[0])}.get(name, name)
    # An Explained object's _use is about its construction.
    use = args[0]._use if name == "__call__" and not isinstance(args[0], Explained) else ""
    expect_bound(called, inspect.Signature(parameters[1:]), args[1:], kwargs, use)


def _public_name(cls: type) -> str:
    """Return the name under which users call a class: in snake case, as param_groups, where its module has that too."""
    return label(cls) if getattr(sys.modules[cls.__module__], label(cls), None) is cls else cls.__name__


def expect_bound(
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
    takes_any_name = len(parameters) < len(signature.parameters)
    surplus = () if takes_any else args[len(positional) :]
    usage = f" {use}" if use and surplus and not isinstance(surplus[0], int | float | str) else ""
    if surplus and not named and takes_any_name:
        return f"{owner}: takes arguments by name, got {shown(surplus[0])}. Write {owner}(NAME=…).{usage}"
    if surplus and not named:
        return f"{owner}: takes no arguments, got {shown(surplus[0])}.{usage or ' Leave it out.'}"
    if surplus and not positional:
        write = "" if usage and hasattr(surplus[0], "shape") else f" Write {owner}({named[0]}=…)."
        return f"{owner}: takes arguments by name, got {shown(surplus[0])}.{write}{usage}"
    if surplus:
        others = "no others"
        if named != positional:
            others = f"the others by name: {', '.join(named[len(positional) :])}"
        elif takes_any_name and isinstance(surplus[0], int | float | str):
            others = f"the others by name: {owner}({', '.join(positional)}, NAME={shown(surplus[0])})"
        got = f"{len(args)}, from {shown(surplus[0])} on"
        return f"{owner}: takes by position {_listed(positional)}, got {got}. Pass {others}.{usage}"
    for name in kwargs:
        if name not in named and not takes_any_name:
            if not named:
                kind, what = ("named ", "the name") if takes_any else ("", "it")
                return f'{owner}: takes no {kind}arguments, got "{name}". Leave {what} out.'
            known = _listed(named) if len(named) < 8 else ", ".join(named)
            return f'{owner}: takes no argument "{name}".{nearest(name, named) or f" It takes {known}."}'
        if name in positional[: len(args)]:
            return f'{owner}: takes "{name}" once, got it by position and by name. Leave one out.'
    required = [one for one in parameters if one.default is one.empty and one.name in named]
    missing = [one.name for one in required if one.name not in positional[: len(args)] and one.name not in kwargs]
    rest = [one for one in parameters if one.kind is one.VAR_POSITIONAL and len(args) > len(positional)]
    form = ", ".join(_as_written(one) for one in parameters if one in required + rest)
    alone = [
        one.name for one in parameters if one.kind is one.POSITIONAL_ONLY and one.name not in positional[: len(args)]
    ]
    if by_name := [name for name in alone if name in kwargs]:
        return f"{owner}: takes {_listed(by_name)} by position, got a name before the value. Write {owner}({form})."
    if not missing:
        return ""
    return f"{owner}: needs {_listed(missing)}, got none. Write {owner}({form})."


def _as_written(parameter: inspect.Parameter) -> str:
    if parameter.kind is parameter.VAR_POSITIONAL:
        return f"*{parameter.name}"
    return parameter.name if parameter.kind in POSITIONAL else f"{parameter.name}=…"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
