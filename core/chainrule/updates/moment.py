"""`Moment`: what a step of a rule needs beside its tensors, as numbers or in reusable tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from chainrule.base.step import Due


@dataclass(slots=True, frozen=True)
class Moment:
    """The step's number t from 1, its learning rate and the rule's scalars: numbers, or for M members (M,) each.

    Where t is a tensor, due answers `Step.every`.
    """

    t: int | Tensor
    lr: float | Tensor
    scalars: Mapping[str, float | Tensor]
    due: Due | None = None


def holds_at(recorded: Sequence[Moment], moments: Sequence[Moment]) -> bool:
    """Whether operations recorded at some moments are right at others: same scalars, same answers of `Step.every`."""
    for one, other in zip(recorded, moments, strict=True):
        if one.due and not one.due.holds_at(int(other.t)):
            return False
        if len(one.scalars) != len(other.scalars) or one.scalars.keys() != other.scalars.keys():
            return False
    return True


class TensorMoment:
    """A moment in float64 tensors, for compiled and captured steps: a Python number would become a constant."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._device = device
        self._tensors: dict[str, Tensor] = {}

    @property
    def is_new(self) -> bool:
        """Whether `fill` was not called yet."""
        return not self._tensors

    def fill(self, moment: Moment) -> Moment:
        """Copy the moment into the tensors, the same ones at every call, and return it in that form."""
        scalars = {name: self._tensor(f"scalar {name}", value) for name, value in moment.scalars.items()}
        due = None if isinstance(moment.t, Tensor) else Due(moment.t)
        return Moment(self._tensor("t", moment.t), self._tensor("lr", moment.lr), scalars, due)

    def _tensor(self, name: str, value: float | Tensor) -> Tensor:
        held = self._tensors.get(name)
        if held is None or (isinstance(value, Tensor) and held.shape != value.shape):
            with torch.inference_mode(False):
                shape = value.shape if isinstance(value, Tensor) else ()
                self._tensors[name] = held = torch.zeros(shape, dtype=torch.float64, device=self._device)
        return held.copy_(value) if isinstance(value, Tensor) else held.fill_(value)
