# ruff: noqa: N813
from typing import Any

from chainrule_plugins.layers.linear import Linear as linear
from chainrule_plugins.layers.sequential import Sequential as sequential

__all__ = ["linear", "sequential"]

def __getattr__(name: str) -> Any: ...
