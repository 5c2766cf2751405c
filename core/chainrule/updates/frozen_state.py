"""`FrozenState`: what an updater keeps of parameters while a network freezes them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor


class FrozenState:
    """The state that rules have for frozen parameters, and the steps that these miss.

    Attributes:
        names: the parameters that are frozen.
        states: the state of each parameter that no rule updates, by name.
        missed: the steps that each parameter had missed when it was last counted; 0 for the rest.
    """

    def __init__(self) -> None:
        self.names: frozenset[str] = frozenset()
        self.states: dict[str, dict[str, Tensor]] = {}
        self.missed: dict[str, int] = {}
        self._since = 0

    def missed_at(self, t: int) -> dict[str, int]:
        """Return the steps that each parameter has missed after step t, where there are any."""
        now = self.missed | {name: self.missed.get(name, 0) + t - self._since for name in self.names}
        return {name: missed for name, missed in now.items() if missed}

    def count_from(self, t: int, missed: Mapping[str, int]) -> None:
        """Count the steps after step t, at which parameters have missed so many."""
        self.missed, self._since = dict(missed), t
