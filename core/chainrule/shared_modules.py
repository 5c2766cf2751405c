"""Modules that two living networks have, such as one activation for both."""

from __future__ import annotations

import gc
from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from chainrule.base.buffer import Buffer
from chainrule.base.module import held
from chainrule.base.protocols import ModuleLike
from chainrule.base.random_numbers import Random
from chainrule.errors import BackwardError, ChainruleError, label

if TYPE_CHECKING:
    from chainrule.network_parts import NetworkParts


_first: WeakValueDictionary[int, NetworkParts] = WeakValueDictionary()
"""By a module's identity the first of the living networks that have it."""


def claim(network: NetworkParts, modules: Sequence[ModuleLike]) -> None:
    """Note a built network's modules as its own, and on both those that another living network has too."""
    vars(network)["shared"] = [module for module in network.shared if _is_among(module, modules)]
    for module in modules:
        other = _first.setdefault(id(module), network)
        if other is network:
            continue
        if not _is_among(module, other.modules()):  # that one had another there, which is gone
            _first[id(module)] = network
            continue
        for one in (network, other):
            if not _is_among(module, one.shared):
                vars(one)["shared"] = [*one.shared, module]


def expect_no_values(modules: Sequence[ModuleLike]) -> None:
    """Raise ChainruleError if one has buffers or streams that are a living network's, and would become those of two."""
    for module in modules:
        names = [name for kind in (Buffer, Random) for name, _ in held(module, kind)]
        if not names or _owner(module) is None:
            continue
        gc.collect()  # the networks that nobody has any more
        if _owner(module) is not None:
            raise ChainruleError(
                f"{label(module)}: must not be built twice, got one whose {names[0]} another network has. "
                "Declare a new one, or copy the network."
            )


def begin_call(network: NetworkParts) -> None:
    """Put shared modules into the network's mode, and note that they keep what backward needs of its call."""
    for module in network.shared:
        module.training = network.training
        vars(module)["_called_by"] = id(network)
    ask_for_input_grads(network)


def ask_for_input_grads(network: NetworkParts) -> None:
    """Let shared modules return dL/dx, of which the first module of the other network needs none."""
    for module in network.shared:
        module.needs_input_grad = True


def expect_own_call(network: NetworkParts) -> None:
    """Raise BackwardError if a shared module was called by another network since."""
    for module in network.shared:
        if vars(module).get("_called_by") != id(network):
            raise BackwardError(
                f"{label(module)}: must not be called by another network between forward and backward, got one "
                "that two networks share. Make one for each."
            )


def _owner(module: ModuleLike) -> NetworkParts | None:
    """Return the first of the living networks that have a module."""
    network = _first.get(id(module))
    return network if network is not None and _is_among(module, network.modules()) else None


def _is_among(module: ModuleLike, modules: Sequence[ModuleLike]) -> bool:
    return any(module is one for one in modules)
