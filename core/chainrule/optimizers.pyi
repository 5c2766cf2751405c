# ruff: noqa: N813
from typing import Any

from chainrule_plugins.optimizers.adadelta import Adadelta as adadelta
from chainrule_plugins.optimizers.adagrad import Adagrad as adagrad
from chainrule_plugins.optimizers.adam import Adam as adam
from chainrule_plugins.optimizers.rmsprop import Rmsprop as rmsprop
from chainrule_plugins.optimizers.sgd import Sgd as sgd

__all__ = ["adadelta", "adagrad", "adam", "rmsprop", "sgd"]

def __getattr__(name: str) -> Any: ...
