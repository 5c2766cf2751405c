"""Joining of single models into ensembles: which are alike, and the optimizer that has their numbers per member."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import CellType, FunctionType
from typing import Any, TypeVar

import torch
from torch import Tensor

from chainrule.arguments import advice, shown
from chainrule.base.buffer import Buffer
from chainrule.base.member_values import with_values
from chainrule.base.module import Module
from chainrule.base.optimizer import Optimizer
from chainrule.base.parameter import Parameter
from chainrule.base.protocols import ModuleLike
from chainrule.base.random_numbers import Random
from chainrule.base.saved_tensors import BOOKKEEPING
from chainrule.base.schedule import Schedule
from chainrule.base.setting_values import takes_numbers
from chainrule.base.settings import Settings, declared_types, kept_attributes
from chainrule.base.wrapper import layers_of
from chainrule.errors import ChainruleError
from chainrule.updates.param_groups import ParamGroups

Rule = TypeVar("Rule", bound=Optimizer | ParamGroups)

PLAIN = (bool, int, str, bytes, complex, type(None), torch.dtype, torch.device, torch.Size, range)
"""Types whose values are compared as they are."""


def alike(modules: Sequence[ModuleLike], optimizers: Sequence[Optimizer | ParamGroups]) -> list[list[int]]:
    """Return the indices of the models that can be members of one ensemble, group by group.

    Their unbuilt modules have one structure with the same settings; their rules and wrappers are of the same classes
    with the same settings, but for schedules and numbers that may be given per member. A model with 0 for such a
    number is not alike to one with another, since a rule leaves out a term for 0; nor is one that holds what cannot be
    compared.

    Raises:
        ChainruleError: if there are not as many modules as optimizers, or an item is neither.
    """
    if len(modules) != len(optimizers):
        raise ChainruleError(
            f"alike: modules and optimizers must be equally many, got {len(modules)} and {len(optimizers)}. "
            "Pass one of each per model."
        )
    groups: dict[object, list[int]] = {}
    for index, (module, optimizer) in enumerate(zip(modules, optimizers, strict=True)):
        groups.setdefault(form_of(module, optimizer), []).append(index)
    return list(groups.values())


def form_of(module: ModuleLike, optimizer: Optimizer | ParamGroups, caller: str = "alike") -> object:
    """Return what is equal, with the same hash, for models that are alike, as long as these exist.

    Raises:
        ChainruleError: in the caller's name, if the module is none or a built one, or the optimizer is none.
    """
    if isinstance(module, type) or not isinstance(module, Module | ModuleLike):
        fix = "Leave out build()." if hasattr(module, "flat") else advice("module", module)
        raise ChainruleError(f"{caller}: a module must be one that is not built, got {shown(module)}. {fix}")
    return _form(module, {}), _form_of_rules(caller, optimizer)


def joined(optimizers: Sequence[Rule]) -> Rule:
    """Return one optimizer for the ensemble whose members have these, in their order.

    Numbers that differ become tensors (M,), those in tuples, wrapped rules and schedules too; equal ones stay numbers.
    Schedules that differ in more than such numbers are called one by one.

    Raises:
        ChainruleError: if there is no optimizer, or they are not alike.
    """
    if not optimizers:
        raise ChainruleError("joined: optimizers must be at least one, got []. Pass one per member.")
    forms = [_form_of_rules("joined", optimizer) for optimizer in optimizers]
    if other := next((i for i, form in enumerate(forms) if form != forms[0]), None):
        raise ChainruleError(
            f"joined: optimizers must be alike, got {shown(optimizers[0])} and {shown(optimizers[other])}. "
            "Join each group of alike(…) by itself."
        )
    groups = [_groups("joined", optimizer) for optimizer in optimizers]
    together: Any = {key: _joined([each[key] for each in groups]) for key in groups[0]}
    return ParamGroups(together) if isinstance(optimizers[0], ParamGroups) else together[""]  # type: ignore[return-value]


class Schedules:
    """The schedules of an ensemble's members, called one by one."""

    def __init__(self, schedules: Sequence[Callable[[int], Any] | None]) -> None:
        self.schedules = list(schedules)

    def __call__(self, t: int) -> list[Any]:
        """Return every member's factor at step t."""
        return [1.0 if schedule is None else schedule(t) for schedule in self.schedules]

    def __repr__(self) -> str:
        return f"Schedules({self.schedules!r})"


def _groups(caller: str, optimizer: object) -> Mapping[str, Optimizer]:
    """Return the rules of an optimizer by group; the key of a single one is empty."""
    if isinstance(optimizer, ParamGroups):
        return optimizer.groups
    if not isinstance(optimizer, Optimizer):
        raise ChainruleError(
            f"{caller}: an optimizer must be a rule or param_groups, got {shown(optimizer)}. "
            "Pass one of chainrule.optimizers, such as adam(lr=0.001)."
        )
    return {"": optimizer}


def _joined(rules: Sequence[Optimizer]) -> Optimizer:
    values: dict[str, Any] = _differing(rules)
    schedules = [rule.schedule for rule in rules]
    if any(_form(schedule, {}) != _form(schedules[0], {}) for schedule in schedules):
        values["inner." * (len(layers_of(rules[0])) - 1) + "schedule"] = _joined_schedules(schedules)
    return with_values(rules[0], values)


def _joined_schedules(schedules: Sequence[Callable[[int], Any] | None]) -> Callable[[int], Any]:
    declared = [schedule for schedule in schedules if isinstance(schedule, Schedule)]
    if len(declared) == len(schedules) and len({_split(schedule)[0] for schedule in declared}) == 1:
        return with_values(declared[0], _differing(declared))
    return Schedules(schedules)


def _differing(all_settings: Sequence[Settings]) -> dict[str, Tensor]:
    """Return the numbers that differ between settings of one form, each (M,)."""
    numbers = [_split(settings)[1] for settings in all_settings]
    columns = {name: [own[name] for own in numbers] for name in numbers[0]}
    return {
        name: torch.tensor(column, dtype=torch.float64, device="cpu")
        for name, column in columns.items()
        if len(set(column)) > 1
    }


def _form_of_rules(caller: str, optimizer: object) -> object:
    return type(optimizer) is ParamGroups, tuple(
        (key, _split(rule)[0]) for key, rule in _groups(caller, optimizer).items()
    )


def _split(settings: Settings) -> tuple[object, dict[str, float]]:
    """Return what settings must share in an ensemble, to be compared and hashed, and their other numbers by name.

    An optimizer's schedule is in neither; a number that is given per member already equals nothing. Names are those of
    `with_values`: ``lr``, ``betas.1``, ``inner.eps``.
    """
    form: list[object] = [type(settings)]
    numbers: dict[str, float] = {}
    types_of, fields = declared_types(type(settings)), dataclasses.fields(settings)  # type: ignore[arg-type]  # it is one
    by_name = {field.name: field for field in fields}
    for name, value in kept_attributes(settings).items():
        if isinstance(settings, Optimizer) and name == "schedule":
            continue
        if isinstance(value, Optimizer):
            inner, own = _split(value)
            form.append((name, inner))
            numbers |= {f"{name}.{key}": number for key, number in own.items()}
            continue
        may_differ = name in by_name and by_name[name].metadata.get("per_member") is not False
        items = {f"{name}.{i}": item for i, item in enumerate(value)} if type(value) is tuple else {name: value}
        for key, item in items.items():
            if may_differ and _is_free(item, types_of[name]):
                numbers[key] = item
                form.append((key, item == 0))
            else:
                form.append((key, object() if isinstance(item, Tensor) else _form(item, {})))
    return tuple(form), numbers


def _is_free(value: object, declared: Any) -> bool:
    """Whether a value is a number that may be given per member."""
    if type(value) is int:
        return takes_numbers(declared) and int not in (declared, *typing.get_args(declared))
    return type(value) is float and takes_numbers(declared)


def _form(value: Any, seen: dict[int, int]) -> object:
    """Return what is equal, with the same hash, for values that are equal in all that they hold.

    What cannot be compared is equal to itself alone.

    Args:
        value: anything.
        seen: numbers of modules, parts and functions by identity, which tell shared ones from equal ones.
    """
    form = partial(_form, seen=seen)
    if type(value) in PLAIN:
        return type(value), value
    if type(value) is float:
        return value.hex()
    if isinstance(value, tuple | list):
        return type(value), tuple(map(form, value))
    if type(value) is dict:
        return dict, tuple((form(key), form(item)) for key, item in value.items())
    if isinstance(value, Tensor):
        return _form_of_tensor(value)
    if isinstance(value, Settings):
        return type(value), form(kept_attributes(value))
    if type(value) is partial:
        return partial, form([value.func, value.args, value.keywords])
    if isinstance(value, FunctionType | Parameter | Buffer | Random | Module | ModuleLike):  # the last is slow
        if id(value) in seen:
            return "shared", seen[id(value)]
        seen[id(value)] = len(seen)
        if isinstance(value, FunctionType):
            bound = [cell.cell_contents for cell in value.__closure__ or () if cell != CellType()]
            inside = form([bound, value.__defaults__, value.__kwdefaults__, vars(value)])
            return value.__code__, id(value.__globals__), inside
        return type(value), form({name: own for name, own in vars(value).items() if name not in BOOKKEEPING})
    return id(value)


def _form_of_tensor(value: Tensor) -> object:
    content = value.detach().cpu().contiguous()
    return value.shape, value.dtype, value.device, content.flatten().view(torch.uint8).numpy().tobytes()
