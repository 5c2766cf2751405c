"""What the bridge contributes: torch's own optimizers as components, and the checks of a rule in torch.

The registry calls these hooks whenever names are listed, so nothing here imports torch.
"""

from __future__ import annotations

from chainrule import hookimpl
from chainrule.registry import Component

OPTIMIZERS = {
    "torch_adadelta": "Adadelta",
    "torch_adafactor": "Adafactor",
    "torch_adagrad": "Adagrad",
    "torch_adam": "Adam",
    "torch_adamax": "Adamax",
    "torch_adamw": "AdamW",
    "torch_asgd": "ASGD",
    "torch_muon": "Muon",
    "torch_nadam": "NAdam",
    "torch_radam": "RAdam",
    "torch_rmsprop": "RMSprop",
    "torch_rprop": "Rprop",
    "torch_sgd": "SGD",
}
"""The class of torch.optim by the name of its component."""


@hookimpl
def chainrule_components() -> list[Component]:
    """Return the optimizers of torch.optim."""
    return [
        Component(
            kind="optimizers",
            name=name,
            entry_point=f"chainrule_torch.wrapped.of_torch:{name}",
            summary=f"torch.optim.{cls}, one member at a time.",
            foreign=True,
        )
        for name, cls in OPTIMIZERS.items()
    ]


@hookimpl
def chainrule_checks() -> list[str]:
    """Return the module whose checks apply every optimizer to torch's parameters."""
    return ["chainrule_torch.contract"]
