"""The optimizers of torch.optim as classes of rules, by the names that the bridge's hook registers."""

from __future__ import annotations

from typing import Any

import torch

from chainrule_torch.hooks import OPTIMIZERS
from chainrule_torch.wrapped.rule import class_of


def __getattr__(name: str) -> Any:
    if name not in OPTIMIZERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return class_of(getattr(torch.optim, OPTIMIZERS[name]))
