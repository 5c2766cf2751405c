"""`Moment`: what a step of a rule needs beside its tensors, as numbers or in reusable tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chainrule.base.member_values import Values
from chainrule.base.step import Due


@dataclass(slots=True)
class Moment:
    """The step's number t from 1, its learning rate and the rule's scalars: numbers, or for M members (M,) each.

    Where t is a tensor, due answers `Step.every`. `per_member` is False where no number is (M,).
    """

    t: int | Tensor
    lr: float | Tensor
    scalars: Mapping[str, float | Tensor]
    due: Due | None = None
    per_member: bool = False


def own_step(t: Any, stride: int) -> Any:
    """Return t as a rule counts that takes one step for so many of the updater's: of its last step, or of the coming.

    Both are the same number where t is one of the rule's steps.
    """
    return t if stride == 1 else -(-t // stride)


def holds_at(recorded: Sequence[Moment], moments: Sequence[Moment]) -> bool:
    """Whether operations recorded at some moments are right at others.

    These have the same scalars, the same of their numbers per member, and the same answers of `Step.every`.
    """
    for one, other in zip(recorded, moments, strict=True):
        if one.due and not one.due.holds_at(int(other.t)):
            return False
        if one.scalars.keys() != other.scalars.keys():
            return False
        if (one.per_member or other.per_member) and vectors_of(one).keys() != vectors_of(other).keys():
            return False
    return True


def vectors_of(moment: Moment) -> Values:
    """Return the numbers of a moment that are given per member."""
    if not moment.per_member:
        return {}
    numbers = {"lr": moment.lr, **{f"scalar {name}": value for name, value in moment.scalars.items()}}
    return {name: value for name, value in numbers.items() if isinstance(value, Tensor) and value.dim()}


def with_numbers(moment: Moment, numbers: Values) -> Moment:
    """Return the moment with the numbers of one member."""
    if not numbers:
        return moment
    scalars = {name: numbers.get(f"scalar {name}", value) for name, value in moment.scalars.items()}
    return Moment(moment.t, numbers.get("lr", moment.lr), scalars, moment.due)


class TensorMoment:
    """A moment in float64 tensors, for compiled and captured steps: a Python number would become a constant."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._tensors: dict[str, Tensor] = {}
        self._scalars: dict[str, Tensor] = {}

    @property
    def is_new(self) -> bool:
        """Whether `fill` was not called yet."""
        return not self._tensors

    def fill(self, moment: Moment) -> Moment:
        """Copy the moment into the tensors, the same ones at every call, and return it in that form."""
        self._make(self._tensors, "t", moment.t)
        self._make(self._tensors, "lr", moment.lr)
        for name, value in moment.scalars.items():
            self._make(self._scalars, name, value)
        self.write(moment)
        scalars = {name: self._scalars[name] for name in moment.scalars}
        due = None if isinstance(moment.t, Tensor) else Due(moment.t)
        return Moment(self._tensors["t"], self._tensors["lr"], scalars, due, moment.per_member)

    def write(self, moment: Moment) -> None:
        """Copy a moment of the same form as an earlier one into the tensors."""
        _write(self._tensors["t"], moment.t)
        _write(self._tensors["lr"], moment.lr)
        for name, value in moment.scalars.items():
            _write(self._scalars[name], value)

    def _make(self, held: dict[str, Tensor], name: str, value: float | Tensor) -> None:
        """Hold a tensor of the value's shape, unless there is one."""
        if name not in held or (isinstance(value, Tensor) and held[name].shape != value.shape):
            form: tuple[torch.Size, torch.dtype] = torch.Size(), torch.float64
            if isinstance(value, Tensor):
                form = value.shape, value.dtype  # a vector over the flat buffer has its dtype
            with torch.inference_mode(False):
                held[name] = torch.zeros(form[0], dtype=form[1], device=self._device)


def _write(tensor: Tensor, value: float | Tensor) -> None:
    if isinstance(value, Tensor):
        tensor.copy_(value)
    else:
        tensor.fill_(value)
