"""The settings of a rule, and of the rules inside it, as the keys of torch's parameter groups."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

from chainrule import ContractError, HyperparameterError, Optimizer, Wrapper
from chainrule.base.member_values import with_values
from chainrule.base.setting_values import checked
from chainrule.base.settings import Settings, declared_types
from chainrule.base.wrapper import layers_of
from chainrule.errors import label

WEIGHT_DECAY = "weight_decay"
MAXIMIZE = "maximize"
OF_TORCH = ("params", "param_names")
OF_SCHEDULERS = ("initial_lr", "max_lr", "min_lr", "base_momentum", "max_momentum", "swa_lr")
OF_TRAINERS = ("name", "lr_scale")
"""Keys of a group that are no settings of a rule: what torch, its schedulers and trainers keep there for themselves."""
ARGUMENTS = ("rounding", "state_dtype", "release", "compile", "flatten")
"""Arguments of the optimizer itself."""


class GroupSettings:
    """Which key of a group stands for which setting of a rule.

    A setting of a wrapped rule has its own name too, with ``inner.`` in front where the wrapper has one of that name.
    Schedules and rules are no keys: a group has numbers, text and tuples alone, so that torch.load accepts them.

    Attributes:
        rule: the rule with the settings that no group changes.
        fields: the depth and the name of the setting of each key.
        decays_apart: whether the rule has no weight decay, so that `weight_decay` acts beside it.
        ascends_apart: whether the rule has no `maximize`, so that it acts beside it.

    Raises:
        ContractError: if a setting has a name that is taken.
    """

    def __init__(self, rule: Optimizer) -> None:
        self.rule = rule
        self.fields: dict[str, tuple[int, str]] = {}
        self._decisive: set[str] = set()
        for depth, layer in enumerate(layers_of(rule)):
            expect_free(layer, (field.name for field in dataclasses.fields(layer)))
            for field in dataclasses.fields(layer):
                value = getattr(layer, field.name)
                if field.name == "schedule" or isinstance(value, Settings) or callable(value):
                    continue
                key = field.name
                while key in self.fields:
                    key = f"inner.{key}"
                self.fields[key] = depth, field.name
                if field.metadata.get("per_member") is False:
                    self._decisive.add(key)
        self.decays_apart = WEIGHT_DECAY not in self.fields
        self.ascends_apart = MAXIMIZE not in self.fields

    def defaults(self) -> dict[str, Any]:
        """Return the value of every key."""
        layers = layers_of(self.rule)
        values = {
            key: _plain(self.rule, key, getattr(layers[depth], name)) for key, (depth, name) in self.fields.items()
        }
        apart = ({WEIGHT_DECAY: 0.0} if self.decays_apart else {}) | ({MAXIMIZE: False} if self.ascends_apart else {})
        return values | apart

    def expect_known(self, keys: Mapping[str, Any]) -> None:
        """Raise HyperparameterError for a key that neither the rule nor torch has."""
        known = {*self.fields, WEIGHT_DECAY, MAXIMIZE, *OF_TORCH}
        for key in keys:
            if key not in (*known, *OF_SCHEDULERS, *OF_TRAINERS):
                raise HyperparameterError(
                    f"{label(self.rule)}: a key of a parameter group must be one of {sorted(known)}, got {key!r}. "
                    "Remove or correct it."
                )

    def changed(self, rule: Optimizer, values: Mapping[str, Any]) -> Optimizer:
        """Return the rule with other values of some keys.

        Raises:
            HyperparameterError: if one is outside its bounds.
        """
        changes: dict[int, dict[str, Any]] = {}
        for key, value in values.items():
            depth, name = self.fields[key]
            changes.setdefault(depth, {})[name] = value
        return _replaced(rule, changes, 0)

    def decay_of(self, group: Mapping[str, Any]) -> float:
        """Return the weight decay w that acts beside the rule, θ ← θ − lr w θ.

        Raises:
            HyperparameterError: if it is not a number of at least 0.
        """
        decay = _plain(self.rule, WEIGHT_DECAY, group[WEIGHT_DECAY]) if self.decays_apart else 0.0
        if not isinstance(decay, int | float) or not decay >= 0:
            raise HyperparameterError(
                f"{label(self.rule)}: weight_decay must be at least 0, got {decay!r}. Set 0 for none."
            )
        return decay

    def values(self, group: Mapping[str, Any]) -> list[Any]:
        """Return the present values of a group's keys, to compare them with later ones."""
        return [_plain(self.rule, key, group[key]) for key in self.fields]

    def form(self, values: Sequence[Any]) -> list[Any]:
        """Return what of the values of the keys decides the operations: of numbers that may be any, whether they are 0.

        A number that must be the same for all members may decide them by more than that.
        """
        return [
            value if key in self._decisive else _with_whether_0(value)
            for key, value in zip(self.fields, values, strict=True)
        ]


def expect_free(owner: object, settings: Iterable[str]) -> None:
    """Raise ContractError if a setting has the name of a key or an argument that is for the optimizer itself."""
    if taken := {*OF_TORCH, "initial_lr", *ARGUMENTS}.intersection(settings):
        raise ContractError(
            f"{label(owner)}: settings must not be named as keys of torch's groups or arguments of "
            f"chainrule_torch.optimizer, got {sorted(taken)}. Rename them."
        )


def divided(make: Callable[..., Optimizer], settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that a rule is made with, and those of a group beside them: for a wrapper, all of others."""
    beside = {MAXIMIZE}
    if dataclasses.is_dataclass(make):
        own = {field.name for field in dataclasses.fields(make)}
        beside = ({*settings} if "inner" in own else {WEIGHT_DECAY, MAXIMIZE}) - own
    given = {name: value for name, value in settings.items() if name not in beside}
    return given, {name: value for name, value in settings.items() if name in beside}


def numbers_of(rule: Optimizer) -> dict[str, float]:
    """Return the numbers of a rule, and of the rules inside it, that may be given per member, where they are not 0.

    Their names are those of `with_values`.
    """
    found: dict[str, float] = {}
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        if isinstance(value, Optimizer):
            found |= {f"{field.name}.{name}": number for name, number in numbers_of(value).items()}
        elif field.metadata.get("per_member") is not False and field.name not in ("lr", "schedule"):
            items = enumerate(value) if isinstance(value, tuple) else [("", value)]
            own = {f"{field.name}.{i}".rstrip("."): item for i, item in items}
            found |= {name: item for name, item in own.items() if isinstance(item, float) and item != 0}
    return found


def _replaced(rule: Optimizer, changes: Mapping[int, dict[str, Any]], depth: int) -> Optimizer:
    fields, types = {field.name: field for field in dataclasses.fields(rule)}, declared_types(type(rule))
    own = {
        name: checked(rule, fields[name], types[name], value, per_member=False)
        for name, value in changes.get(depth, {}).items()
    }
    if isinstance(rule, Wrapper):
        inner = _replaced(rule.inner, changes, depth + 1)
        own = own if inner is rule.inner else {**own, "inner": inner}
    elif own and type(rule).__post_init__ is Optimizer.__post_init__:  # which checks each setting by itself
        return with_values(rule, own)
    return dataclasses.replace(rule, **own) if own else rule


def _plain(owner: Optimizer, key: str, value: Any) -> Any:
    """Return a value without tensors of one number and lists, in whose place torch and configuration files have them.

    Raises:
        HyperparameterError: for a tensor of several numbers.
    """
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise HyperparameterError(
                f"{label(owner)}: {key} must be one number, got a tensor of shape {tuple(value.shape)}. "
                "Values per member are for ensembles, which torch.nn does not have."
            )
        return value.item()
    return tuple(_plain(owner, key, each) for each in value) if isinstance(value, list | tuple) else value


def _with_whether_0(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_with_whether_0(each) for each in value]
    return value != 0 if isinstance(value, float) else value
