"""`HeldParameters`: whether a network holds the parameters that its rules train, or those that they evaluate with."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from chainrule.network import Network
from chainrule.updates.applied_rule import AppliedRule


class HeldParameters:
    """The parameters that a network's rules train, kept while the network holds others.

    Attributes:
        trained: a copy of the flat buffer while the network does not hold it, else None.
    """

    def __init__(self, network: Network) -> None:
        self.trained: Tensor | None = None
        self._network = network
        self._shown: Tensor | None = None  # what `show` left in the network, to see what a user has changed

    def show(self, rules: Sequence[AppliedRule]) -> None:
        """Let the network hold the parameters that these rules evaluate with."""
        if self.trained is not None:
            if self._shown is None:
                self._shown = self._network.flat.data.clone()  # the network was loaded as the trained ones were
            return
        elsewhere = [applied for applied in rules if applied.chain.evaluates_elsewhere]
        if not elsewhere:
            return
        data = self._network.flat.data
        trained = data.clone()
        with torch.no_grad():
            for applied in elsewhere:
                applied.show_evaluation_parameters()
            self.trained, self._shown = trained, data.clone()

    def put_back(self) -> None:
        """Let the network hold the parameters that are trained."""
        if (trained := self.to_train()) is not None:
            self._network.flat.data.copy_(trained)
        self.trained = self._shown = None

    def load(self, trained: Tensor | None) -> None:
        """Go on with a network that holds others than these, a flat buffer; with None, one that holds them itself."""
        self.trained = None if trained is None else trained.clone()
        self._shown = None

    def to_train(self) -> Tensor | None:
        """Return what the next step starts from where the network does not hold it.

        That is a member's trained parameters, or what a user has put in their place.

        Shapes: result like the flat buffer
        """
        if self.trained is None:
            return None
        found, flat = self.trained.clone(), self._network.flat
        if self._shown is None:
            return found
        rows = [
            [tensor[span].view(flat.members, -1) for tensor in (flat.data, self._shown, found)]
            for span in flat.spans.values()
        ]
        unchanged = torch.stack([(_bits(data) == _bits(shown)).all(1) for data, shown, _ in rows]).all(0)  # (M,)
        for data, _, own in rows:
            own.copy_(torch.where(unchanged.unsqueeze(1), own, data))
        return found


def _bits(values: Tensor) -> Tensor:
    """Return the numbers' bits as integers, which are equal for NaN too."""
    return values.view(torch.int32 if values.dtype == torch.float32 else torch.int64)
