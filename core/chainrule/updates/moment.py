"""`Moment`: what a step of a rule needs beside its tensors, as numbers or as reusable 0-dim tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(slots=True, frozen=True)
class Moment:
    """The step's number t from 1, the schedule's factor on the learning rate, and the rule's scalars by name."""

    t: int | Tensor
    factor: float | Tensor
    scalars: Mapping[str, float | Tensor]


class TensorMoment:
    """A moment in 0-dim float64 tensors, for compiled and captured steps: a Python number would become a constant."""

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
        return Moment(self._tensor("t", moment.t), self._tensor("factor", moment.factor), scalars)

    def _tensor(self, name: str, value: float | Tensor) -> Tensor:
        if name not in self._tensors:
            with torch.inference_mode(False):
                self._tensors[name] = torch.zeros((), dtype=torch.float64, device=self._device)
        return self._tensors[name].fill_(value)
