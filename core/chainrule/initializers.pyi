# ruff: noqa: N813
from typing import Any

from chainrule_plugins.initializers.constant import Constant as constant
from chainrule_plugins.initializers.he_normal import HeNormal as he_normal
from chainrule_plugins.initializers.he_uniform import HeUniform as he_uniform
from chainrule_plugins.initializers.uniform import Uniform as uniform
from chainrule_plugins.initializers.xavier_normal import XavierNormal as xavier_normal
from chainrule_plugins.initializers.xavier_uniform import XavierUniform as xavier_uniform
from chainrule_plugins.initializers.zeros import Zeros as zeros

__all__ = ["constant", "he_normal", "he_uniform", "uniform", "xavier_normal", "xavier_uniform", "zeros"]

def __getattr__(name: str) -> Any: ...
