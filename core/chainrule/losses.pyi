# ruff: noqa: N813
from typing import Any

from chainrule_plugins.losses.cross_entropy import CrossEntropy as cross_entropy
from chainrule_plugins.losses.mse import Mse as mse

__all__ = ["cross_entropy", "mse"]

def __getattr__(name: str) -> Any: ...
