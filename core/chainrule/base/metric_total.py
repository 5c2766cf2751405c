"""`MetricTotal`: the sums of a metric over batches, and the value that follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from chainrule.arguments import shown
from chainrule.errors import ChainruleError, ContractError, label

if TYPE_CHECKING:
    from chainrule.base.metric import Metric


class MetricTotal:
    """Sums by name, in float64 and without synchronising, or rows that are joined, for a metric that needs them."""

    def __init__(self, metric: Metric, members: int) -> None:
        self.metric = metric
        self._members = members
        self._sums: dict[str, Tensor] = {}
        self._numbers: dict[str, float] = {}
        self._rows: dict[str, list[Tensor]] = {}
        self._form: tuple[torch.dtype, torch.device] | None = None

    def add(self, prediction: Tensor, target: Tensor) -> None:
        """Add a batch, (M, N, …).

        Raises:
            ContractError: if the metric's sums are not what they must be.
        """
        self.add_sums(self.metric.sums(prediction, target), prediction)

    def add_sums(self, found: Mapping[str, Tensor | float], prediction: Tensor) -> None:
        """Add a batch by its sums, as `add` does."""
        if self._form is None:
            self._form = prediction.dtype, prediction.device
            self._expect_mapping(found)
        for name, value in found.items():
            if not isinstance(value, Tensor):
                self._add_number(name, value)
            elif self.metric.joins_rows:
                self._expect(name, value, prediction.shape[:2])
                self._rows.setdefault(name, []).append(value.clone())  # a captured step writes its outputs again
            elif name in self._sums and value.shape == self._sums[name].shape:
                self._sums[name].add_(value)
            else:
                self._expect(name, value, prediction.shape[:1])
                self._sums[name] = value.to(torch.float64, copy=True)

    def value(self) -> Tensor:
        """Return the value for all batches: (M,) in the prediction's dtype, or (M, …) in float64.

        Raises:
            ContractError: if the metric returns something else.
        """
        if self._form is None:
            raise ChainruleError(f"{label(self.metric)}: a value needs at least one batch, got none. Add one.")
        dtype, device = self._form
        numbers = {
            name: torch.tensor(number, dtype=torch.float64, device=device) for name, number in self._numbers.items()
        }
        rows = {name: torch.cat(parts, 1) for name, parts in self._rows.items()}
        value = self.metric.value(self._sums | numbers | rows)
        is_tensor, one_number = isinstance(value, Tensor), self.metric.one_number
        if not is_tensor or value.shape[:1] != (self._members,) or (value.dim() == 1) != one_number:
            wanted = f"({self._members},)" if one_number else f"({self._members}, …) with further axes"
            got = tuple(value.shape) if is_tensor else shown(value)
            raise ContractError(
                f"{label(self.metric)}: value must return a tensor {wanted} for {self._members} members, got {got}. "
                "Keep axis 0, the members; one_number says whether there are others."
            )
        return value.to(dtype) if one_number and dtype.is_floating_point else value

    def state_dict(self) -> dict[str, Any]:
        """Return all that has been added."""
        return {"sums": self._sums, "numbers": self._numbers, "rows": self._rows, "form": self._form}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Go on from what has been added."""
        self._sums, self._numbers, self._rows = saved["sums"], saved["numbers"], saved["rows"]
        self._form = saved["form"]

    def _expect_mapping(self, found: Any) -> None:
        if not isinstance(found, Mapping) or not found:
            raise ContractError(
                f'{label(self.metric)}: sums must return a dict of sums by name, got {shown(found)}. Return {{"rows": '
                "prediction.shape[1]}, for example."
            )

    def _expect(self, name: str, value: Tensor, leading: torch.Size) -> None:
        """Raise ContractError if a tensor does not begin with these axes, or comes in another shape than before."""
        before = self._sums.get(name)
        if value.shape[: len(leading)] != leading or before is not None:
            wanted = f"({', '.join(map(str, leading))}, …)" if before is None else f"{tuple(before.shape)} as before"
            fix = "Keep its rows." if self.metric.joins_rows else "Sum over the rows alone, as with .sum(1)."
            raise ContractError(
                f'{label(self.metric)}: "{name}" of sums must have shape {wanted}, got {tuple(value.shape)}. {fix}'
            )

    def _add_number(self, name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ContractError(
                f'{label(self.metric)}: "{name}" of sums must be a tensor (M, …) or a number, got {shown(value)}. '
                "Return one of the two."
            )
        self._numbers[name] = self._numbers.get(name, 0) + value
