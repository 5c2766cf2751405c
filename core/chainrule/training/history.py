"""`History`: the curves of a fit."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from chainrule.arguments import is_largest_best, nearest, without_validation
from chainrule.base.declared_attributes import DeclaresAttributes
from chainrule.calls import explained
from chainrule.errors import ChainruleError, UnknownAttributeError, UnknownCurveError
from chainrule.updates.updater import Updater


class Curve:
    """The values of a curve, () or (M,) each; those that were read are joined, so that reading each epoch is cheap."""

    def __init__(self, joined: Sequence[Tensor] = ()) -> None:
        self._joined = list(joined)  # one tensor (epochs, …) at most
        self._new: list[Tensor] = []

    def __len__(self) -> int:
        return sum(map(len, self._joined)) + len(self._new)

    def append(self, value: Tensor) -> None:
        """Add a copy of one value."""
        self._new.append(value.clone())

    def joined(self) -> Tensor:
        """Return all values (epochs, …), to be read alone."""
        if self._new:
            self._joined = [torch.cat([*self._joined, torch.stack(self._new)])]
            self._new = []
        return self._joined[0]

    def __copy__(self) -> Curve:
        return Curve([self.joined()])


class History(DeclaresAttributes, Mapping[str, Tensor]):
    """Curves by name, such as ``history["train_loss"]``.

    Shapes: each curve (epochs,), for an ensemble (epochs, M)

    Attributes:
        updater: that of the fit, with which training can go on.
        members: the members that were trained to the end: all but those that a callback has dropped, whose curves have
            NaN from then on.
    """

    _instead: ClassVar[Mapping[str, str]] = {
        "loss": 'Write history["train_loss"].',
        "plot": 'Draw history["train_loss"], as with matplotlib\'s plt.plot.',
        "history": "It is the mapping itself: dict(history).",
    }

    updater: Updater
    members: list[int]

    def __init__(self, updater: Updater) -> None:
        self.updater = updater
        self.members = list(range(updater.network.members))
        self._curves: dict[str, Curve] = {}

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in vars(self).get("_curves", ()):
                raise UnknownAttributeError(f'history: has no "{name}" but as a curve. Write history["{name}"].')
            return super().__getattr__(name)

    def __copy__(self) -> History:
        other = History(self.updater)
        other.members = list(self.members)
        other._curves = {name: copy.copy(curve) for name, curve in self._curves.items()}  # which a fit goes on to fill
        return other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping) or self.keys() != other.keys():
            return False
        pairs = [(self[name], torch.as_tensor(other[name])) for name in self]
        return all(a.shape == b.shape and bool(((a == b) | (a.isnan() & b.isnan())).all()) for a, b in pairs)

    __hash__ = None  # type: ignore[assignment]  # as of every mapping that is compared by value

    def append(self, metrics: Mapping[str, Tensor]) -> None:
        """Add one epoch's values, each () or (M,)."""
        for name, value in metrics.items():
            self._curves.setdefault(name, Curve()).append(value)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the curves."""
        return dict(self)

    def load_state_dict(self, saved: Mapping[str, Tensor]) -> None:
        """Go on from saved curves."""
        self._curves = {name: Curve([curve.clone()]) for name, curve in saved.items()}

    @property
    def epochs(self) -> int:
        """The number of epochs recorded."""
        return max(map(len, self._curves.values()), default=0)

    def epochs_of(self, name: str) -> int:
        """Return the number of epochs at which a curve was recorded, which costs less than to make the curve."""
        return len(self._curves.get(name, ()))

    def __getitem__(self, name: str) -> Tensor:
        if not isinstance(name, str) or name not in self._curves:
            known = self._curves
            fix = without_validation(str(name), known) or nearest(str(name), known) or f" It has {', '.join(known)}."
            if not known:
                fix = " No epoch has ended."
            raise UnknownCurveError(f"history: no curve is called {name!r}.{fix}")
        return self._curves[name].joined().clone()

    @explained
    def best_member(self, curve: str, *, largest: bool | None = None) -> int:
        """Return the member whose curve ends lowest, or with largest=True highest; never one that has diverged.

        It counts all members that there were at first, as the curves do: after some were dropped, it is
        ``network.member(history.members.index(i))``.

        Args:
            curve: the curve's name.
            largest: whether more of it is better; only for a loss, of which less is, it can be left out.

        Raises:
            UnknownCurveError: if there is none of that name.
            ChainruleError: if every member has diverged, or largest is needed and missing.
        """
        ends = self[curve][-1].reshape(-1).double()
        if is_largest_best("history: best_member", curve, largest):
            ends = -ends
        if not ends.isfinite().any():
            raise ChainruleError(f"history: best_member needs a member that has not diverged, got none in {curve}.")
        return int(ends.masked_fill(~ends.isfinite(), torch.inf).argmin())

    def __iter__(self) -> Iterator[str]:
        return iter(self._curves)

    def __len__(self) -> int:
        return len(self._curves)

    def __repr__(self) -> str:
        if not self.epochs:
            return "History(empty)"
        values = {name: curve.joined()[-1] for name, curve in self._curves.items()}
        means = {
            name: (value[self.members] if value.dim() else value).double().mean() for name, value in values.items()
        }
        last = ", ".join(f"{name} {mean:.4g}" for name, mean in means.items())
        return f"History({self.epochs} epochs; last: {last})"
