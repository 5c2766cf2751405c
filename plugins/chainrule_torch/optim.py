"""Every registered optimizer as a `torch.optim.Optimizer`: ``from chainrule_torch.optim import Lion``.

A name is the registered one, such as ``lion``, or that of the class, such as ``Lion``; both give the same class.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Iterable
from typing import Any

import torch

from chainrule import Optimizer, Wrapper, registry
from chainrule.arguments import shown
from chainrule.calls import expect_bound
from chainrule.errors import ArgumentError, label
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

_classes: dict[str, tuple[Callable[..., Any], type[RuleOptimizer]]] = {}


def optimizer_class(name: str) -> type[RuleOptimizer]:
    """Return the class of a registered optimizer, the same at every call.

    Raises:
        UnknownComponentError: if there is none.
    """
    if not isinstance(name, str):
        raise ArgumentError(f"optimizer: name must be that of a registered rule, got {shown(name)}. {_fix(name)}")
    registered = name if name in _classes else _registered(name)
    factory = registry.get("optimizers", registered)
    if registered not in _classes or _classes[registered][0] is not factory:
        own = getattr(factory, "__name__", "")
        title = own if _letters(own) == _letters(registered) else registered
        namespace = {
            "factory": staticmethod(factory),
            "__init__": _constructor(factory, title),
            "__module__": __name__,
            "__qualname__": title,
            "__doc__": f"{factory.__doc__}\n\nApplied to the parameters of a torch module: see `RuleOptimizer`.",
        }
        _classes[registered] = factory, type(title, (RuleOptimizer,), namespace)
    return _classes[registered][1]


def _fix(given: object) -> str:
    """Return what to write in place of what is no name."""
    kind = given if isinstance(given, type) else type(given)
    if issubclass(kind, torch.optim.Optimizer):
        return "Call it with the parameters."
    if not issubclass(kind, Optimizer):
        return 'Write optimizer("lion", params, …).'
    name = _registered(label(kind))
    is_taken = name in registry.names("optimizers")
    settings = "inner=…" if issubclass(kind, Wrapper) else "…"
    if is_taken and registry.get("optimizers", name) is kind:
        return f'Write optimizer("{name}", params, {settings}).'
    name = f"my_{name}" if is_taken else name
    return (
        f'Write chainrule.register("optimizers", "{name}", {kind.__name__}), then '
        f'optimizer("{name}", params, {settings}).'
    )


def _constructor(factory: Callable[..., Any], title: str) -> Callable[..., None]:
    """Return a constructor with the rule's settings in its signature, from which command lines and help are made."""

    def __init__(self: RuleOptimizer, *params: Iterable[Any], **settings: Any) -> None:  # noqa: N807 - it becomes one
        if len(params) + ("params" in settings) != 1:
            got = f"{shown(params[1])} too" if params[1:] else "none"
            raise ArgumentError(
                f"{title}: takes params alone by position, got {got}. Write {title}(model.parameters(), lr=…)."
            )
        if takes is not None:
            expect_bound(label(factory), takes, (), {k: value for k, value in settings.items() if k != "params"})
        RuleOptimizer.__init__(self, *params, **settings)

    takes = None
    if dataclasses.is_dataclass(factory):
        itself, params, *own, others = inspect.signature(RuleOptimizer.__init__).parameters.values()
        known = dict(inspect.signature(factory).parameters)
        own = [each for each in own if each.name not in known]  # with which no optimizer can be made
        around = isinstance(factory, type) and issubclass(factory, Wrapper)
        beside = {"maximize": False} if around else {"weight_decay": 0.0, "maximize": False}
        for name, value in beside.items():
            given = inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=value, annotation=type(value))
            known.setdefault(name, given)
        inside = [others] if around else []  # the settings of the rule inside a wrapper
        hints = _hints(RuleOptimizer.__init__) | _hints(factory)
        by_name = {each.name: each for each in (itself, params, *own, *known.values(), *inside)}
        all_of_them = [each.replace(annotation=hints.get(name, each.annotation)) for name, each in by_name.items()]
        takes = inspect.Signature([*known.values(), *own, *inside])
        __init__.__signature__ = inspect.Signature(all_of_them)  # type: ignore[attr-defined]
    return __init__


def _hints(of: Callable[..., Any]) -> dict[str, Any]:
    """Return the types of annotations; none where a module imports some for type checkers alone."""
    try:
        return typing.get_type_hints(of)
    except NameError:
        return {}


def _registered(name: str) -> str:
    """Return the registered name for that of a class."""
    known = registry.names("optimizers")
    found = [each for each in known if _letters(each) == _letters(name)]
    return found[0] if name not in known and len(found) == 1 else name


def _letters(name: str) -> str:
    return name.replace("_", "").lower()


def __getattr__(name: str) -> Any:
    if name == "__all__":
        return registry.names("optimizers")
    if name.startswith("_"):  # Python and its tools look up names like these on modules
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return optimizer_class(name)


def __dir__() -> list[str]:
    return registry.names("optimizers")
