"""Every registered optimizer as a `torch.optim.Optimizer`: ``from chainrule_torch.optim import Lion``.

A name is the registered one, such as ``lion``, or that of the class, such as ``Lion``; both give the same class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chainrule import registry
from chainrule_torch.adapter.rule_optimizer import RuleOptimizer

_classes: dict[str, tuple[Callable[..., Any], type[RuleOptimizer]]] = {}


def optimizer_class(name: str) -> type[RuleOptimizer]:
    """Return the class of a registered optimizer, the same at every call.

    Raises:
        UnknownComponentError: if there is none.
    """
    registered = _registered(name)
    factory = registry.get("optimizers", registered)
    if registered not in _classes or _classes[registered][0] is not factory:
        own = getattr(factory, "__name__", "")
        title = own if _letters(own) == _letters(registered) else registered
        namespace = {
            "factory": staticmethod(factory),
            "__module__": __name__,
            "__qualname__": title,
            "__doc__": f"{factory.__doc__}\n\nApplied to the parameters of a torch module: see `RuleOptimizer`.",
        }
        _classes[registered] = factory, type(title, (RuleOptimizer,), namespace)
    return _classes[registered][1]


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
