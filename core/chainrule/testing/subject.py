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
"""An independent implementation in float64: ``(rule, parameter, gradients) -> the parameter after each step``."""


@dataclass(frozen=True)
class Subject:
    """A component to check, with its name and a factory of example instances.

    Attributes:
        kind: such as "optimizers".
        name: as shown in reports.
        component: the class or factory.
        make_examples: returns new instances at every call.
        reference: an independent implementation of an optimizer's rule.
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
    """Return the Subject for a registered component, a class or a factory.

    Args:
        component: a registered name, such as "optimizers:lion" or "lion", or a class or factory.
        args: positional arguments of the one instance to check; without any arguments, `examples()` are checked.
        kind: the kind of component; required if it cannot be inferred, as for most factories.
        reference: for an optimizer, an independent implementation of its rule.
        input_shape: for a layer created with arguments, the shape of one example input; (4,) by default.
        settings: keyword arguments of the instance to check.

    Raises:
        ChainruleError: if the component is unknown, or its kind cannot be inferred.
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
    """Return whether calling an instance takes one argument, as for a schedule."""
    call = vars(cls).get("__call__")
    return inspect.isfunction(call) and len(inspect.signature(call).parameters) == 2  # self and t
