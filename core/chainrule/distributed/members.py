"""The members of an ensemble, divided among processes and brought together again."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from chainrule.arguments import flag
from chainrule.base.member_rows import Chosen, joined, rows_of
from chainrule.base.member_values import converted
from chainrule.base.optimizer import Optimizer
from chainrule.base.protocols import LossLike
from chainrule.distributed.processes import Place, of_all
from chainrule.errors import ChainruleError, one_line
from chainrule.network import Network
from chainrule.training.batches import Batches, Data, is_pair
from chainrule.training.fit import fit
from chainrule.training.history import History
from chainrule.training.roster import Roster
from chainrule.training.training_step import Attachable
from chainrule.updates.updater import Updater


def fit_members(
    place: Place,
    network: Network,
    loss: LossLike,
    optimizer: Attachable,
    data: Mapping[str, Any],
    **settings: Any,
) -> History:
    """Train this process's members, and return the history of all; the network then has all as they became.

    Raises:
        ChainruleError: if the fit of a process has failed.
    """
    chosen = Chosen(list(range(place.rank, network.members, place.size)), network.members)
    failure: BaseException | None = None
    outcome: dict[str, Any] = {"members": chosen.members}
    try:
        if chosen.members:
            outcome |= _trained(chosen, network, loss, optimizer, data, settings)
    except Exception as error:  # noqa: BLE001 - the other processes are told of it
        failure = error
        outcome = {"error": str(error) if isinstance(error, ChainruleError) else one_line(error)}
    outcomes = of_all(outcome)
    if failure is not None:
        raise failure
    for rank, other in enumerate(outcomes):
        if "error" in other:
            raise ChainruleError(f"distributed.fit: process {rank} of {place.size} failed: {other['error']}")
    trained = [other for other in outcomes if other["members"]]
    network.frozen = frozen = trained[0]["frozen"]
    if other := next((other["frozen"] for other in trained if other["frozen"] != frozen), None):
        raise ChainruleError(
            f"distributed.fit: callbacks must freeze the same in every process, got {frozen} and {other}. "
            "Decide by the epoch, not by what the members of one process have."
        )
    return _whole(optimizer.attach(network, clip_norm=settings.get("clip_norm")), trained)


def _trained(
    chosen: Chosen,
    network: Network,
    loss: LossLike,
    optimizer: Attachable,
    data: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Train the chosen members as an ensemble of their own, and return what became of them."""
    own = copy.deepcopy(network)
    own.bind_members(
        [network.seeds[member] for member in chosen.members], rows_of(own.member_tensors(), chosen.members)
    )
    if flag("fit", "per_member", settings.get("per_member", False)):
        data = {name: _of_members(chosen, one) for name, one in data.items()}
    history = fit(own, loss, OfMembers(optimizer, chosen), **data, **settings)
    declared = own.declared_tensors()
    return {
        "frozen": sorted(own.frozen),
        **{name: history.updater.state_dict().get(name, {}) for name in ("missed", "rates")},
        "state": _on("cpu", Roster(history.updater).state()),
        "t": history.updater.t,
        "clip_norm": history.updater.clip_norm,
        "shared": [buffer.data.cpu() for _, buffer in own.named_buffers() if buffer.shared],
        "draws": [int(counter) for _, counter in declared["streams"]],
        "curves": {name: curve.cpu() for name, curve in history.items()},
        "stayed": [chosen.members[member] for member in history.members],
        "lr": [None if isinstance(rule.lr, Tensor) else rule.lr for rule in history.updater.groups.values()],
    }


def _whole(updater: Updater, outcomes: list[dict[str, Any]]) -> History:
    """Give network and updater all members, and return the history of all."""
    network = updater.network
    numbers = [member for outcome in outcomes for member in outcome["members"]]
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    state = rows_of(reduce(joined, [outcome["state"] for outcome in outcomes]), order)
    first = outcomes[0]
    shared = [buffer for _, buffer in network.named_buffers() if buffer.shared]
    for buffer, values in zip(shared, first["shared"], strict=True):
        buffer.data.copy_(values)
    for i, (_, counter) in enumerate(network.declared_tensors()["streams"]):
        counter.fill_(max(outcome["draws"][i] for outcome in outcomes))
    updater.t = max(outcome["t"] for outcome in outcomes)
    updater.show_evaluation_parameters()
    reset = dict.fromkeys(key for outcome in outcomes for key in outcome["rates"])
    for i, (key, rule) in enumerate(updater.groups.items()):
        rates, same = state["rates"][i], {outcome["lr"][i] for outcome in outcomes}
        if key in reset and not isinstance(rule.lr, Tensor):
            updater.set_lr(rates if len(same) > 1 or None in same else rates[0].item(), key)
    Roster(updater).take(list(range(network.members)), _on(network.device, state))
    rates_now = {key: updater.groups[key].lr for key in reset}
    updater.load_state_dict({**updater.state_dict(), "missed": first["missed"], "rates": rates_now})
    if updater.clip_norm != first["clip_norm"]:  # a callback has set it
        updater.clip_norm = first["clip_norm"]
    history = History(updater)
    history.members[:] = sorted(member for outcome in outcomes for member in outcome["stayed"])
    epochs = max((len(curve) for outcome in outcomes for curve in outcome["curves"].values()), default=0)
    for epoch in range(epochs):
        history.append(
            {
                name: torch.cat([_at(epoch, outcome["curves"][name]) for outcome in outcomes])[order].to(network.device)
                for name in first["curves"]
                if all(name in outcome["curves"] for outcome in outcomes)
            }
        )
    return history


def _at(epoch: int, curve: Tensor) -> Tensor:
    """Return a curve's values (M,) at an epoch, NaN after its last."""
    return curve[epoch] if epoch < len(curve) else torch.full_like(curve[-1], torch.nan)


def _on(device: torch.device | str, nested: Any) -> Any:
    """Return nested tensors on a device."""
    if isinstance(nested, Tensor):
        return nested.to(device)
    if isinstance(nested, dict):
        return {name: _on(device, value) for name, value in nested.items()}
    return [_on(device, value) for value in nested]


class OfMembers:
    """An optimizer whose numbers per member are those of some members."""

    def __init__(self, optimizer: Any, chosen: Chosen) -> None:
        self._optimizer, self._chosen = optimizer, chosen
        groups = optimizer.groups if hasattr(optimizer, "groups") else {"*": optimizer}
        self.groups: dict[str, Optimizer] = {key: converted(rule, chosen.of) for key, rule in groups.items()}

    def attach(self, network: Network, *, clip_norm: float | None = None, compile: bool = False) -> Updater:
        """Return the updater of a network of these members."""
        updater = Updater(network, self.groups, clip_norm=clip_norm, compile=compile)
        updater.follow_members(self.groups, updater.state_dict(), self._chosen)
        return updater


def _of_members(chosen: Chosen, data: Data) -> Data:
    return (chosen.of(data[0]), chosen.of(data[1])) if is_pair(data) else _Batches(chosen, data)  # type: ignore[arg-type]


class _Batches:
    """The chosen members' part of an iterable's batches."""

    def __init__(self, chosen: Chosen, batches: Batches) -> None:
        self._chosen, self._batches = chosen, batches

    def __len__(self) -> int:
        return len(self._batches)  # type: ignore[arg-type]  # a TypeError says that it has none

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in self._batches:
            yield self._chosen.of(x), self._chosen.of(y)
