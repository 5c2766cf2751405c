"""The functions of `chainrule.registry`: find, load, create and register components in one catalogue per process."""

from __future__ import annotations

import os
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, overload

from chainrule.arguments import shown
from chainrule.calls import Explained, explained
from chainrule.errors import AmbiguousComponentError, ChainruleError
from chainrule.registry.catalogue import Catalogue
from chainrule.registry.component import NAME_RULE, SESSION, Component, is_valid_name
from chainrule.registry.kinds import KINDS, kind_named, kind_or_none, kinds_of_class

if TYPE_CHECKING:
    from chainrule.base.initializer import Initializer
    from chainrule.base.loss import Loss
    from chainrule.base.metric import Metric
    from chainrule.base.module import Module
    from chainrule.base.optimizer import Optimizer
    from chainrule.base.schedule import Schedule
    from chainrule.base.task import Task

T = TypeVar("T")

_Module: TypeAlias = Literal["layer", "layers", "activation", "activations"]
_Loss: TypeAlias = Literal["loss", "losses"]
_Initializer: TypeAlias = Literal["initializer", "initializers"]
_Optimizer: TypeAlias = Literal["optimizer", "optimizers"]
_Schedule: TypeAlias = Literal["schedule", "schedules"]
_Metric: TypeAlias = Literal["metric", "metrics"]
_Task: TypeAlias = Literal["task", "tasks"]

_MISSING: Any = object()


_LOCK = RLock()
if hasattr(os, "register_at_fork"):  # a child must not inherit the lock from a thread that it lacks
    os.register_at_fork(before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release)

_of_process: list[Catalogue] = []


def _catalogue() -> Catalogue:
    """Return the catalogue of this process, built by the first thread that needs it."""
    with _LOCK:
        if not _of_process:
            _of_process.append(Catalogue())  # before the hooks, which may use the registry themselves
            try:
                _of_process[0].ask_hooks()
            except BaseException:  # such as KeyboardInterrupt
                _of_process.clear()
                raise
        return _of_process[0]


@explained
def components(kind: str | None = None) -> list[Component]:
    """Return the records of one kind, or of all, sorted by kind and name, whatever their state."""
    kinds = KINDS if kind is None else (kind_named(kind),)
    found = (component for records in _catalogue().records.values() for component in records if component.kind in kinds)
    return sorted(found, key=lambda component: (kinds.index(component.kind), component.name, component.distribution))


def state(component: Component) -> str:
    """Return ``declared``, ``invalid``, ``blocked`` or ``ambiguous``."""
    return _catalogue().state(component)


def names(kind: str) -> list[str]:
    """Return the usable bare names of a kind."""
    return [component.name for component in components(kind) if state(component) == "declared"]


def problems() -> list[ChainruleError]:
    """Return the errors in building the catalogue, with chained causes."""
    return list(_catalogue().problems)


def import_check_modules() -> None:
    """Import the modules whose checks join the conformance kit; what fails joins `problems`."""
    with _LOCK:
        _catalogue().import_check_modules()


def load(component: Component) -> Any:
    """Import and return the object of a record.

    Raises:
        BrokenComponentError: if it is written for another contract, fails to import, is not callable, or is a class of
            another kind.
    """
    return _catalogue().load(component)


@overload
def get(kind: _Module, name: str) -> Callable[..., Module]: ...
@overload
def get(kind: _Loss, name: str) -> Callable[..., Loss]: ...
@overload
def get(kind: _Initializer, name: str) -> Callable[..., Initializer]: ...
@overload
def get(kind: _Optimizer, name: str) -> Callable[..., Optimizer]: ...
@overload
def get(kind: _Schedule, name: str) -> Callable[..., Schedule]: ...
@overload
def get(kind: _Metric, name: str) -> Callable[..., Metric]: ...
@overload
def get(kind: _Task, name: str) -> Callable[..., Task]: ...
@overload
def get(kind: str, name: str) -> Any: ...
@explained
def get(kind: str, name: str) -> Any:
    """Return the class or factory that is registered under a name, importing nothing else.

    Args:
        kind: a kind, in the singular or plural: ``"optimizers"``.
        name: a name, ``"lion"``, or one with its distribution, ``"chainrule-lion:lion"``.

    Raises:
        UnknownComponentError: if no component has that name; the message names the nearest, and how to add it.
        AmbiguousComponentError: if several distributions register it.
        BlockedComponentError: if CHAINRULE_DISABLE disables it.
        BrokenComponentError: if it cannot be loaded.
    """
    _expect_text("get", kind, name)
    return load(_catalogue().find(kind_named(kind), name))


@overload
def create(kind: _Module, name: str, /, *args: Any, **kwargs: Any) -> Module: ...
@overload
def create(kind: _Loss, name: str, /, *args: Any, **kwargs: Any) -> Loss: ...
@overload
def create(kind: _Initializer, name: str, /, *args: Any, **kwargs: Any) -> Initializer: ...
@overload
def create(kind: _Optimizer, name: str, /, *args: Any, **kwargs: Any) -> Optimizer: ...
@overload
def create(kind: _Schedule, name: str, /, *args: Any, **kwargs: Any) -> Schedule: ...
@overload
def create(kind: _Metric, name: str, /, *args: Any, **kwargs: Any) -> Metric: ...
@overload
def create(kind: _Task, name: str, /, *args: Any, **kwargs: Any) -> Task: ...
@overload
def create(kind: str, name: str, /, *args: Any, **kwargs: Any) -> Any: ...
@explained
def create(kind: str, name: str, /, *args: Any, **kwargs: Any) -> Any:
    """Create a component with these arguments: ``create("optimizers", "lion", lr=1e-4)``.

    Raises:
        UnknownComponentError: if no component has that name, and what else `get` raises.
        ChainruleError: if the component refuses the arguments.
    """
    return get(kind, name)(*args, **kwargs)


@overload
def register(kind: str, name: str, obj: T) -> T: ...
@overload
def register(kind: str, name: str) -> Callable[[T], T]: ...
@explained
def register(kind: str, name: str, obj: Any = _MISSING) -> Any:
    """Register a class or factory for this session and return it; also usable as a decorator.

    A definition that is registered again replaces the earlier one, so that a notebook cell can be rerun.

    Raises:
        AmbiguousComponentError: if the name belongs to a package, or to another object of this session.
        ChainruleError: if the name is not valid, or the object is not a class or factory of that kind.
    """
    _expect_text("register", kind, name)
    kind = kind_named(kind)
    if not is_valid_name(name):
        raise ChainruleError(f'register: the name must match {NAME_RULE}, got "{name}". Choose another.')
    if obj is _MISSING:
        return lambda decorated: register(kind, name, decorated)
    if not callable(obj) or isinstance(obj, Explained):  # some components can be called
        raise ChainruleError(f'register: "{name}" must be a class or a function, got {obj!r}. Register its class.')
    if (found := kinds_of_class(obj)) and kind not in found:
        raise ChainruleError(
            f'register: "{name}" must be one of the {kind}, got {shown(obj)} of the {" or ".join(found)}. '
            "Register it among those."
        )
    definition = obj if hasattr(obj, "__qualname__") else type(obj)
    address = f"{definition.__module__}:{definition.__qualname__}"
    with _LOCK:
        _catalogue().add_to_session(Component(kind=kind, name=name, entry_point=address, distribution=SESSION), obj)
    return obj


def _expect_text(caller: str, kind: object, name: object) -> None:
    """Raise ChainruleError unless kind and name are text."""
    if not isinstance(kind, str) or not isinstance(name, str):
        raise ChainruleError(
            f"{caller}: kind and name must be text, got {shown(kind)} and {shown(name)}. "
            'Pass both, as in ("optimizers", "adam").'
        )


def resolve(text: str) -> Component:
    """Return the component that a command names by ``NAME``, ``KIND:NAME``, ``DIST:NAME`` or ``KIND:DIST:NAME``.

    Raises:
        AmbiguousComponentError: if the name exists in several kinds and the text does not name one.
    """
    catalogue = _catalogue()
    first, colon, rest = text.partition(":")
    kind = kind_or_none(first)
    if colon and kind is not None:
        return catalogue.find(kind, rest)
    named = [component for kind in KINDS for component in catalogue.named(kind, text)]
    if not named:
        raise catalogue.unknown(None, text)
    usable = [component for component in named if not catalogue.is_blocked(component)]
    kinds = list(dict.fromkeys(component.kind for component in usable or named))
    if len(kinds) > 1:
        choices = " or ".join(f"{kind}:{text}" for kind in kinds)
        raise AmbiguousComponentError(
            f'"{text}" must name one component, got one in each of {len(kinds)} kinds. Write {choices}.'
        )
    return catalogue.find(kinds[0], text)


def import_by_name(kind: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the ``__getattr__`` and ``__dir__`` of the module from which components of a kind are imported."""

    def __getattr__(name: str) -> Any:  # noqa: N807
        if name == "__all__":
            return names(kind)
        # Python and its tools look up names like these on modules; no component may have one.
        if name.startswith("_"):
            raise AttributeError(f"module 'chainrule.{kind}' has no attribute {name!r}")
        return get(kind, name)

    def __dir__() -> list[str]:  # noqa: N807
        return names(kind)

    return __getattr__, __dir__
