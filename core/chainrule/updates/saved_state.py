"""What a saved state must have, to be that of an updater."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from torch import Tensor

from chainrule.arguments import expect_state, integer, shown
from chainrule.errors import StateError
from chainrule.network import Network
from chainrule.updates.clipping import checked_norm


def check_saved(
    saved: Mapping[str, Any],
    own: Mapping[str, Mapping[str, Tensor]],
    rules: Mapping[str, str],
    network: Network,
    groups: Collection[str],
) -> None:
    """Raise StateError unless a saved state fits.

    Args:
        saved: what `Updater.state_dict` returned.
        own: the state of the parameters that are trained, by name.
        rules: the names of the rules of all parameters, of frozen ones too.
        network: the network that they belong to.
        groups: the keys of the updater's groups.
    """
    expect_state("updater", saved)
    if not {"t", "rules", "state"} <= saved.keys():
        raise StateError(
            f'updater: a state must have "t", "rules" and "state", got {sorted(saved)}. Save updater.state_dict().'
        )
    integer("updater", "t", saved["t"], at_least=0, error=StateError)
    for part in ("rules", "state"):
        expect_state(f"updater: {part}", saved[part])
    different = own.keys() ^ saved["state"].keys() - network.frozen
    if different and different < own.keys():
        raise StateError(
            f"updater: a state must have the parameters {sorted(own)}, got none of {sorted(different)}. "
            "Freeze those that were frozen when it was saved, or attach to a network of the same layers."
        )
    if different:
        raise StateError(
            f"updater: a state must have the parameters {sorted(own)}, got a difference in {sorted(different)}. "
            "Attach to a network of the same layers."
        )
    for name in saved["state"]:
        rule = rules[name]
        if saved["rules"].get(name) != rule:
            raise StateError(
                f"updater: the state of {name} must be that of {rule}, got that of {saved['rules'].get(name)}. "
                "Attach the rule it was saved with."
            )
    for name, state in own.items():
        expect_state(f"updater: the state of {name}", saved["state"][name])
        mine = {key: tuple(value.shape) for key, value in state.items()}
        theirs = {
            key: tuple(value.shape) if isinstance(value, Tensor) and not value.is_complex() else shown(value)
            for key, value in saved["state"][name].items()
        }
        if mine != theirs:
            raise StateError(
                f"updater: the state of {name} must be {mine}, got {theirs}. Attach the rule it was saved with."
            )
    missed = saved.get("missed", {})
    if not isinstance(missed, Mapping) or not all(
        isinstance(steps, int) and 0 <= steps <= saved["t"] for steps in missed.values()
    ):
        raise StateError(
            f"updater: the steps that parameters missed must be up to {saved['t']} by name, got {shown(missed)}. "
            "Save updater.state_dict()."
        )
    rates = saved.get("rates", {})
    if not isinstance(rates, Mapping) or not set(rates) <= set(groups):
        raise StateError(
            f"updater: rates must be of the groups {list(groups)}, got {shown(rates)}. "
            "Attach the rules it was saved with."
        )
    checked_norm("updater", saved.get("clip_norm"), error=StateError)
    seeds = saved.get("seeds", network.seeds)
    if not isinstance(seeds, Sequence) or len(seeds) != network.members:
        raise StateError(
            f"updater: a state must have seeds for {network.members} members, got {shown(seeds)}. "
            "Attach to a network of as many members."
        )
    trained = saved.get("trained", network.flat.data)
    if getattr(trained, "shape", None) != network.flat.data.shape:
        raise StateError(
            f"updater: trained parameters must have shape {tuple(network.flat.data.shape)}, "
            f"got {shown(trained)}. Attach to a network of the same layers."
        )
