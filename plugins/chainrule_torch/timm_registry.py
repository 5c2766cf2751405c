"""Every registered optimizer in timm's factory, under names such as ``chainrule-lion``."""

from __future__ import annotations

from typing import Any

from chainrule import ChainruleError, registry
from chainrule.calls import explained
from chainrule.errors import one_line
from chainrule_torch.optim import optimizer_class

PREFIX = "chainrule-"


@explained
def register_with_timm() -> list[str]:
    """Let timm's factory make every registered optimizer, and return their names there.

    A name is the registered one behind ``chainrule-``, with hyphens, since timm takes what stands after the last
    underscore for the whole: ``timm.optim.create_optimizer_v2(model, "chainrule-schedule-free-adamw")``. As with
    timm's own, a rule that has a momentum gets 0.9 unless another is given.

    Raises:
        ChainruleError: if timm cannot be imported.
    """
    try:
        from timm.optim._optim_factory import OptimInfo, default_registry
    except Exception as error:  # of torchvision, which timm imports, it may be of any type
        raise ChainruleError(
            f"register_with_timm: timm must be importable, got {one_line(error)}. Run pip install timm, or mend it."
        ) from error
    made = []
    foreign = {each.name for each in registry.components("optimizers") if each.foreign}  # which timm has itself
    for name in (name for name in registry.names("optimizers") if name not in foreign):
        made.append(PREFIX + name.replace("_", "-"))
        if made[-1] not in default_registry.list_optimizers():
            path = f"{optimizer_class.__module__}.{name}"
            default_registry.register(OptimInfo(name=made[-1], opt_class=path, **_traits(name)))
    return made


def _traits(name: str) -> dict[str, Any]:
    """Return what timm wants to know of an optimizer: a description, and which of the usual settings it takes."""
    try:
        kind = optimizer_class(name)
    except ChainruleError as error:  # which is raised again when the optimizer is made
        return {"description": str(error)}
    fields = getattr(kind.factory, "__dataclass_fields__", {})
    betas = getattr(fields.get("betas"), "default", ())
    return {
        "description": (kind.__doc__ or "").partition("\n")[0],
        "has_eps": "eps" in fields,
        "has_momentum": "momentum" in fields,
        "has_betas": "betas" in fields,
        "num_betas": len(betas) if isinstance(betas, tuple) else 2,
    }
