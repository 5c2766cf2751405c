"""`Subject`: a component to check, with its example instances."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from torch import Tensor

from chainrule import registry
from chainrule.errors import ChainruleError, label
from chainrule.registry.kinds import kind_named, kinds_of_class

Reference: TypeAlias = Callable[[Any, Tensor, Sequence[Tensor]], Iterable[Tensor]]
"""An independent formula of a rule: ``(rule, parameter, gradients) -> the parameter after each step``, in float64."""


@dataclass(frozen=True)
class Subject:
    """A component under its name, and how to create the instances that checks run on.

    Attributes:
        kind: such as "optimizers".
        name: as reports show it.
        component: the class or factory.
        make_examples: returns new instances at every call.
        reference: of an optimizer, a formula of the same rule, written independently.
    """

    kind: str
    name: str
    component: Any
    make_examples: Callable[[], Sequence[Any]] = field(repr=False)
    reference: Reference | None = field(default=None, repr=False)

    @property
    def label(self) -> str:
        """Kind and name, such as "optimizers:lion"."""
        return f"{self.kind}:{self.name}"


def subject(
    component: str | type | Callable[..., Any],
    /,
    *args: Any,
    kind: str | None = None,
    reference: Reference | None = None,
    input_shape: Sequence[int] | None = None,
    **settings: Any,
) -> Subject:
    """Return the component to check.

    Args:
        component: a registered name, such as "optimizers:lion" or "lion", or a class or factory itself.
        args: arguments with which to make the one instance to check; without arguments its `examples()` are checked.
        kind: of a factory whose class does not tell it.
        reference: of an optimizer, a formula of the same rule, written independently.
        input_shape: of a layer made with arguments, the shape of one example input.
        settings: keyword arguments with which to make the instance.

    Raises:
        ChainruleError: if the component is not known, or its kind cannot be told.
    """
    if isinstance(component, str):
        record = registry.resolve(component)
        found, kind, name = registry.load(record), record.kind, record.name
    else:
        found = component
        name = label(component) if isinstance(component, type) else getattr(component, "__name__", repr(component))
        kind = kind_named(kind) if kind is not None else _kind_of(component)

    def examples() -> Sequence[Any]:
        if not args and not settings:
            return found.examples() if hasattr(found, "examples") else [found()]
        made = found(*args, **settings)
        if kind in ("layers", "activations"):
            return [(made, tuple(input_shape or (4,)))]
        if kind == "losses":
            return [(made, prediction, target) for _, prediction, target in found.examples()]
        return [made]

    return Subject(kind, name, found, examples, reference)


def _kind_of(component: Any) -> str:
    if kinds := kinds_of_class(component):
        return next(iter(kinds))
    if any(hasattr(method, "chainrule_impl") for _, method in inspect.getmembers(component)):
        return "callbacks"
    if isinstance(component, type) and _takes_one_number(component):
        return "schedules"
    raise ChainruleError(
        f"check: {getattr(component, '__qualname__', component)} does not inherit from a parent class such as "
        "chainrule.Optimizer, so its kind is unknown. Inherit from one, or pass kind=… or KIND:FILE.py:Class."
    )


def _takes_one_number(cls: type) -> bool:
    """Return whether a class's instances are called with one argument, as schedules are."""
    call = vars(cls).get("__call__")
    return inspect.isfunction(call) and len(inspect.signature(call).parameters) == 2  # self and t
