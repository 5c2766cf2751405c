# ruff: noqa: N813
from typing import Any

from chainrule_plugins.activations.identity import Identity as identity
from chainrule_plugins.activations.relu import Relu as relu
from chainrule_plugins.activations.sigmoid import Sigmoid as sigmoid
from chainrule_plugins.activations.tanh import Tanh as tanh

__all__ = ["identity", "relu", "sigmoid", "tanh"]

def __getattr__(name: str) -> Any: ...
