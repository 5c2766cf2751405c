"""`Wrapped`: a rule that steps each parameter of each member by an optimizer written for PyTorch."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import types
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any, ClassVar

import torch
from torch import Tensor

from chainrule import ChainruleError, ContractError, HyperparameterError, Optimizer, State, Step, hyperparameter
from chainrule.base.optimizer import LearningRate
from chainrule.errors import label, one_line
from chainrule_torch.wrapped.kept_state import GROUP, OWN, SHARED, as_tensors, in_parts

STARTED = "started"
"""The entry of the state that is 1 from the first step on; before it, the optimizer makes its own state."""

OPTIONS = "options"
"""The field of the arguments of an optimizer's class that have none of their own, by name."""


class Wrapped(Optimizer):
    """Step by an optimizer written for PyTorch, one parameter of one member at a time."""

    elementwise = False
    vmappable = False
    kind: ClassVar[Any]

    def __post_init__(self) -> None:
        super().__post_init__()
        members = max([len(value) for value in _per_member(self)], default=1)
        for i in range(members):
            self.optimizer([torch.zeros(2, 2, requires_grad=True, device="cpu")], i)

    def init(self, parameter: Tensor) -> State:
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            trial = parameter.detach().clone().requires_grad_()
            found = self._stepped(trial, torch.full_like(trial, 1e-3), {})
        entries = {name: torch.zeros_like(value) for name, value in found.items()}
        return {STARTED: parameter.new_zeros(()), **entries}

    def apply(self, parameter: Tensor, grad: Tensor, state: State, step: Step) -> None:
        known = {name: value for name, value in state.items() if name != STARTED}
        with torch.inference_mode(False):
            before = {name: value.clone() for name, value in known.items()} if state[STARTED].item() else {}
            own = parameter.detach().requires_grad_()
            after = self._stepped(own, grad.clone(), before, lr=step.lr)
            if own.data_ptr() != parameter.data_ptr():  # of an optimizer that assigns to p.data
                parameter.copy_(own.detach())
        if {name: value.shape for name, value in after.items()} != {name: v.shape for name, v in known.items()}:
            raise ContractError(
                f"{label(self)}: {self.kind.__name__} must keep one form of state, got {sorted(after)} after "
                f"{sorted(known)}. Convert the model before the optimizer is made, or wrap another optimizer."
            )
        for name, value in after.items():
            state[name].copy_(value)
        state[STARTED].fill_(1)

    def optimizer(self, parameters: list[Tensor], member: int = 0, lr: Any = None) -> torch.optim.Optimizer:
        """Return the optimizer of these parameters, with the settings of a member."""
        settings = {
            field.name: of_member(getattr(self, field.name), member)
            for field in dataclasses.fields(self)
            if field.name not in ("lr", "schedule", OPTIONS)
        }
        rate = of_member(self.lr, member) if lr is None else float(lr)
        try:
            with _on_the_cpu():
                made: torch.optim.Optimizer = self.kind(
                    parameters, lr=rate, **settings, **(getattr(self, OPTIONS, None) or {})
                )
        except Exception as error:
            raise HyperparameterError(
                f"{label(self)}: settings must be those that {self.kind.__name__} takes, got "
                f"{one_line(error).rstrip('.')}. Change them."
            ) from error
        return made

    def _stepped(self, parameter: Tensor, grad: Tensor, state: State, lr: Any = None) -> State:
        """Step a parameter in place by an optimizer that goes on from this state; return the new state."""
        optimizer = self.optimizer([parameter], lr=lr)
        (group,) = optimizer.param_groups
        parameter.grad = grad
        parts = in_parts(state)
        group |= parts[GROUP]
        optimizer.state |= parts[SHARED]  # type: ignore[arg-type]  # torch declares parameters alone as keys
        if parts[OWN]:
            optimizer.state[parameter].update(parts[OWN])
        before = dict(group)
        try:
            with _on_the_cpu():
                optimizer.step()
        except Exception as error:
            raise ChainruleError(
                f"{label(self)}: {self.kind.__name__} must step by dense gradients alone, got "
                f"{one_line(error).rstrip('.')} for shape {tuple(parameter.shape)}. "
                "Wrap another optimizer, or give such parameters another rule."
            ) from error
        arguments = _arguments(self.kind)
        seen = [key for key, value in group.items() if key not in arguments or value is not before.get(key)]
        counted = {key for key in seen if key != "params" and self._is_counted(key, group[key], before)}
        counted |= parts[GROUP].keys()
        if "lr" in counted:
            raise ContractError(
                f"{label(self)}: {self.kind.__name__} must leave lr to the rule, got {group['lr']} after "
                f"{before['lr']}. Wrap another optimizer."
            )
        own, shared = optimizer.state[parameter], {key: v for key, v in optimizer.state.items() if isinstance(key, str)}
        kept = {OWN: own, GROUP: {key: group[key] for key in sorted(counted)}, SHARED: shared}
        return as_tensors(label(self), kept, parameter.dtype)

    def _is_counted(self, key: str, value: Any, before: Mapping[str, Any]) -> bool:
        """Return whether an entry of the optimizer's group is part of its state."""
        is_number = isinstance(value, int | float | Tensor) and not isinstance(value, bool)
        return (is_number and key not in _arguments(self.kind)) or _differs(value, before.get(key))

    def __reduce__(self) -> tuple[Any, ...]:
        return rule_of, (self.kind, {field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    def __repr__(self) -> str:
        given = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name == "lr" or not _same(getattr(self, field.name), field.default)
        }
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"


def _on_the_cpu() -> AbstractContextManager[Any]:
    """Return a context in which tensors made without a device are on the CPU, whatever torch's default."""
    return nullcontext() if torch.get_default_device().type == "cpu" else torch.device("cpu")


def _per_member(rule: Wrapped) -> Iterator[Tensor]:
    for field in dataclasses.fields(rule):
        value = getattr(rule, field.name)
        yield from (item for item in (value if isinstance(value, tuple) else (value,)) if isinstance(item, Tensor))


def of_member(value: Any, member: int) -> Any:
    """Return the numbers of one member as Python's."""
    if isinstance(value, tuple):
        return tuple(of_member(item, member) for item in value)
    return value.flatten()[min(member, value.numel() - 1)].item() if isinstance(value, Tensor) else value


@functools.cache
def _arguments(kind: Any) -> frozenset[str]:
    return frozenset(inspect.signature(kind).parameters)


def _differs(value: Any, before: Any) -> bool:
    return value is not before and not _same(value, before)


def _same(value: Any, other: Any) -> bool:
    if isinstance(value, tuple) and isinstance(other, tuple):
        return len(value) == len(other) and all(map(_same, value, other))
    if isinstance(value, Tensor) or isinstance(other, Tensor):
        return isinstance(value, Tensor) and isinstance(other, Tensor) and torch.equal(value, other)
    return type(value) is type(other) and bool(value == other)


def rule_of(kind: Any, settings: Mapping[str, Any]) -> Wrapped:
    """Return the rule by a class of optimizers; what has no field of its own joins its options, if it has these."""
    cls = class_of(kind)
    own = {field.name for field in dataclasses.fields(cls)}
    if OPTIONS not in own:
        return cls(**settings)
    fields: dict[str, Any] = {name: value for name, value in settings.items() if name in own}
    if options := {name: value for name, value in settings.items() if name not in own}:
        fields[OPTIONS] = options
    return cls(**fields)


@functools.cache
def class_of(kind: Any) -> type[Wrapped]:
    """Return the class of rules by a class of optimizers, whose number, text and flag arguments are its fields."""
    own: dict[str, Any] = {
        "kind": kind,
        "__module__": __name__,
        "__doc__": _documentation(kind),
        "__repr__": Wrapped.__repr__,
        "__annotations__": {},
        "ranks": _ranks_of(kind),
    }
    taken = {name for name in dir(Wrapped) if name != "lr"}
    _, *arguments = inspect.signature(kind).parameters.items()  # the first is for the parameters
    for name, parameter in arguments:
        found = None if name in taken else _field(name, parameter)
        if found is None:
            found, name = (Any, hyperparameter(default=None, per_member=False)), OPTIONS
        own["__annotations__"][name], own[name] = found
    own["decay_kind"] = "other" if "weight_decay" in own else "none"
    package = kind.__module__.partition(".")[0].title().replace("_", "")
    return type(f"{package}{kind.__name__.capitalize()}", (Wrapped,), own)


def _ranks_of(kind: Any) -> tuple[int, ...]:
    """Return the ranks of the parameters that an optimizer steps, as far as it does with its own defaults."""
    found = []
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        for rank in Optimizer.ranks:
            parameter = torch.full((2,) * rank, 0.5, requires_grad=True, device="cpu", dtype=torch.float32)
            parameter.grad = torch.full_like(parameter, 0.1)
            with suppress(Exception):
                kind([parameter]).step()
                found.append(rank)
    return tuple(found) or Optimizer.ranks


def _field(name: str, parameter: inspect.Parameter) -> tuple[Any, Any] | None:
    """Return the type and the declaration of an argument as a field; None for one that has to be an option."""
    default = parameter.default
    if name == "lr":
        is_number = isinstance(default, int | float)
        return (LearningRate, hyperparameter(default=float(default))) if is_number else None
    if isinstance(default, bool) or (isinstance(default, int) and parameter.annotation in (int, "int")):
        return type(default), hyperparameter(default=default, per_member=False)
    if isinstance(default, int | float) and math.isfinite(default):
        return float, hyperparameter(default=float(default))
    if type(default) is tuple and all(type(each) in (int, float) for each in default):
        return types.GenericAlias(tuple, (float,) * len(default)), hyperparameter(default=tuple(map(float, default)))
    if default is None and parameter.annotation in (bool | None, "bool | None", "Optional[bool]"):
        return bool | None, hyperparameter(default=None, per_member=False)
    if default is None or isinstance(default, str | tuple | float):
        return Any, hyperparameter(default=default, per_member=False)
    return None


def _documentation(kind: Any) -> str:
    name = f"{kind.__module__.partition('.')[0]}'s {kind.__name__}"
    return (
        f"Step by {name}, one parameter of one member at a time.\n\n"
        f"Update:   that of {kind.__module__}.{kind.__qualname__}, run on each parameter alone\n"
        "Variant:  its own; every setting but the schedule is an argument of that class\n"
        f"Source:   {name}"
    )
