"""The bridge to PyTorch: rules as its optimizers, layers and networks as its modules, and all of them the other way."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from chainrule.calls import explained
from chainrule.errors import UnknownAttributeError

if TYPE_CHECKING:
    from chainrule_torch.adapter.rule_optimizer import RuleOptimizer
    from chainrule_torch.networks.layer_module import as_torch_module
    from chainrule_torch.networks.translation import from_torch, to_torch
    from chainrule_torch.timm_registry import register_with_timm
    from chainrule_torch.wrapped import wrap

_PLACES = {
    "as_torch_module": "networks.layer_module",
    "from_torch": "networks.translation",
    "register_with_timm": "timm_registry",
    "to_torch": "networks.translation",
    "wrap": "wrapped",
}
"""Where each name stands; imported when it is first used, since the commands' help needs no torch."""

__all__ = ["as_torch_module", "from_torch", "optimizer", "register_with_timm", "to_torch", "wrap"]


@explained
def optimizer(name: str, params: Iterable[Any], **settings: Any) -> RuleOptimizer:
    """Return a registered optimizer for torch's parameters: ``optimizer("lion", model.parameters(), lr=1e-4)``."""
    from chainrule_torch.optim import optimizer_class

    return optimizer_class(name)(params, **settings)


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise UnknownAttributeError(lambda: _unknown(name))
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)


def _unknown(name: str) -> str:
    """Return the message for an unknown name, with the place of an optimizer of that name."""
    from chainrule.registry import names

    is_rule = name.replace("_", "").lower() in (rule.replace("_", "") for rule in names("optimizers"))
    hint = f". Write from chainrule_torch.optim import {name}" if is_rule else ""
    return f"module {__name__!r} has no attribute {name!r}{hint}"
