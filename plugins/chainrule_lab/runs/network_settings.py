"""The arguments of `build`, and what else a network is built with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from chainrule import ChainruleError, Module, Network, Splits
from chainrule.arguments import shown
from chainrule.building import checked_device, checked_seeds
from chainrule_lab.runs.place import Place

NETWORK_KEYS = ("seed", "seeds", "members", "dtype", "device", "freeze")
DTYPES = ("float32", "float64")

MOST = 2**20
"""The most members of a run."""


@dataclass(frozen=True)
class NetworkSettings:
    """Seeds, dtype and device of a network, and the patterns of parameters to freeze."""

    seeds: dict[str, Any]
    dtype: str
    device: str
    freeze: list[str]

    @property
    def members(self) -> int:
        """The number of members; 1 for a single network."""
        return len(self.seeds["seeds"]) if "seeds" in self.seeds else self.seeds.get("members", 1)

    def build(self, place: Place, module: Module) -> Network:
        """Return the network; errors begin with the place of the module."""
        try:
            network = module.build(**self.seeds, dtype=getattr(torch, self.dtype), device=self.device)
            for pattern in self.freeze:
                network.freeze(pattern)
        except Exception as error:  # of a plugin, or for want of memory
            raise place.error_of(error, "build") from error
        return network

    def converted(self, splits: Splits) -> Splits:
        """Return splits with their numbers in the network's dtype, but for integers, and on its device."""
        return Splits(*((self._converted(x), self._converted(y)) for x, y in splits))

    def complete(self) -> dict[str, Any]:
        """Return all of them by name."""
        return {**self.seeds, "dtype": self.dtype, "device": self.device, "freeze": self.freeze}

    def _converted(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, getattr(torch, self.dtype) if tensor.is_floating_point() else tensor.dtype)


def read_network_settings(place: Place, given: Mapping[str, Any]) -> NetworkSettings:
    """Return what a description says about them.

    Raises:
        ChainruleError: if a value does not fit, or seeds are given beside seed or members.
    """
    seeds: dict[str, Any] = {name: given[name] for name in ("seed", "seeds", "members") if name in given}
    if not isinstance(seeds.get("seeds", []), list):
        seeds["seeds"] = _range(place.at("seeds"), seeds["seeds"])
    seeds = seeds if "seeds" in seeds else {"seed": 0, **seeds}
    dtype = given.get("dtype", str(torch.get_default_dtype()).removeprefix("torch."))
    if dtype not in DTYPES:
        raise place.at("dtype").error(f"must be {' or '.join(DTYPES)}, got {shown(dtype)}. Write one of the two.")
    freeze = given.get("freeze", [])
    if not isinstance(freeze, list) or not all(isinstance(one, str) for one in freeze):
        raise place.at("freeze").error(f'must be a list of patterns, got {shown(freeze)}. Write ["0.*"].')
    members = seeds.get("members", 1)
    if isinstance(members, int) and members > MOST:
        raise place.at("members").error(f"must be at most {MOST}, got {shown(members)}. Train fewer at once.")
    try:
        checked_seeds(seeds.get("seed"), seeds.get("seeds"), seeds.get("members"))
        device = str(checked_device(given.get("device", "cpu")))
    except ChainruleError as error:
        raise place.error_of(error, "build", NETWORK_KEYS) from error
    return NetworkSettings(seeds, dtype, device, freeze)


def _range(place: Place, given: object) -> list[int]:
    """Return the seeds that ``{ range = 10 }`` or ``{ range = [10, 20] }`` stands for."""
    bounds = given.get("range") if isinstance(given, dict) and given.keys() == {"range"} else None
    limits = [0, bounds] if isinstance(bounds, int) else bounds
    if not isinstance(limits, list) or len(limits) != 2 or not all(type(one) is int for one in limits):
        raise place.error(
            f"must be a list, or {{ range = 10 }}, got {shown(given)}. "
            f"Write {{ range = {given if type(given) is int and 0 < given <= MOST else 10} }}."
        )
    if not 0 < limits[1] - limits[0] <= MOST:
        raise place.error(f"must be 1 to {MOST} seeds, got {limits[1] - limits[0]}. Write {{ range = 10 }}.")
    return list(range(*limits))
