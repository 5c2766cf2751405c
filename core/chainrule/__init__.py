"""chainrule: deep learning on torch tensors, in which every part is a plugin and every gradient is written by hand.

The public names are imported when they are first used, so that ``import chainrule`` does not wait for torch.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.base.buffer import Buffer as Buffer
    from chainrule.base.hookspecs import hookimpl as hookimpl
    from chainrule.base.initializer import Initializer as Initializer
    from chainrule.base.loss import Loss as Loss
    from chainrule.base.metric import Metric as Metric
    from chainrule.base.module import Module as Module
    from chainrule.base.module import Shape as Shape
    from chainrule.base.optimizer import LearningRate as LearningRate
    from chainrule.base.optimizer import Optimizer as Optimizer
    from chainrule.base.optimizer import State as State
    from chainrule.base.optimizer import present as present
    from chainrule.base.parameter import Parameter as Parameter
    from chainrule.base.protocols import InitializerLike as InitializerLike
    from chainrule.base.protocols import LossLike as LossLike
    from chainrule.base.protocols import ModuleLike as ModuleLike
    from chainrule.base.random_numbers import Random as Random
    from chainrule.base.random_streams import random_stream as random_stream
    from chainrule.base.schedule import Schedule as Schedule
    from chainrule.base.settings import hyperparameter as hyperparameter
    from chainrule.base.step import Step as Step
    from chainrule.base.task import Splits as Splits
    from chainrule.base.task import Task as Task
    from chainrule.base.wrapper import Wrapper as Wrapper
    from chainrule.errors import AmbiguousComponentError as AmbiguousComponentError
    from chainrule.errors import ArgumentError as ArgumentError
    from chainrule.errors import BackwardError as BackwardError
    from chainrule.errors import BlockedComponentError as BlockedComponentError
    from chainrule.errors import BrokenComponentError as BrokenComponentError
    from chainrule.errors import CallbackError as CallbackError
    from chainrule.errors import ChainruleError as ChainruleError
    from chainrule.errors import CompileWarning as CompileWarning
    from chainrule.errors import ContractError as ContractError
    from chainrule.errors import HyperparameterError as HyperparameterError
    from chainrule.errors import ShapeError as ShapeError
    from chainrule.errors import StateError as StateError
    from chainrule.errors import UnknownAttributeError as UnknownAttributeError
    from chainrule.errors import UnknownComponentError as UnknownComponentError
    from chainrule.errors import UnknownCurveError as UnknownCurveError
    from chainrule.errors import label as label
    from chainrule.network import Network as Network
    from chainrule.registry import Component as Component
    from chainrule.registry import components as components
    from chainrule.registry import create as create
    from chainrule.registry import get as get
    from chainrule.registry import register as register
    from chainrule.registry.contract import API as API
    from chainrule.terminal import console as console
    from chainrule.training import History as History
    from chainrule.training import Run as Run
    from chainrule.training import evaluate as evaluate
    from chainrule.training.fit import fit as fit
    from chainrule.training.training_step import training_step as training_step
    from chainrule.updates.param_groups import param_groups as param_groups
    from chainrule.updates.updater import Updater as Updater

    __version__: str

_MODULES = {
    "errors": (
        "AmbiguousComponentError",
        "ArgumentError",
        "BackwardError",
        "BlockedComponentError",
        "BrokenComponentError",
        "CallbackError",
        "ChainruleError",
        "CompileWarning",
        "ContractError",
        "HyperparameterError",
        "ShapeError",
        "StateError",
        "UnknownAttributeError",
        "UnknownComponentError",
        "UnknownCurveError",
        "label",
    ),
    "base.buffer": ("Buffer",),
    "base.hookspecs": ("hookimpl",),
    "base.protocols": ("InitializerLike", "LossLike", "ModuleLike"),
    "base.random_numbers": ("Random",),
    "base.random_streams": ("random_stream",),
    "base.schedule": ("Schedule",),
    "base.settings": ("hyperparameter",),
    "base.initializer": ("Initializer",),
    "base.loss": ("Loss",),
    "base.metric": ("Metric",),
    "base.module": ("Module", "Shape"),
    "network": ("Network",),
    "base.optimizer": ("LearningRate", "Optimizer", "State", "present"),
    "base.step": ("Step",),
    "base.wrapper": ("Wrapper",),
    "base.parameter": ("Parameter",),
    "registry.contract": ("API",),
    "registry": ("Component", "components", "create", "get", "register"),
    "base.task": ("Splits", "Task"),
    "terminal": ("console",),
    "training": ("History", "Run", "evaluate"),
    "training.fit": ("fit",),
    "training.training_step": ("training_step",),
    "updates.param_groups": ("param_groups",),
    "updates.updater": ("Updater",),
}
_PUBLIC = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted([*_PUBLIC, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = _version()
    elif name in _PUBLIC:
        value = getattr(import_module(f"chainrule.{_PUBLIC[name]}"), name)
    elif not name.startswith("_") and find_spec(f"{__name__}.{name}"):
        value = import_module(f"{__name__}.{name}")
    else:
        value = _of_plugin(name)
    globals()[name] = value
    return value


def _of_plugin(name: str) -> Any:
    """Return the function that a plugin adds under this name by the group ``chainrule.functions``."""
    hint = ""
    if not name.startswith("_"):
        from chainrule.registry import components, get

        if any(component.name == name for component in components("functions")):
            return get("functions", name)
        kinds = [component.kind for component in components() if component.name == name.lower()]
        hint = f". Write from chainrule.{kinds[0]} import {name.lower()}" if kinds else ""
    raise AttributeError(f"module 'chainrule' has no attribute {name!r}{hint}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC, "__version__"})


def _version() -> str:
    from chainrule.registry.distributions import installed_version

    return installed_version("chainrule") or "0+unknown"  # run from its source without being installed
