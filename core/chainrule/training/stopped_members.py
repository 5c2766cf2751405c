"""`StoppedMembers`: the members of an ensemble that stay as they are while the others are trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from chainrule.base.buffer import Buffer
from chainrule.base.parameter import Parameter
from chainrule.network import Network


class StoppedMembers:
    """Keeps the parameters and buffers of some members, and puts them back after each step.

    Buffers that all members share go on changing. The step is that of all members, so that the others are trained as
    they would be, bit for bit.

    Attributes:
        indices: the members, in the order in which they were stopped.
    """

    def __init__(self, network: Network) -> None:
        self.indices: list[int] = []
        buffers = [buffer for _, buffer in network.named_buffers() if not buffer.shared]
        self._holders: list[Parameter | Buffer] = [*network.parameters(), *buffers]
        self._device = network.device
        self._members = list(range(network.members))  # whose rows the network has
        self._held: list[int] = []
        self._rows = self._rows_of_held()
        self._kept: list[Tensor] = []

    def add(self, members: Iterable[int]) -> None:
        """Keep these members too, as they are now."""
        self.restore()
        new = [member for member in dict.fromkeys(members) if member not in self.indices]
        self.indices += new
        self._held += new
        self._rows = self._rows_of_held()
        self._kept = [holder.data[self._rows] for holder in self._holders]

    def follow(self, members: Sequence[int]) -> None:
        """Have no more than these members, whose rows the network has from now on, in their order."""
        here = set(members)
        stay = [i for i, member in enumerate(self._held) if member in here]
        self._held = [self._held[i] for i in stay]
        self._kept = [kept[stay] for kept in self._kept]
        self._members = list(members)
        self._rows = self._rows_of_held()

    def state_dict(self) -> dict[str, Any]:
        """Return the members and what they keep."""
        return {"indices": self.indices, "held": self._held, "kept": self._kept}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Keep what was kept; the list of indices stays the same object."""
        self.indices[:] = saved["indices"]
        self._held, self._kept = list(saved["held"]), saved["kept"]
        self._rows = self._rows_of_held()

    def restore(self) -> None:
        """Put back what was kept."""
        for holder, kept in zip(self._holders, self._kept, strict=False):  # nothing is kept at first
            holder.data.index_copy_(0, self._rows, kept)

    def _rows_of_held(self) -> Tensor:
        rows = {member: row for row, member in enumerate(self._members)}
        return torch.tensor([rows[member] for member in self._held], dtype=torch.int64, device=self._device)
