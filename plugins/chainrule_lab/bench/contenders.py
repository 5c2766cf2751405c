"""The optimizers of a benchmark: the baselines, and whatever a user names."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from chainrule import (
    ChainruleError,
    HyperparameterError,
    Optimizer,
    UnknownComponentError,
    Wrapper,
    get,
    label,
    param_groups,
)
from chainrule.cli.component_file import object_in_file, refuse_file
from chainrule.errors import one_line
from chainrule.registry import load, resolve
from chainrule.registry.distributions import name_of, owner_of, version_of

BASELINES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "sgd": ("sgd", {"momentum": 0.9, "nesterov": True}),
    "adam": ("adam", {}),
    "adamw": ("adamw", {}),
    "lion": ("lion", {}),
    "muon": ("muon", {"scaling": "match_rms_adamw"}),
    "schedule_free_adamw": ("schedule_free_adamw", {}),
}
"""By name the component and its fixed settings; muon's are those for which one lr and decay serve adamw beside it."""

LEARNING_RATE = 1e-3
"""The lr of an optimizer written for PyTorch whose own has no default."""


@dataclasses.dataclass(frozen=True)
class Contender:
    """An optimizer of the benchmark.

    Attributes:
        text: what names it, from which another process makes it again.
        name: how reports name it.
        rule: it, with its published defaults.
        package: the distribution that it is from, with its version; empty for a file.
    """

    text: str
    name: str
    rule: Optimizer
    package: str

    def __reduce__(self) -> tuple[Callable[[str], Contender], tuple[str]]:
        return contender, (self.text,)  # a class in a file cannot be pickled

    @property
    def innermost(self) -> Optimizer:
        """The rule inside all wrappers, whose learning rate and decay are tuned."""
        rule = self.rule
        while isinstance(rule, Wrapper):
            rule = rule.inner
        return rule

    def optimizer(self, settings: Mapping[str, float], schedule: Any = None) -> Any:
        """Return it with these settings of its innermost rule.

        Where it does not take biases, norms and embeddings, adamw does, with the same lr and decay.
        """
        rule = _with(self.rule, {**settings, "schedule": schedule})
        if {0, 1} <= set(self.innermost.ranks):
            return rule
        shared = {name: settings[name] for name in ("lr", "weight_decay") if name in settings}
        return param_groups({"weights": rule, "*": get("optimizers", "adamw")(**shared, schedule=schedule)})


def _with(rule: Any, settings: Mapping[str, Any]) -> Any:
    if isinstance(rule, Wrapper):
        return dataclasses.replace(rule, inner=_with(rule.inner, settings))
    return dataclasses.replace(rule, **settings)


def baselines() -> list[Contender]:
    """Return the six baselines."""
    return [contender(name) for name in BASELINES]


def contender(text: str) -> Contender:
    """Return the optimizer of a registered name, of FILE.py:Class, or of a class written for PyTorch, package.Class.

    Raises:
        ChainruleError: if there is none, or it needs arguments.
    """
    if (found := object_in_file(text, owner="bench")) is not None:
        file = Path(found.path).expanduser().resolve()
        return Contender(f"{file}:{found.name}", found.name, _rule(text, found.value), "")
    component, fixed = BASELINES.get(text, (text, {}))
    try:
        record = resolve(f"optimizers:{component}")
    except UnknownComponentError:
        refuse_file(text, owner="bench")
        if "." not in text:
            raise
        return Contender(text, text.rpartition(".")[2], _wrapped(text), _distribution(text.rpartition(".")[0]))
    made = _rule(text, load(record), fixed)
    return Contender(text, text, made, f"{record.distribution} {record.version}".strip())


def _rule(text: str, found: Any, settings: Mapping[str, Any] | None = None) -> Optimizer:
    """Return what a class or function makes without arguments; a wrapper is put around adam."""
    if isinstance(found, type) and any(one.__module__.startswith("torch.optim.") for one in found.__mro__):
        return _wrapped(found)
    arguments = dict(settings or {})
    if isinstance(found, type) and issubclass(found, Wrapper):
        arguments["inner"] = get("optimizers", "adam")()
    try:
        made = found(**arguments)
    except Exception as error:
        raise ChainruleError(
            f"bench: {text} must be made without arguments, got {one_line(error).rstrip('.')}. "
            "Name a function in a file, FILE.py:make, that returns it with some."
        ) from error
    if not isinstance(made, Optimizer):
        raise ChainruleError(
            f"bench: {text} must be an optimizer, got {label(made)}. Name one of: chainrule list optimizers."
        )
    return made


def _wrapped(kind: Any) -> Optimizer:
    """Return the rule by a class written for PyTorch, from the bridge; plugins find each other by name alone."""
    wrap: Callable[..., Optimizer] = import_module("chainrule_torch").wrap
    try:
        return wrap(kind)
    except HyperparameterError:  # its lr has no default
        return wrap(kind, lr=LEARNING_RATE)


def _distribution(module: str) -> str:
    found = owner_of(module)
    return module.partition(".")[0] if found is None else f"{name_of(found)} {version_of(found)}".strip()
