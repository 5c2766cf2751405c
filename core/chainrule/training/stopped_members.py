"""`StoppedMembers`: the members of an ensemble that stay as they are while the others are trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
        self._rows = torch.zeros(0, dtype=torch.int64, device=network.device)
        self._kept: list[Tensor] = []

    def add(self, members: Iterable[int]) -> None:
        """Keep these members too, as they are now."""
        self.restore()
        self.indices += [member for member in dict.fromkeys(members) if member not in self.indices]
        self._rows = torch.tensor(self.indices, dtype=torch.int64, device=self._rows.device)
        self._kept = [holder.data[self._rows] for holder in self._holders]

    def state_dict(self) -> dict[str, Any]:
        """Return the members and what they keep."""
        return {"indices": self.indices, "kept": self._kept}

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Keep what was kept; the list of indices stays the same object."""
        self.indices[:] = saved["indices"]
        self._rows = torch.tensor(self.indices, dtype=torch.int64, device=self._rows.device)
        self._kept = saved["kept"]

    def restore(self) -> None:
        """Put back what was kept."""
        for holder, kept in zip(self._holders, self._kept, strict=False):  # nothing is kept at first
            holder.data.index_copy_(0, self._rows, kept)
