"""The form of a step: all that decides which tensor operations it performs, so that none of a known form is traced."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from chainrule.base.buffer import Buffer
from chainrule.base.member_values import member_values, with_values
from chainrule.base.parameter import Parameter
from chainrule.base.random_numbers import Random
from chainrule.base.saved_tensors import BOOKKEEPING, KeepsForBackward
from chainrule.base.settings import Settings
from chainrule.base.wrapper import with_any_lr
from chainrule.training.steps.eager import TrainingStep
from chainrule.updates.definition import code_of, definition
from chainrule.updates.updater import Updater

PLAIN = (int, float, complex, str, bytes, type(None), torch.dtype, torch.device, torch.Size, type)


VALUES = 2**16
"""The most elements of a tensor that a part holds undeclared; its operations might follow from its values."""


class NoFormError(Exception):
    """A part holds what this cannot tell from what another of the same kind holds."""


def form_of(step: TrainingStep) -> Hashable:
    """Return what decides the operations of a step beside the kinds of its tensors: equal forms, equal operations.

    It has each part's class with the code of its methods, every attribute, and the rules with their settings but for
    learning rates and numbers per member, which are inputs.

    Raises:
        NoFormError: if a part holds a value that is neither plain nor a part of its own.
    """
    return form_of_parts(step.parts), _form_of_updater(step.updater), torch.get_default_dtype()


def form_of_parts(parts: Sequence[object], settings: Mapping[str, Settings] | None = None) -> Hashable:
    """Return what `form_of` has of some parts, and of others that are settings alone, such as metrics, by name."""
    numbers = {id(part): i for i, part in enumerate(parts)}
    code = code_of(*dict.fromkeys(map(type, parts)))
    own = [(type(part), _described(vars(part), numbers)) for part in parts]
    return code, tuple(own), _described(dict(settings or {}), numbers)


def _form_of_updater(updater: Updater) -> Hashable:
    numbers = {parameter: i for i, parameter in enumerate(updater.network.parameters())}
    rules = []
    for applied in updater.applied_rules:
        per_member = member_values(applied.rule)
        rule = with_any_lr(with_values(applied.rule, dict.fromkeys(per_member, 0.0)))
        parameters = tuple(numbers[parameter] for parameter in applied.parameters)
        rules.append((rule, tuple(per_member), definition(rule), parameters))
    return tuple(rules), updater.clip_norm, frozenset(updater.network.frozen)


def _described(value: Any, parts: dict[int, int]) -> Any:
    """Return what a value holds; parts have numbers by identity, which tell shared objects from equal ones."""
    if isinstance(value, KeepsForBackward):
        if id(value) not in parts:
            raise NoFormError(f"a {type(value).__name__} that is no part of the network")
        return KeepsForBackward, parts[id(value)]
    if isinstance(value, PLAIN):
        return type(value), repr(value) if isinstance(value, float) else value
    if isinstance(value, Parameter | Buffer | Random):
        return type(value), getattr(value, "shape", None), parts.setdefault(id(value), len(parts))
    if isinstance(value, Tensor):
        if value.numel() > VALUES:
            raise NoFormError(f"a tensor of {value.numel()} elements")
        return Tensor, value.shape, value.dtype, value.numpy(force=True).tobytes()
    if isinstance(value, dict):
        return dict, tuple((key, _described(item, parts)) for key, item in value.items() if key not in BOOKKEEPING)
    if isinstance(value, list | tuple):
        return type(value), tuple(_described(item, parts) for item in value)
    if isinstance(value, Settings):
        return type(value), code_of(type(value)), _described(vars(value), parts)
    if isinstance(value, FunctionType) and value.__closure__ is None:
        return value, code_of(value)
    raise NoFormError(f"a {type(value).__name__}")
